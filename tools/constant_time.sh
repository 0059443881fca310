#!/usr/bin/env bash
# Runs every case of tests/constant_time under clang's memory sanitizer. The control, `leaky`, has to be reported, the others must not.
#   tools/constant_time.sh PROGRAM
set -uo pipefail
program=$1
passed=0 failed=0
for name in $("$program"); do
  out=$(MSAN_OPTIONS=exit_code=99 "$program" "$name" 2>&1)
  status=$?
  expected=0
  [ "$name" != leaky ] || expected=99
  if [ $status = $expected ]; then
    passed=$((passed + 1)); echo "ok   $name"
  else
    failed=$((failed + 1)); echo "FAIL $name: exit $status instead of $expected"; printf '%s\n' "$out" | head -n 15
  fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 1 ]
