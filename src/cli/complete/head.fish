# fish completion for sdme
# Made of the table of flags by `make generated`; not to be edited.

# The names in a folder of the datadir: that of the command line, the environment, or the config. An image has its own config,
# and the environment says nothing about it; "/" is no image.
function __sdme_names
    set -l dir (__sdme_flag datadir)
    set -l image (__sdme_flag root | string replace -r '/+$' '')
    test -n "$dir$image"; or set dir $SDME_DATADIR
    if test -z "$dir"
        set -l config (__sdme_flag config)
        set -l flags (test -n "$image"; and printf '%s\n' --root $image) (test -n "$config"; and printf '%s\n' --config $config)
        set dir (sdme $flags config get datadir 2>/dev/null)
    end
    test -n "$dir"; or set dir /var/lib/sdme
    test -n "$image"; and set dir $image/$dir
    for entry in $dir/$argv[1]/*/
        string match -r '^[a-z][a-z0-9-]*$' -- (basename $entry)
    end
end

# The value of a global flag on the command line.
function __sdme_flag
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case --$argv[1]
                string replace -r '^~/' $HOME/ -- $words[(math $i + 1)] 2>/dev/null
            case "--$argv[1]=*"
                string replace -r '^~/' $HOME/ -- (string replace -- --$argv[1]= '' $words[$i])
        end
    end
end

# Prints the verb and how many operands there are so far: "fs import", 1.
function __sdme_state
    set -l verb
    set -l operands 0
    set -l skip no
    set -l words (commandline -opc)
    for word in $words[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch $word
            case --
                set operands (math $operands + 100)
            case '--*=*'
            case '-*'
                contains -- $word (__sdme_valued "$verb"); and set skip yes
            case help
                test -n "$verb"; and set operands (math $operands + 1)
            case '*'
                if test -z "$verb"
                    set verb $word
                else if contains -- $verb $__sdme_groups
                    set verb "$verb $word"
                else
                    set operands (math $operands + 1)
                end
        end
    end
    printf '%s\n' "$verb" $operands
end

# Whether a verb (or a group, or nothing) is what stands there.
function __sdme_in
    set -l state (__sdme_state)
    test "$state[1]" = "$argv[1]"
end

# Whether operand number N of a verb is next; the third word says that more may come.
function __sdme_at
    set -l state (__sdme_state)
    test "$state[1]" = "$argv[1]"; or return 1
    test $state[2] -eq $argv[2]; and return
    test (count $argv) -gt 2; and test $state[2] -gt $argv[2]
end

function __sdme_sizes
    set -l digits (string match -r '^[0-9]+$' -- (commandline -ct | string replace -r '^--[a-z-]*=' ''))
    test -n "$digits"; and printf '%s\n' $digits{K,M,G,T}
end

