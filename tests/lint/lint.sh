#!/bin/sh
# lint.sh - what the house asks of every file. Each fault is printed with the rule's reason; exit 1 if there is any.
# It runs from the top of the tree: make lint.
set -u
faults=0
fault() {
    faults=$((faults + 1))
    printf 'lint: %s\n' "$1"
}
layers="base calendar codec chunk wal store index head rollup query text indicator"

# Arrows go one way: a folder of the engine includes only folders to its left, so that each can be understood, tested and
# replaced without what stands above it.
allowed=
for layer in $layers; do
    allowed="$allowed $layer"
    [ -d "engine/$layer" ] || continue
    for line in $(grep -rnoE '^#include "[a-z]+/' "engine/$layer" | sed -E 's/#include "|\/$//g' | tr ' ' '_'); do
        used=${line##*:}
        case " $allowed " in *" $used "*) ;; *) fault "$line: $layer may not include $used, which is to its right" ;; esac
    done
done
# Outsiders see the public header only.
for line in $(grep -rnE '^#include "(base|calendar|codec|chunk|wal|store|index|head|rollup|query|text)/' server client bench --include=*.c --include=*.h |
    grep -v '^bench/micro/' | cut -d: -f1,2); do
    fault "$line: server, client and bench include phusa.h, nothing else of the engine"
done
# Each dependency has one owner, so that it can be replaced in one place.
owner() { # HEADER REGEX-OF-FILES
    for file in $(grep -rlE "^#include <$1" engine server client bench --include=*.c --include=*.h); do
        echo "$file" | grep -qE "$2" || fault "$file: includes <$1>, which belongs to $2"
    done
}
owner 'lmdb\.h' '^engine/store/'
owner 'zstd\.h' '^engine/codec/'
owner 'roaring' '^engine/index/'
owner 'pcre2\.h' '^engine/query/pattern\.c$'
owner 'xxhash\.h' '^engine/base/hash\.c$'
owner 'uv\.h' '^(server|client)/'
owner 'http_parser\.h' '^(server/http|client/lib/)'
owner 'cyaml' '^server/'
owner 'criterion' '^tests/'

files=$(git ls-files '*.c' '*.h')
for file in $files; do
    head -c 2 "$file" | grep -q '^/\*' || fault "$file: does not open with a comment that says what it is for"
done
for word in 'TODO' 'FIXME' '[^_]NDEBUG'; do
    for line in $(grep -nE "$word" $files | cut -d: -f1,2); do
        fault "$line: says $word; finish it, or file an issue"
    done
done
tab=$(printf '\t')
for file in $(grep -l "$tab" $files); do fault "$file: has a tab"; done
for entry in $(git ls-files | cut -d/ -f1 | sort -u); do
    case $entry in engine | server | client | bench | tests | docs | Makefile | README.md | LICENSE | .ci | .clang-format | .gitignore) ;;
    *) fault "$entry: does not belong at the top of the tree" ;; esac
done

if command -v clang-format >/dev/null; then
    for file in $files; do
        clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || fault "$file: make format"
    done
fi
if command -v cppcheck >/dev/null; then
    cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr --error-exitcode=1 -j 2 \
        --suppressions-list=tests/lint/cppcheck.suppressions -Iengine -Iengine/include -Iserver -Iclient \
        engine server client bench >build/cppcheck.log 2>&1 || { cat build/cppcheck.log; fault "cppcheck has something to say"; }
fi
[ $faults -eq 0 ] && echo "lint: clean"
[ $faults -eq 0 ]
