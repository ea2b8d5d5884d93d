#!/bin/sh
# The example program of client/examples embeds the library; it must build (make did that) and say what it promises.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$B/embed" "$dir/data" >"$dir/out"
cat "$dir/out"
grep -q '^1970-01-01T01:00:00Z 1.785$' "$dir/out" || { echo "0 passed, 1 failed"; exit 1; }
[ "$(wc -l <"$(dirname "$0")/../../client/examples/embed.c")" -lt 60 ] || { echo "embed.c has 60 lines or more"; echo "0 passed, 1 failed"; exit 1; }
echo "1 passed, 0 failed"
