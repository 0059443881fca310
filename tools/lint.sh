#!/usr/bin/env bash
# Layers, house rules, format, scripts, and clang-tidy on what differs from the last commit on main.
#   tools/lint.sh BUILD_TREE [--all]      BUILD_TREE: a configured one, for its compile_commands.json
set -uo pipefail
cd "$(dirname "$0")/.."
tree=$1
failed=0
step() { # NAME COMMAND...
  "${@:2}" || { printf 'lint: %s failed\n' "$1" >&2; failed=1; }
}

check_format() { git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs -r clang-format-19 --dry-run -Werror; }
check_scripts() {
  local script bad=0
  for script in dev .ci/run tools/*.sh; do bash -n "$script" || bad=1; done
  return $bad
}
changed() {
  if [ "${2:-}" = --all ]; then
    git ls-files 'src/*.cpp'
  else
    { git diff --name-only "$(git merge-base HEAD origin/main 2>/dev/null || echo HEAD~1)" -- 2>/dev/null
      git ls-files -o --exclude-standard; } | grep -E '^src/.*\.cpp$' | sort -u
  fi
}
check_tidy() {
  local files
  mapfile -t files < <(changed "$@" | while read -r file; do [ ! -e "$file" ] || echo "$file"; done)
  [ ${#files[@]} -gt 0 ] || return 0
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 --quiet -p "$tree" --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option
}

step layers python3 tools/check_layers.py
step 'house rules' python3 tools/tidy.py
step format check_format
step scripts check_scripts
step clang-tidy check_tidy "$@"
[ $failed = 0 ] && echo "lint: nothing found"
exit $failed
