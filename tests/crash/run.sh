#!/bin/sh
# Kills and power cuts, with the controls that must fail; see the Makefile's section on crash tests.
${MAKE:-make} --no-print-directory VARIANT=debug run-crash >"$B/crash.out" 2>&1
status=$?
sed -E 's/^[0-9]+ passed/  &/' "$B/crash.out" # of each program; the sum comes last
exit $status
