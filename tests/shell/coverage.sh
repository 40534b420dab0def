#!/bin/bash
# coverage.sh: which share of the lines of src/ the suites run, by layer.
#
# Processes write their counters when they end, those in a sandbox when they enter it (src/sandbox/sandbox.c):
# what workers and the front do later is counted in tests that run it in their own process.

COVERAGE_FLOOR=90 # percent of each layer's lines

# Counters of earlier runs, and the notes of sources that were renamed or removed meanwhile.
forget_coverage() { # FOLDER
        local notes

        find "$1" -name '*.gcda' -delete
        while IFS= read -r notes; do
                [ -e "${notes%.gcno}.o" ] || rm "$notes"
        done < <(find "$1" -name '*.gcno')
}

run_scenario_with_counters() { # FOLDER SCENARIO
        LAB_COUNTERS=yes BUILD_FOLDER=$PWD/$1 LAB_FOLDER=$PWD/build/lab \
                tests/lab/scenario "tests/lab/scenarios/$2.sh"
}

# Layer, lines and covered lines of each file.
list_coverage() { # FOLDER
        gcovr --root . --object-directory "$1" --filter src/ --json-summary - "$1" |
                jq -r '.files[] | [(.filename | split("/")[1]), .line_total, .line_covered] | @tsv' |
                sort
}

# Shows the table; fails if it is empty or any row is below the floor.
show_coverage() { # FOLDER
        list_coverage "$1" | awk -F '\t' -v floor="$COVERAGE_FLOOR" '
                function row(name, total, covered) {
                        is_below = 100 * covered < floor * total
                        n_below += is_below
                        printf "%-12s %7d %8d %6.1f%s\n", name, total, covered,
                                100 * covered / total, is_below ? "  too little" : ""
                }
                BEGIN { printf "%-12s %7s %8s %6s\n", "layer", "lines", "covered", "%" }
                layer != $1 {
                        if (total > 0)
                                row(layer, total, covered)
                        layer = $1
                        total = covered = 0
                }
                {
                        total += $2
                        covered += $3
                        all += $2
                        all_covered += $3
                }
                END {
                        if (all == 0)
                                exit 1
                        row(layer, total, covered)
                        row("src", all, all_covered)
                        exit n_below > 0
                }'
}
