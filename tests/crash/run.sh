#!/bin/sh
# run.sh - kill -9, faults of the disk and power cuts, each with a build that must fail it.
# B: where the programs were built. CRASH_STATES, CRASH_KILLS: how many. PHUSA_SEED repeats a run.
set -u
states=${CRASH_STATES:-2000} kills=${CRASH_KILLS:-200}
log=$B/crash/log
: >"$log"
failures=0
while read -r line; do
    "$B"/crash/$line >"$B/crash/out" 2>&1 </dev/null || failures=$((failures + 1))
    tee -a "$log" <"$B/crash/out" | sed 's/^/  /'
done <<END
powerloss --scenario wal --states $states
powerloss --scenario db --states $states --batches 150
powerloss-nosync --scenario wal --states 100 --expect-loss
powerloss-nosync --scenario db --states 100 --expect-loss
kill --scenario wal --kills 50
kill --scenario db --kills $kills
kill --scenario db --kills 60 --faults
kill-ackearly --scenario db --kills 500 --expect-loss
END
awk '/^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
    END { print "crash tests: " p + 0 " passed, " f + 0 " failed" }' "$log"
[ $failures -eq 0 ]
