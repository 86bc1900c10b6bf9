# bash completion for sdme
# Made of the table of flags by `make generated`; not to be edited.
# shellcheck shell=bash disable=SC2207

# Adds the names in a folder of the datadir: that of the command line, the environment, or the config. An image has its own
# config, and the environment says nothing about it; "/" is no image.
_sdme_names() { # FOLDER
    local image=${root%"${root##*[!/]}"} dir=$datadir entry
    [ -n "$dir$image" ] || dir=${SDME_DATADIR:-}
    [ -n "$dir" ] || dir=$(sdme ${image:+--root "$image"} ${config:+--config "$config"} config get datadir 2>/dev/null)
    for entry in "${image:+$image/}${dir:-/var/lib/sdme}/$1"/*/; do
        entry=${entry%/}
        entry=${entry##*/}
        if [[ $entry =~ ^[a-z][a-z0-9-]*$ && $entry == "$cur"* ]]; then COMPREPLY+=("$entry"); fi
    done
}

_sdme_complete() { # KIND
    local word
    case $1 in
        container) _sdme_names containers ;;
        rootfs) _sdme_names fs ;;
        user) COMPREPLY=($(compgen -u -- "$cur")) ;;
        command) COMPREPLY=($(compgen -c -- "$cur")) ;;
        file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
        size) if [[ $cur =~ ^[0-9]+$ ]]; then COMPREPLY=("$cur"K "$cur"M "$cur"G "$cur"T); fi ;;
        =*)
            for word in ${1#=}; do
                if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
            done ;;
    esac
}

