#!/bin/bash
# results.sh: results in TAP, one line for each sentence that holds. What follows usually depends on what went
# before, so the first failure ends the script, after show_context (if the script has one) has shown what it can.

n_checks=0

report() { # ok|"not ok" SENTENCE
        n_checks=$((n_checks + 1))
        echo "$1 $n_checks - $2"
}

fail() { # SENTENCE
        report "not ok" "$1"
        if declare -F show_context > /dev/null; then
                show_context | sed 's/^/# /'
        fi
        echo "1..$n_checks"
        exit 1
}

# Passes if the command does; shows what it said if not.
check() { # SENTENCE COMMAND...
        local sentence=$1 output

        shift
        if output=$("$@" 2>&1); then
                report ok "$sentence"
                return
        fi
        sed 's/^/# /' <<< "$output" | tail -20
        fail "$sentence"
}

finish() {
        echo "1..$n_checks"
        exit 0
}

not() {
        ! "$@"
}

wait_until() { # SECONDS COMMAND...
        local deadline=$((SECONDS + $1))

        shift
        until "$@" > /dev/null 2>&1; do
                [ "$SECONDS" -lt "$deadline" ] || return 1
                sleep 0.1
        done
}
