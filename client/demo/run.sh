#!/bin/sh
# run.sh - what make demo runs: a scratch server, simulated rivers and figures, five questions.
#
# B names the folder of the programs (build/release). Stays up until Ctrl-C; with DEMO_SECONDS=N it
# ends by itself after N seconds. Whatever way it ends, the server is stopped by SIGTERM and the
# scratch directory is gone. Exit code: 0 all steps worked, 1 one did not.
set -eu

B=${B:-build/release}
ZONE=Asia/Ho_Chi_Minh
scratch=$(mktemp -d "${TMPDIR:-/tmp}/phusa-demo.XXXXXX")
server=

# TERM once: the server flushes and ends with 0 within 5 s.
finish() {
    status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" || { echo "phusad ended with $?" >&2; status=1; }
    fi
    rm -rf "$scratch"
    [ "$status" -ne 0 ] || echo "The server has ended and its scratch directory is gone."
    exit "$status"
}
trap finish EXIT
trap 'echo; exit 0' INT TERM
trap 'exit 0' HUP

step() {
    echo
    echo "== $1"
}

# In a session of its own, so that Ctrl-C reaches it through finish() only.
start_server() {
    setsid "$B/phusad" --data-dir "$scratch/data" --http-bind 127.0.0.1:0 --tcp-bind 127.0.0.1:0 \
        --log-file "$scratch/log" >"$scratch/ready" &
    server=$!
    waited=0
    until grep -q ' ready: ' "$scratch/ready"; do
        kill -0 "$server" 2>/dev/null || { server=; echo "phusad did not start" >&2; exit 1; }
        [ "$waited" -lt 300 ] || { echo "phusad is not ready after 30 s" >&2; exit 1; }
        waited=$((waited + 1))
        sleep 0.1
    done
    cat "$scratch/ready"
    http=$(sed -n 's/.* http \([^,]*\),.*/\1/p' "$scratch/ready")
    PHUSA_URL=http://$http
    export PHUSA_URL
}

# ask "what it shows" table|csv "InfluxQL": a table a series, or a line a row.
ask() {
    step "$1"
    echo "   $3"
    echo
    "$B/phusa" query --db demo --tz "$ZONE" --format "$2" "$3" >"$scratch/answer"
    cat "$scratch/answer"
    [ -s "$scratch/answer" ] || { echo "no answer to: $3" >&2; exit 1; }
}

step "A server on a scratch directory, $scratch"
start_server

step "Two years of hourly levels of 20 river gauges: SIMULATED, nobody measured them"
"$B/demo/simulate" rivers >"$scratch/rivers.csv"
head -n 3 "$scratch/rivers.csv" | sed 's/^/   /'
"$B/phusa" import csv "$scratch/rivers.csv" --db demo --create-db --measurement level --time time \
    --time-format '%Y-%m-%d %H:%M' --time-zone "$ZONE" --tags station,river \
    --fields level_m:float,alarm_m:float --tag source=simulated

step "Monthly official figures of the same years: SIMULATED, nobody published them"
"$B/demo/simulate" figures >"$scratch/figures.lp"
sed -n '2,3s/^/   /p' "$scratch/figures.lp"
"$B/phusa" write --db demo --precision s "$scratch/figures.lp"

ask "1. The highest level of each month at Can Tho" table \
    "SELECT max(level_m) FROM level WHERE station = 'Can Tho' AND time >= '2025-01-01' AND time < '2026-01-01' GROUP BY time(1mo) tz('$ZONE')"
ask "2. Stations above their alarm level in the flood of 2025: for how many hours, and how high" csv \
    "SELECT count(level_m) AS hours, max(level_m) AS highest_m FROM level WHERE level_m > alarm_m AND time >= '2025-07-01' AND time < '2026-01-01' GROUP BY station tz('$ZONE')"
ask "3. The monthly mean of three stations, from the border to the sea" table \
    "SELECT mean(level_m) FROM level WHERE station =~ /^(Chau Doc|Can Tho|Tran De)\$/ AND time >= '2025-07-01' AND time < '2026-01-01' GROUP BY time(1mo), station tz('$ZONE')"
ask "4. The last value of each station" csv \
    "SELECT last(level_m) FROM level GROUP BY station"
ask "5. The year's total of each monthly figure" table \
    "SELECT sum(value) FROM figure WHERE freq = 'month' AND time >= '2024-01-01' AND time < '2026-01-01' GROUP BY time(1y), \"name\", unit tz('$ZONE')"

cat <<T

== It is yours to try
   pages     $PHUSA_URL/   (the pages for people will be there; they are not built yet)
   prompt    $B/phusa query --url $PHUSA_URL --db demo --tz $ZONE
   Grafana   data source InfluxDB, language InfluxQL, URL $PHUSA_URL, database demo
   influx    influx -host ${http%:*} -port ${http##*:} -database demo -precision rfc3339
   curl      curl -G $PHUSA_URL/query --data-urlencode db=demo --data-urlencode 'q=SHOW MEASUREMENTS'
T

# Short naps: a signal that comes to the shell alone is acted upon when a nap ends.
if [ -n "${DEMO_SECONDS:-}" ]; then
    echo "Ending after $DEMO_SECONDS s."
    sleep "$DEMO_SECONDS"
else
    echo "Ctrl-C ends it."
    while kill -0 "$server" 2>/dev/null; do sleep 1; done
    echo "phusad has ended by itself; the end of its log:" >&2
    tail -n 5 "$scratch/log" >&2
    exit 1
fi