# What the user typed as a path, without its quotes.
_sdme_path() { # WORD, into REPLY
    REPLY=${1//[\"\']/}
    if [[ $REPLY == \~/* ]]; then REPLY=$HOME/${REPLY#\~/}; fi
}

_sdme() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' group='' flag='' want='' datadir='' config='' root='' tail='' at=0 i j word kind kinds REPLY
    COMPREPLY=()
    # Bash parts "--flag=value" into three words.
    if [ "$cur" = = ]; then cur=''; fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ -n "$want" ]; then
            [ "$word" != = ] || continue
            _sdme_path "$word"
            case $flag in --datadir) datadir=$REPLY ;; --config) config=$REPLY ;; --root) root=$REPLY ;; esac
            want=''
            continue
        fi
        case $word in
            =) ;;
            --)
                _sdme_operands "$verb"
                case " $REPLY " in *' command '* | *' dashes '*) tail=$((COMP_CWORD - i)); break ;; esac ;;
            --*)
                flag=$word
                _sdme_kind "$verb" "$word"
                want=$REPLY ;;
            -?*)
                for ((j = 1; j < ${#word}; j++)); do
                    _sdme_kind "$verb" "-${word:j:1}"
                    [ -n "$REPLY" ] || continue
                    # Its value is the rest of the word, or the next one.
                    if ((j + 1 == ${#word})); then want=$REPLY; fi
                    break
                done ;;
            *)
                if [ -n "$verb" ]; then
                    at=$((at + 1))
                    _sdme_operands "$verb"
                    read -ra kinds <<<"$REPLY"
                    # A command's own words are its own.
                    if [ "${kinds[at - 1]:-}" = command ]; then tail=2; break; fi
                elif _sdme_operands "$group$word"; then
                    verb=$group$word
                elif [ -z "$group" ] && _sdme_members "$word"; then
                    group="$word "
                elif [ "$word" != help ]; then
                    return
                fi ;;
        esac
    done
    if [ -n "$want" ]; then _sdme_complete "$want"; return; fi
    _sdme_operands "$verb"
    read -ra kinds <<<"$REPLY"
    kind=${kinds[at]:-}
    if [ -z "$kind" ] && ((${#kinds[@]} > 0)); then
        kind=${kinds[${#kinds[@]} - 1]}
        case $kind in *+) ;; *) kind='' ;; esac
    fi
    case $tail in
        '') ;;
        1) kind='command' ;;
        *) kind='file' ;;
    esac
    if [[ -z $tail && $cur == -* ]]; then
        _sdme_flags "$verb"
        COMPREPLY=($(compgen -W "$REPLY" -- "$cur"))
    elif [ -z "$verb" ]; then
        _sdme_members "${group% }"
        COMPREPLY=($(compgen -W "$REPLY" -- "$cur"))
    else
        kind=${kind%+}
        _sdme_complete "${kind//,/ }"
    fi
}

# The words that may follow a group, or nothing. Fails for what is no group.
_sdme_members() { # GROUP
    case $1 in
        '') REPLY='new create start join exec logs ps show stop rm enable disable boot fs config help' ;;
        fs) REPLY='import ls show verify rename rm' ;;
        config) REPLY='get set' ;;
        *) REPLY=''; return 1 ;;
    esac
}

# What its operands are; the last one of a list that has a + may come again. Fails for what is no verb.
_sdme_operands() { # VERB
    case $1 in
        'new') REPLY='free dashes' ;;
        'create') REPLY='free' ;;
        'start') REPLY='container+' ;;
        'join') REPLY='container command' ;;
        'exec') REPLY='container command' ;;
        'logs') REPLY='container' ;;
        'ps') REPLY='' ;;
        'show') REPLY='container' ;;
        'stop') REPLY='container+' ;;
        'rm') REPLY='container+' ;;
        'enable') REPLY='container+' ;;
        'disable') REPLY='container+' ;;
        'boot') REPLY='container' ;;
        'fs import') REPLY='file file' ;;
        'fs ls') REPLY='' ;;
        'fs show') REPLY='rootfs' ;;
        'fs verify') REPLY='rootfs' ;;
        'fs rename') REPLY='rootfs free' ;;
        'fs rm') REPLY='rootfs+' ;;
        'config get') REPLY='=datadir,boot_timeout,stop_timeout,join_as_sudo_user,interactive,host_services' ;;
        'config set') REPLY='=datadir,boot_timeout,stop_timeout,join_as_sudo_user,interactive,host_services =10s,30s,90s,2min,infinity,yes,no' ;;
        *) REPLY=''; return 1 ;;
    esac
}

_sdme_flags() { # VERB
    case $1 in
        'new') REPLY='--name --fs --timeout --host-services' ;;
        'create') REPLY='--name --fs --host-services' ;;
        'start') REPLY='--all --timeout --wait' ;;
        'join') REPLY='--user --start' ;;
        'exec') REPLY='--user --tty --no-tty --workdir --env' ;;
        'logs') REPLY='--follow --lines --guest' ;;
        'ps') REPLY='--json' ;;
        'show') REPLY='--json' ;;
        'stop') REPLY='--all --term --kill --timeout' ;;
        'rm') REPLY='--all --force' ;;
        'enable') REPLY='--all' ;;
        'disable') REPLY='--all' ;;
        'fs import') REPLY='--name --force --sha256 --sha512 --sums --pubkey --signature --ca-file --format --image --partition --cross-mounts --max-bytes --max-entries --max-path --max-depth --max-layers --max-window --max-header --max-disk --max-ratio --install-packages --json' ;;
        'fs ls') REPLY='--json' ;;
        'fs show') REPLY='--json' ;;
        'fs rm') REPLY='--all --force' ;;
        'config get') REPLY='--json' ;;
        *) REPLY='' ;;
    esac
    REPLY+=' --root --datadir --config --verbose --quiet --help --version'
}

# What a flag's value is; nothing for a switch.
_sdme_kind() { # VERB FLAG
    case "$1 $2" in
        'new --name') REPLY='free' ;;
        'new --fs' | 'new -r') REPLY='rootfs' ;;
        'new --timeout' | 'new -t') REPLY='=10s 30s 90s 2min infinity' ;;
        'create --name') REPLY='free' ;;
        'create --fs' | 'create -r') REPLY='rootfs' ;;
        'start --timeout' | 'start -t') REPLY='=10s 30s 90s 2min infinity' ;;
        'start --wait') REPLY='=booted reachable none' ;;
        'join --user' | 'join -u') REPLY='user' ;;
        'exec --user' | 'exec -u') REPLY='user' ;;
        'exec --workdir' | 'exec -w') REPLY='directory' ;;
        'exec --env' | 'exec -e') REPLY='free' ;;
        'logs --lines' | 'logs -n') REPLY='free' ;;
        'stop --timeout' | 'stop -t') REPLY='=10s 30s 90s 2min infinity' ;;
        'fs import --name') REPLY='free' ;;
        'fs import --sha256') REPLY='free' ;;
        'fs import --sha512') REPLY='free' ;;
        'fs import --sums') REPLY='file' ;;
        'fs import --pubkey') REPLY='file' ;;
        'fs import --signature') REPLY='file' ;;
        'fs import --ca-file') REPLY='file' ;;
        'fs import --format') REPLY='=auto dir tar oci oci-archive docker-archive raw qcow2' ;;
        'fs import --image') REPLY='free' ;;
        'fs import --partition') REPLY='free' ;;
        'fs import --max-bytes') REPLY='size' ;;
        'fs import --max-entries') REPLY='free' ;;
        'fs import --max-path') REPLY='free' ;;
        'fs import --max-depth') REPLY='free' ;;
        'fs import --max-layers') REPLY='free' ;;
        'fs import --max-window') REPLY='size' ;;
        'fs import --max-header') REPLY='size' ;;
        'fs import --max-disk') REPLY='size' ;;
        'fs import --max-ratio') REPLY='free' ;;
        'fs import --install-packages') REPLY='=auto yes no' ;;
        *' --root') REPLY='directory' ;;
        *' --datadir') REPLY='directory' ;;
        *' --config') REPLY='file' ;;
        *) REPLY='' ;;
    esac
}

complete -F _sdme sdme
