#!/bin/sh
# Replay the corpora: every input that a fuzz target has kept, and every one that once broke it.
passed=0 failed=0
for program in "$B"/corpus/fuzz_*; do
    case $program in *.d | *.o) continue ;; esac
    name=$(basename "$program")
    for corpus in "tests/fuzz/corpus/$name" "tests/fuzz/corpus/${name#fuzz_}"; do
        [ -d "$corpus" ] || continue
        if "$program" "$corpus"/*; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$name fails on $corpus"; fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
