#!/bin/sh
# run.sh - real files in, through a restart, a kill and a seal, and the right answers out.
#
#   1  phusad on an empty directory; import the Beijing air files, AEP and the salt front
#   2  check_real.py compares every answer with the files; again after a restart
#   3  on another empty directory: SIGKILL phusad in the middle of the import, start it again,
#      repeat the import (it goes on from its state file), compare
#   4  SIGKILL with everything in the log, compare; seal everything, compare; restart, compare
#   5  correct one value: now the comparison must fail, or it would show nothing
#
# Usage: tests/real/run.sh [BUILD_DIR]      default: B of the environment, else build/release
# PHUSA_REAL_DATA names the folder of the files (default ../shared/data beside the project); where
# it, or python3, is missing, the test says so and is skipped. Ends with "N passed, N failed, ...".
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
build=${1:-${B:-build/release}}
data=${PHUSA_REAL_DATA:-../shared/data}

skip() {
    echo "tests/real: skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
command -v python3 >/dev/null || skip "python3 is not installed"
[ -d "$data/beijing_air" ] || skip "no data in $data (PHUSA_REAL_DATA names another folder)"

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
http_port=${PHUSA_REAL_PORT:-$(free_port)}
tcp_port=$(free_port)
url=http://127.0.0.1:$http_port

work=$(mktemp -d)
server=
passed=0
finished=
cleanup() {
    [ -n "$finished" ] || echo "$passed passed, 1 failed, 0 skipped"
    if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { echo "-- $*"; }

start() { # DIRECTORY: phusad is ready when it has said so
    : >"$work/ready"
    "$build/phusad" --data-dir "$1" --http-bind "127.0.0.1:$http_port" \
        --tcp-bind "127.0.0.1:$tcp_port" >"$work/ready" 2>>"$work/server.log" &
    server=$!
    tries=0
    until [ -s "$work/ready" ]; do
        if ! kill -0 "$server" 2>/dev/null || [ $tries -gt 600 ]; then
            echo "tests/real: phusad did not start:"
            tail -n 20 "$work/server.log"
            server=
            exit 1
        fi
        tries=$((tries + 1))
        sleep 0.1
    done
    head -n 1 "$work/ready"
}

stop() { # SIGNAL
    kill "-$1" "$server"
    code=0
    wait "$server" 2>/dev/null || code=$?
    server=
    if [ "$1" = TERM ] && [ "$code" -ne 0 ]; then
        echo "tests/real: phusad ended with $code on SIGTERM"
        exit 1
    fi
}

compare() {
    python3 tests/real/check_real.py --url "$url" --db real --data "$data" --cache "$work/expected"
}

check() { # WHAT
    say "compare $1"
    compare
    passed=$((passed + 1))
}

import_air() {
    "$build/phusa" import csv "$data"/beijing_air/*.csv --url "$url" --db real --create-db \
        --measurement air --tags station --ignore No --time year,month,day,hour \
        --time-zone Asia/Shanghai "$@"
}

import_others() {
    "$build/phusa" import csv "$data/pjm_load/AEP_hourly.csv" --url "$url" --db real \
        --measurement load --tag area=AEP --time datetime --time-format '%m/%d/%Y %H:%M' \
        --time-zone America/New_York
    # 291 of its rows have no time: they are bad rows, so the code is 1 and they are listed.
    code=0
    "$build/phusa" import csv "$data/salt_front/delaware_saltfront_daily.csv" --url "$url" \
        --db real --measurement salt --tag estuary=delaware --time datetime \
        --bad-rows "$work/bad.csv" 2>"$work/salt.log" || code=$?
    tail -n 2 "$work/salt.log"
    listed=$(($(wc -l <"$work/bad.csv") - 1))
    if [ "$code" -ne 1 ] || [ "$listed" -ne 291 ]; then
        echo "tests/real: salt front: code $code and $listed bad rows, not 1 and 291"
        exit 1
    fi
}

say "1 import"
start "$work/a"
import_air
import_others
check "after the import"
stop TERM
start "$work/a"
check "after a restart"
stop TERM

say "3 kill in the middle of an import, repeat it"
start "$work/b"
code=0
import_air --state "$work/state" --batch-rows 2000 --connections 2 --retry 1s \
    >"$work/import.log" 2>&1 &
importer=$!
# Kill when about a third is acknowledged: the fifth word of a file's line is how far it has come.
acknowledged_bytes() {
    awk '$1 == "file" { sum += $5 } END { print sum + 0 }' "$work/state" 2>/dev/null || echo 0
}
tries=0
until [ "$(acknowledged_bytes)" -gt 10000000 ]; do
    if ! kill -0 "$importer" 2>/dev/null || [ $tries -gt 3000 ]; then break; fi
    tries=$((tries + 1))
    sleep 0.01
done
stop KILL
wait "$importer" || code=$?
tail -n 3 "$work/import.log"
if [ "$code" -ne 2 ]; then
    echo "tests/real: the import ended with $code before the server was killed, not with 2"
    exit 1
fi
start "$work/b"
import_air --state "$work/state" --batch-rows 2000 --connections 2
import_others
check "after a kill in the middle and a repeat"

say "4 kill, seal, restart"
stop KILL
start "$work/b"
check "after a kill"
python3 - "$url/api/v1/admin/seal" <<'EOF'
import sys, urllib.request
answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=b""), timeout=600)
if answer.status != 204:
    sys.exit(f"seal: {answer.status}")
EOF
check "after everything was sealed"
stop TERM
start "$work/b"
check "after another restart"

say "5 one value is corrected: the comparison must notice"
echo 'air,station=Dongsi PM10=1 1400000400000000000' | "$build/phusa" write --url "$url" --db real
if compare >"$work/wrong.log"; then
    echo "tests/real: the comparison does not notice a wrong value"
    exit 1
fi
tail -n 1 "$work/wrong.log"
passed=$((passed + 1))
stop TERM
finished=yes
echo "$passed passed, 0 failed, 0 skipped"
