#!/bin/bash
# analysis.sh: what takes too long for each change: Valgrind, clang's analyzer, two builds that must be equal.

VALGRIND_TIMEOUT_MULTIPLIER=40 # of meson's and of each test's own

# Tests that Debian 12's Valgrind (3.19) can't run: sandboxed processes die of calls that it makes beside theirs; it
# keeps descriptors apart for itself, so that one test in which they run out has one too many; what it runs can't be
# stepped through by its parent; it does not know pidfd_open(), by which child processes are watched.
valgrind_cannot=(
        'sandbox/.*'
        'negotiation/test_nbd_server'
        'cache/test_cache_kill'
        'device/test_(cache_restart|child_process)'
        'device/test_device_(admission|cache|clients|manager|peers|power|requests|sleep|smart|usb)'
)

# The programs of the unit suite; scripts would have their interpreters looked at.
list_valgrind_tests() { # FOLDER
        meson introspect "$1" --tests |
                jq -r '.[] | select(.suite | any(endswith(":unit"))) |
                        select(.cmd[0] | test("/tests/[^/]+/(test|seeds)_[^/.]+$")) | .name' |
                grep -vxE "$(IFS='|' && echo "${valgrind_cannot[*]}")"
}

# Memory that is used wrongly, or that nothing leads to any more. Meson names the log check-valgrind.json, by the
# wrapper.
run_valgrind_tests() { # FOLDER
        local tests

        mapfile -t tests < <(list_valgrind_tests "$1")
        [ ${#tests[@]} -gt 0 ] || return
        rm -f "$1/meson-logs/check-valgrind.json"
        CK_TIMEOUT_MULTIPLIER=$VALGRIND_TIMEOUT_MULTIPLIER \
                meson test -C "$1" --no-rebuild --logbase check --print-errorlogs \
                --timeout-multiplier "$VALGRIND_TIMEOUT_MULTIPLIER" \
                --wrapper "valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite" \
                "${tests[@]}"
}

# Each finding as FILE CHECKER, sorted. Paths are told as seen from the build folder.
list_scan_findings() { # LOG
        sed -nE 's|^(\.\./)?([^: ]+):[0-9]+:[0-9]+: warning: .* \[([a-zA-Z.]+)\]$|\2 \3|p' "$1" | sort -u
}

# Findings that tests/scan-build.known does not explain, and explanations of what is no longer found.
compare_scan_findings() { # LOG
        local differences

        differences=$(diff <(grep -vE '^(#|$)' tests/scan-build.known | awk '{ print $1, $2 }' | sort -u) \
                <(list_scan_findings "$1"))
        [ -n "$differences" ] || return 0
        sed -nE 's|^< |explained, but not found: |p; s|^> |found: |p' <<< "$differences"
        grep -F -f <(sed -nE 's|^> ([^ ]+) .*|\1:|p' <<< "$differences") "$1" | grep 'warning:'
        return 1
}

# It cannot follow __attribute__((cleanup)) and lists that lead into themselves, so what it says of malloc() and
# free() is left to ASan and Valgrind.
run_scan_build() { # FOLDER
        local log=$1/scan.log scan=(scan-build --use-cc=clang -disable-checker unix.Malloc -o "$1/report")

        rm -rf "$1"
        mkdir -p "$1"
        CCACHE_DISABLE=1 "${scan[@]}" meson setup "$1" -Dtests=false > "$log" 2>&1 &&
                CCACHE_DISABLE=1 "${scan[@]}" ninja -C "$1" >> "$log" 2>&1
        if ! [ -e "$1/daemon/usb-storaged" ]; then
                tail -20 "$log"
                return 1
        fi
        compare_scan_findings "$log"
}

# With the options of Debian's packages, which say where the sources lie. ccache would give the first build's objects
# to the second one.
install_copy() { # FOLDER
        (
                mkdir -p "$1/source"
                tar -c --exclude='./build*' --exclude=./.git . | tar -x -C "$1/source"
                cd "$1/source" || exit
                eval "$(dpkg-buildflags --export=sh)"
                export CCACHE_DISABLE=1
                meson setup build --prefix=/usr --buildtype=plain -Dtests=false &&
                        ninja -C build &&
                        DESTDIR=$PWD/../installed meson install -C build --no-rebuild
        ) > "$1.log" 2>&1 || {
                tail -20 "$1.log"
                return 1
        }
}

list_sums() { # FOLDER
        (cd "$1/installed" && find . -type f -exec sha256sum {} + | sort -k2)
}

# The same sources in other folders, at another time, in another zone and language.
compare_builds() { # FOLDER
        local first=$1/first second=$1/second/under/a/longer/name

        rm -rf "$1"
        mkdir -p "$first" "$second"
        install_copy "$first" || return
        TZ=Asia/Kathmandu LC_ALL=C.UTF-8 install_copy "$second" || return
        list_sums "$first" > "$1/sums"
        [ -s "$1/sums" ] && list_sums "$second" | diff "$1/sums" - && wc -l < "$1/sums"
}
