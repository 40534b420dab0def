#!/bin/bash
# style.sh: what the style suite has other programs look for in the sources. Their files of what is left alone have
# the reasons: .codespellrc, .shellcheckrc, .clang-tidy, tests/cppcheck.suppressions.

source_folders=(.ci conf daemon include man src tests units)

list_shell_scripts() {
        local file first

        while IFS= read -r file; do
                IFS= read -r first < "$file" || true
                [[ $first =~ ^#!.*[/\ ](ba)?sh || $file == *.sh ]] && echo "$file"
        done < <(find "${source_folders[@]}" -type f -not -path '*/corpus_*' | sort) 2> /dev/null
}

check_shell() {
        local scripts

        mapfile -t scripts < <(list_shell_scripts)
        [ ${#scripts[@]} -gt 0 ] && shellcheck "${scripts[@]}"
}

check_spelling() {
        codespell README.md meson.build meson_options.txt "${source_folders[@]}"
}

# Macros of statement expressions are expressions to it: it can't read them where they initialise a member.
check_cppcheck() { # FOLDER
        mkdir -p "$1/cppcheck"
        cppcheck -j "$(nproc)" --quiet --error-exitcode=1 --template=gcc --cppcheck-build-dir="$1/cppcheck" \
                --enable=warning,portability --std=c11 -I include -I src -D_GNU_SOURCE \
                -UMIN '-DMIN(a,b)=((a)<(b)?(a):(b))' -UMAX '-DMAX(a,b)=((a)>(b)?(a):(b))' \
                -UTAKE_PTR '-DTAKE_PTR(pointer)=(pointer)' --library=tests/cppcheck.cfg \
                --suppressions-list=tests/cppcheck.suppressions src daemon
}

check_tidy() { # FOLDER
        find src daemon -name '*.c' -print0 |
                xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p "$1" 2>&1 |
                grep -vE '^[0-9]+ warnings? (and [0-9]+ errors? )?generated\.$'
        [ "${PIPESTATUS[1]}" = 0 ]
}
