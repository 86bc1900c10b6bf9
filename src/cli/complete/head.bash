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

