#!/usr/bin/env bash
# Tries the set-up where nothing is installed: bare roots of Debian 12 and Debian 13, made with debootstrap.
#   tools/test-setup.sh [bookworm|trixie]... [-- COMMAND...]     default: both, and: ./dev test, then a demo that ends by itself
# Also that a missing network and a missing right to install are said in plain words. Needs root.
set -uo pipefail
cd "$(dirname "$0")/.."
suites=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do suites+=("$1"); shift; done
[ "${1:-}" != -- ] || shift
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
command=("$@")
[ ${#command[@]} -gt 0 ] || command=(bash -c './dev test && ./dev demo --once && s=$(date +%s%N) && ./dev build &&
  echo "unchanged ./dev build: $((($(date +%s%N) - s) / 1000000)) ms"')

passed=0 failed=0
verdict() { # NAME STATUS
  if [ "$2" = 0 ]; then passed=$((passed + 1)); echo "ok   $1"; else failed=$((failed + 1)); echo "FAIL $1"; fi
}
# Fails as it should: non-zero, and with these words.
refuses() { # NAME WORDS ARGUMENTS...
  local out
  out=$(tools/in-root.sh --fresh "${@:3}" 2>&1)
  [ $? -ne 0 ] && grep -qF -- "$2" <<<"$out"
  local status=$?
  [ $status = 0 ] || printf '%s\n' "$out" | tail -n 5
  verdict "$1" $status
}
for suite in "${suites[@]}"; do
  start=$(date +%s)
  tools/in-root.sh --fresh "$suite" "${command[@]}"
  status=$?
  verdict "$suite: ${command[*]:0:3} on a bare root, $(($(date +%s) - start)) s" $status
  refuses "$suite: no network is said" 'Check the network' --no-network "$suite" ./dev build
  refuses "$suite: no right to install is said" 'become root, or install sudo' --user "$suite" ./dev build
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
