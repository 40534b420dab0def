#!/bin/bash
# packages.sh: installs what tests/packages.txt names, as far as it is missing, or a whole Debian in a folder.

say() {
        printf '\n=== %s\n' "$*"
}

# The packages under these headings, or all.
list_packages() { # [HEADING]...
        awk -v headings=" $* " '
                /^# / { heading = $2; sub(":", "", heading); next }
                NF && (headings == "  " || index(headings, " " heading " ")) { print $1 }
        ' tests/packages.txt
}

is_installed() { # PACKAGE
        dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null | grep -qx installed
}

install_packages() { # [HEADING]...
        local package missing=()

        for package in $(list_packages "$@"); do
                is_installed "$package" || missing+=("$package")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        if [ "$(id -u)" != 0 ]; then
                echo "Only root can install what is missing: ${missing[*]}" >&2
                return 1
        fi
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q update < /dev/null &&
                apt-get -q -y install --no-install-recommends "${missing[@]}" < /dev/null
}

# The mirror is the host's own.
make_debian() { # RELEASE FOLDER [DEBOOTSTRAP_OPTION]...
        local mirror release=$1 folder=$2

        shift 2
        mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "bookworm" { print $1; exit }')
        rm -rf "$folder"
        mkdir -p "$folder"
        debootstrap --variant=minbase "$@" "$release" "$folder" "${mirror:?apt knows no bookworm}"
}
