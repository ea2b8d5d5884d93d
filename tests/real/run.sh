#!/bin/sh
# run.sh - real files in, through a restart, a kill and a seal, and the right answers out.
#
#   1  phusad on an empty directory; import the Beijing air files, AEP and the salt front
#   2  check_real.py compares every answer with the files; again after a restart
#   3  on another empty directory: SIGKILL phusad in the middle of the import, start it again,
#      repeat the import (it goes on from its state file), compare
#   4  SIGKILL with everything in the log, compare; seal everything, compare; restart, compare
#
# Usage: tests/real/run.sh [BUILD_DIR]      default build/release
# PHUSA_REAL_DATA names the folder of the files (default ../shared/data beside the project); where
# it, or python3, is missing, the test says so and is skipped.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
data=${PHUSA_REAL_DATA:-$root/../shared/data}
http_port=${PHUSA_REAL_PORT:-18186}
tcp_port=$((http_port + 1))
url=http://127.0.0.1:$http_port

if ! command -v python3 >/dev/null; then
    echo "tests/real: skipped: python3 is not installed"
    exit 0
fi
if [ ! -d "$data/beijing_air" ]; then
    echo "tests/real: skipped: no data in $data (set PHUSA_REAL_DATA)"
    exit 0
fi

work=$(mktemp -d)
server=
cleanup() {
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

check() { python3 "$root/tests/real/check_real.py" --url "$url" --db real --data "$data"; }

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
say "2 compare, restart, compare"
check
stop TERM
start "$work/a"
check
stop TERM

say "3 kill in the middle of an import, repeat it"
start "$work/b"
code=0
import_air --state "$work/state" --batch-rows 2000 --connections 2 --retry 1s \
    >"$work/import.log" 2>&1 &
importer=$!
# Kill when about a third is acknowledged: the state file grows a line a file.
tries=0
while [ "$(grep -c '^file' "$work/state" 2>/dev/null || true)" -lt 5 ] 2>/dev/null ||
    [ ! -s "$work/state" ]; do
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
check

say "4 kill, compare, seal, compare, restart, compare"
stop KILL
start "$work/b"
check
python3 - "$url/api/v1/admin/seal" <<'EOF'
import sys, urllib.request
answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=b""), timeout=600)
if answer.status != 204:
    sys.exit(f"seal: {answer.status}")
EOF
check
stop TERM
start "$work/b"
check
stop TERM
say "all equal"
