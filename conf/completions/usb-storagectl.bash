# usb-storagectl(1) completion for bash                                       -*- shell-script -*-
# A test compares it to what the program says of itself.

_usb_storagectl_global='--help --version --json= -j --no-pager --no-legend --bytes --address= --no-ask-password --timeout='

declare -gA _usb_storagectl_verbs=(
        [list]='--output='
        [status]=''
        [take]=''
        [release]=''
        [device-info]=''
        [device-reset]=''
        [device-remove]='--force'
        [scsi-info]=''
        [scsi-command]='--in= --out= --force'
        [scsi-reset]=''
        [eject]='--force'
        [load]=''
        [cache-info]=''
        [cache-flush]=''
        [cache-reset]='--discard-dirty --yes'
        [performance-stats]=''
        [optimization-info]=''
        [power-info]=''
        [power-set]='--standby-timeout= --suspend-timeout= --default-timeouts'
        [smart]='--force'
        [smart-test]='--wait'
        [top]='--iterations= --delay='
        [monitor]='--iterations='
        [policy]=''
        [quirks]=''
        [config]=''
        [reload]=''
        [metrics]='--textfile='
        [diagnose]=''
        [trace]='--pcap= --seconds='
        [copy]='--map= --retry --depth= --yes'
        [mount]='--read-only --allow-other --all --follow'
        [umount]='--force'
        [attach]='--all'
        [detach]='--force'
        [benchmark]='--write --yes --seconds= --depth='
)

# The service's devices, and their units where a verb takes one.
_usb_storagectl_names() {
        usb-storagectl list --no-legend --no-ask-password --timeout=2 -o "$1" 2> /dev/null | sort -u
}

# What may follow the verb: kinds of words, or words.
_usb_storagectl_arguments() {
        case $1 in
        take) usb-storagectl list --no-legend --timeout=2 -o NAME,PROTO 2> /dev/null |
                awk '$2 == "-" { print $1 }' ;;
        release | device-* | status | cache-info | cache-reset | diagnose | trace | power-info) _usb_storagectl_names PORT ;;
        copy | mount | umount)
                _usb_storagectl_names NAME
                compgen -f -- "$2"
                ;;
        attach | benchmark | detach | eject | load | scsi-* | cache-flush | performance-stats | optimization-info | smart) _usb_storagectl_names NAME ;;
        smart-test)
                _usb_storagectl_names NAME
                echo short extended conveyance offline abort
                ;;
        power-set)
                _usb_storagectl_names PORT
                echo active standby suspended
                ;;
        policy) echo list test generate ;;
        esac
}

_usb_storagectl() {
        local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} i verb=

        # bash takes "--json=pretty" apart at the "=".
        [ "$word" != = ] || word=
        [ "$previous" != = ] || previous=${COMP_WORDS[COMP_CWORD - 2]}=
        case $previous in
        --json | --json=)
                mapfile -t COMPREPLY < <(compgen -W 'pretty short off' -- "$word")
                return
                ;;
        --out | --out= | --pcap | --pcap= | --map | --map= | --textfile | --textfile=)
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return
                ;;
        esac

        case ${COMP_WORDS[0]##*/} in
        usb_storage_smart_info) verb=smart ;;
        usb_storage_*)
                verb=${COMP_WORDS[0]##*/usb_storage_}
                verb=${verb#usb_storage_}
                verb=${verb//_/-}
                ;;
        *)
                for ((i = 1; i < COMP_CWORD; i++)); do
                        if [ "${_usb_storagectl_verbs[${COMP_WORDS[i]}]+set}" ]; then
                                verb=${COMP_WORDS[i]}
                                break
                        fi
                done
                ;;
        esac

        if [[ $word == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$_usb_storagectl_global ${verb:+${_usb_storagectl_verbs[$verb]}}" -- "$word")
                [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2> /dev/null
        elif [ -z "$verb" ]; then
                mapfile -t COMPREPLY < <(compgen -W "${!_usb_storagectl_verbs[*]}" -- "$word")
        else
                mapfile -t COMPREPLY < <(compgen -W "$(_usb_storagectl_arguments "$verb" "$word")" -- "$word")
        fi
}

complete -F _usb_storagectl usb-storagectl \
        usb_storage_device_info usb_storage_device_reset usb_storage_device_remove \
        usb_storage_scsi_info usb_storage_scsi_command usb_storage_scsi_reset \
        usb_storage_cache_info usb_storage_cache_flush usb_storage_cache_reset \
        usb_storage_performance_stats usb_storage_optimization_info usb_storage_power_info \
        usb_storage_power_set usb_storage_smart_info usb_storage_smart_test
