#!/bin/bash
# samples.sh: keeps what the programs print (key=value pairs on a line), takes medians, prints the table.

declare -A samples=()
rows=()

# Runs a command and keeps each pair that it prints as a sample NAME.key.
sample() { # NAME COMMAND...
        local name=$1 line pair

        shift
        if ! line=$("$@" | tail -n 1) || [ -z "$line" ]; then
                echo "benchmark: $name: no result of $*" >&2
                return 1
        fi
        keep_samples "$name" "$line"
}

keep_samples() { # NAME LINE
        local pair

        for pair in $2; do
                samples[$1.${pair%%=*}]+=" ${pair#*=}"
        done
}

# The same from a file with lines of a name and pairs, as the guest leaves it.
load_samples() { # FILE
        local name line

        while read -r name line; do
                keep_samples "$name" "$line"
        done < "$1"
}

median() { # VALUE...
        printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

median_of() { # KEY
        # shellcheck disable=SC2086 # the values are words
        median ${samples[$1]:-}
}

# Nothing where either is missing.
ratio() { # A B
        [ -n "$1" ] && [ -n "$2" ] || return 0
        awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b }'
}

row() { # WHAT KEY PEER-KEY PEER GOAL
        local ours peer=

        ours=$(median_of "$2")
        [ -z "$3" ] || peer=$(median_of "$3")
        rows+=("| $1 | ${ours:-?} | ${peer:+$peer ($4)} | $(ratio "$ours" "$peer") | $5 |")
        echo "${rows[-1]}" >&2
}

print_table() {
        echo "| what | ours | peer | ratio | goal |"
        echo "|---|---|---|---|---|"
        printf '%s\n' "${rows[@]}"
}
