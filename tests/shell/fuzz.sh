#!/bin/bash
# fuzz.sh: runs the fuzz targets, each for a while. What they find on the way is kept in the build folder and
# begins the next run; what fails is left there as crash-*, to become a seed.

FUZZ_SECONDS=3
FUZZ_INPUT_TIMEOUT=25
FUZZ_MEMORY_MB=2048

list_fuzz_targets() { # LAYER/NAME
        find tests -name 'fuzz_*.c' | sed -nE 's|^tests/([^/]+)/fuzz_(.*)\.c$|\1/\2|p' | sort
}

run_fuzz_target() { # FOLDER LAYER/NAME SECONDS
        local name=${2#*/} seeds=tests/${2%/*}/corpus_${2#*/} log=$1/meson-logs/fuzz-${2#*/}.log

        mkdir -p "$1/found/$name"
        # Stacks that move within the process are not for ASan's copies of frames.
        if ! ASAN_OPTIONS=detect_stack_use_after_return=0 \
                nice "$1/tests/fuzz/fuzz_$name" -max_total_time="$3" -timeout=$FUZZ_INPUT_TIMEOUT \
                -rss_limit_mb=$FUZZ_MEMORY_MB -artifact_prefix="$1/found/$name-" \
                "$1/found/$name" "$seeds" > "$log" 2>&1; then
                grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse)' "$log" | tail -60
                return 1
        fi
        grep -E '^#[0-9]+\s+DONE' "$log"
}
