#compdef sdme
# zsh completion for sdme
# Made of the table of flags by `make generated`; not to be edited.

# The value of a global flag, before the verb or after it.
_sdme_value() { # FLAG BEFORE
    REPLY=${${(Q)${opt_args[$1]:-$2}}/#\~\//$HOME/}
}

# The names in a folder of the datadir: that of the command line, the environment, or the config. An image has its own config,
# and the environment says nothing about it; "/" is no image.
_sdme_names() { # FOLDER
    local REPLY dir config image
    local -a names
    _sdme_value --datadir $_sdme_datadir; dir=$REPLY
    _sdme_value --config $_sdme_config; config=$REPLY
    _sdme_value --root $_sdme_root; image=${REPLY%%/#}
    [[ -n $dir$image ]] || dir=${SDME_DATADIR/#\~\//$HOME/}
    [[ -n $dir ]] || dir=$(sdme ${image:+--root} ${image:+$image} ${config:+--config} ${config:+$config} config get datadir 2>/dev/null)
    names=(${image:+$image/}${dir:-/var/lib/sdme}/$1/*(N/:t))
    names=(${(M)names:#[a-z][a-z0-9-]#})
    _wanted names expl name compadd -a names
}

_sdme_size() {
    if [[ $PREFIX == <-> ]]; then compadd -U -- ${PREFIX}{K,M,G,T}; else _message 'a number and K, M, G or T'; fi
}

_sdme() {
    local curcontext=$curcontext state line expl _sdme_datadir _sdme_config _sdme_root
    local -A opt_args
    setopt local_options extended_glob
    _arguments -C -s -A '-*' $_sdme_global '1:command:->command' '*::argument:->argument' && return
    _sdme_datadir=${opt_args[--datadir]} _sdme_config=${opt_args[--config]} _sdme_root=${opt_args[--root]}
    case $state in
        command) _describe -t commands command _sdme_first ;;
        argument) _sdme_argument ;;
    esac
}

_sdme_argument() {
    local group=$words[1]
    if [[ $group == help ]]; then
        shift words
        ((CURRENT--))
        if ((CURRENT == 1)); then _describe -t commands command _sdme_first; return; fi
        group=$words[1]
    fi
    if (($+_sdme_members[$group])); then
        local -a second=(${(f)_sdme_members[$group]})
        if ((CURRENT == 2)); then _describe -t commands command second; return; fi
        shift words
        ((CURRENT--))
        words[1]="$group $words[1]"
    fi
    _sdme_verb
}

