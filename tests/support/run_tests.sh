#!/bin/sh
# run_tests.sh DIR SANITIZED TEST... - run Criterion programs and scripts, two at a time, and add up their counts.
# DIR keeps their output. SANITIZED=1: a sanitizer's report in the output is a failure even where the exit code is 0,
# as for a leak that is found when a test has ended. The last line is "N passed, N failed, N skipped".
set -u
dir=$1 sanitized=$2
shift 2
mkdir -p "$dir"
jobs=${TEST_JOBS:-2}
limit=${TEST_SECONDS_MAX:-900} # one that hangs fails

run_one() {
    log=$dir/$(echo "$1" | tr '/' '_').log
    began=$(date +%s)
    case $1 in
    *.sh) timeout "$limit" sh "$1" >"$log" 2>&1 ;;
    *) timeout "$limit" "$1" >"$log" 2>&1 ;;
    esac
    echo $? >"$log.exit"
    echo "$(($(date +%s) - began))" >"$log.seconds"
}

running=0
for test in "$@"; do
    [ -t 1 ] && printf '\r\033[K%s ...' "$test"
    run_one "$test" </dev/null &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait
        running=0
    fi
done
wait
[ -t 1 ] && printf '\r\033[K'

passed=0 failed=0 skipped=0
for test in "$@"; do
    log=$dir/$(echo "$test" | tr '/' '_').log
    # Criterion: "Synthesis: Tested: 4 | Passing: 4 | Failing: 0 | Crashing: 0"; others: "N passed, N failed[, N skipped]".
    set -- $(awk '
        /Synthesis: Tested:/ { gsub(/\|/, ""); for (i = 1; i < NF; i++) {
            if ($i == "Passing:") p += $(i + 1)
            if ($i == "Failing:" || $i == "Crashing:") f += $(i + 1) } }
        /^\[SKIP\]/ { s++ }
        /^([a-z]+ tests: )?[0-9]+ passed, [0-9]+ failed/ { sub(/^[a-z]+ tests: /, ""); p += $1; f += $3; if ($6 ~ /skipped/) s += $5 }
        END { print p + 0, f + 0, s + 0 }' "$log")
    exit_code=$(cat "$log.exit")
    why=
    if [ "$exit_code" -ne 0 ] && [ "$2" -eq 0 ]; then
        set -- "$1" 1 "$3"
        why=" (exit code $exit_code)"
    fi
    if [ "$sanitized" = 1 ] && grep -qE '(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|runtime error:' "$log"; then
        [ "$2" -eq 0 ] && set -- "$1" 1 "$3"
        why=" (a sanitizer reported)"
    fi
    [ "$1" -eq 0 ] && [ "$2" -eq 0 ] && [ "$3" -eq 0 ] && { set -- 0 1 0; why=" (ran no test)"; }
    printf '%-36s %5d passed %3d failed %3d skipped %4ss%s\n' "$(echo "$test" | sed 's|^build/||')" \
        "$1" "$2" "$3" "$(cat "$log.seconds")" "$why"
    if [ "$2" -ne 0 ]; then
        grep -vE '^\[(PASS|====)\]' "$log" | head -${FAILURE_LINES:-60} | sed 's/^/    /'
    fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
