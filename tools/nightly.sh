#!/usr/bin/env bash
# What takes longer than a change can wait for. Environment: QUOIN_SEEDS (10000), QUOIN_FUZZ_SECONDS (600, per target).
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0
step() { # NAME COMMAND...
  local start status
  start=$(date +%s)
  printf '== %s\n' "$1"
  "${@:2}"
  status=$?
  if [ $status = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '== %s: %s after %d s\n' "$1" "$([ $status = 0 ] && echo ok || echo FAILED)" $(($(date +%s) - start))
}
step 'every change' .ci/run
step 'thread sanitizer' ./dev tsan
step 'clang build and tests' env CXX=clang++-19 ./dev test
step 'constant time' ./dev ct
step 'coverage' ./dev coverage
step 'simulation' ./dev sim --seeds "${QUOIN_SEEDS:-10000}"
step 'fuzzing' ./dev fuzz --seconds "${QUOIN_FUZZ_SECONDS:-600}"
step 'clang-tidy on everything' ./dev lint --all
step 'bare roots' tools/test-setup.sh
echo "$passed passed, $failed failed"
[ $failed = 0 ]
