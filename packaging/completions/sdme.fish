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

set -g __sdme_groups fs config

# The flags of a verb that take the next word.
function __sdme_valued
    string split ' ' -- '--root --datadir --config'
    switch $argv[1]
        case 'new'
            string split ' ' -- '--name --fs -r --timeout -t'
        case 'create'
            string split ' ' -- '--name --fs -r'
        case 'start'
            string split ' ' -- '--timeout -t --wait'
        case 'join'
            string split ' ' -- '--user -u'
        case 'exec'
            string split ' ' -- '--user -u --workdir -w --env -e'
        case 'logs'
            string split ' ' -- '--lines -n'
        case 'stop'
            string split ' ' -- '--timeout -t'
        case 'fs import'
            string split ' ' -- '--name --sha256 --sha512 --sums --pubkey --signature --ca-file --format --image --partition --max-bytes --max-entries --max-path --max-depth --max-layers --max-window --max-header --max-disk --max-ratio --install-packages'
    end
end

complete -c sdme -f
complete -c sdme -l root -r -f -a '(__fish_complete_directories (commandline -ct))' -d 'Work on the system in DIR, an image that is to be booted later: datadir, config and units are those below DIR, --datadir and --config too, and the variables that stand for them are not read'
complete -c sdme -l datadir -r -f -a '(__fish_complete_directories (commandline -ct))' -d 'Keep containers in DIR'
complete -c sdme -l config -r -F -d 'Read this config file'
complete -c sdme -l verbose -s v -d 'Say on standard error what is being done'
complete -c sdme -l quiet -s q -d 'Say nothing but results and errors'
complete -c sdme -l help -s h -d 'Print help'
complete -c sdme -l version -d 'Print the version'
complete -c sdme -n '__sdme_in ""' -a new -d 'create a container, start it and enter it'
complete -c sdme -n '__sdme_in ""' -a create -d 'create a container and print its name'
complete -c sdme -n '__sdme_in ""' -a start -d 'boot containers'
complete -c sdme -n '__sdme_in ""' -a join -d 'open a login session in a container'
complete -c sdme -n '__sdme_in ""' -a exec -d 'run a command in a container'
complete -c sdme -n '__sdme_in ""' -a logs -d 'show a container\'s log'
complete -c sdme -n '__sdme_in ""' -a ps -d 'list containers and their health'
complete -c sdme -n '__sdme_in ""' -a show -d 'show everything about a container'
complete -c sdme -n '__sdme_in ""' -a stop -d 'power containers off'
complete -c sdme -n '__sdme_in ""' -a rm -d 'remove containers'
complete -c sdme -n '__sdme_in ""' -a enable -d 'start containers with the system'
complete -c sdme -n '__sdme_in ""' -a disable -d 'do not start containers with the system'
complete -c sdme -n '__sdme_in ""' -a boot -d 'run a container in the foreground, as its unit does'
complete -c sdme -n '__sdme_in ""' -a fs -d 'root filesystems'
complete -c sdme -n '__sdme_in ""' -a config -d 'settings'
complete -c sdme -n '__sdme_in ""' -a help -d 'tell about a command'
complete -c sdme -n '__sdme_in "fs"' -a import -d 'import a root filesystem to make containers of'
complete -c sdme -n '__sdme_in "fs"' -a ls -d 'list root filesystems'
complete -c sdme -n '__sdme_in "fs"' -a show -d 'show where a root filesystem came from'
complete -c sdme -n '__sdme_in "fs"' -a verify -d 'check that a root filesystem is what was imported'
complete -c sdme -n '__sdme_in "fs"' -a rename -d 'give a root filesystem another name'
complete -c sdme -n '__sdme_in "fs"' -a rm -d 'remove root filesystems'
complete -c sdme -n '__sdme_in "config"' -a get -d 'print the config, or one key of it'
complete -c sdme -n '__sdme_in "config"' -a set -d 'set a key of the config'
complete -c sdme -n '__sdme_in "new"' -l name -r -f -d 'The new container\'s name'
complete -c sdme -n '__sdme_in "new"' -l fs -s r -r -f -a '(__sdme_names fs)' -d 'Clone this imported root filesystem'
complete -c sdme -n '__sdme_in "new"' -l timeout -s t -r -f -a '10s 30s 90s 2min infinity' -d 'Wait at most this long for the boot'
complete -c sdme -n '__sdme_in "new"' -l host-services -d 'Start the host\'s own enabled services in the clone too'
complete -c sdme -n '__sdme_at "new" 1 more' -F -a '(__fish_complete_command)'
complete -c sdme -n '__sdme_in "create"' -l name -r -f -d 'The new container\'s name'
complete -c sdme -n '__sdme_in "create"' -l fs -s r -r -f -a '(__sdme_names fs)' -d 'Clone this imported root filesystem'
complete -c sdme -n '__sdme_in "create"' -l host-services -d 'Start the host\'s own enabled services in the clone too'
complete -c sdme -n '__sdme_in "start"' -l all -s a -d 'Every container of the datadir'
complete -c sdme -n '__sdme_in "start"' -l timeout -s t -r -f -a '10s 30s 90s 2min infinity' -d 'Wait at most this long for the boot'
complete -c sdme -n '__sdme_in "start"' -l wait -r -f -a 'booted reachable none' -d 'Return when it has booted, is reachable, or at once: booted, reachable or none'
complete -c sdme -n '__sdme_at "start" 0 more' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "join"' -l user -s u -r -f -a '(__fish_complete_users)' -d 'Do it as this user of the container'
complete -c sdme -n '__sdme_in "join"' -l start -d 'Start the container first if it is stopped'
complete -c sdme -n '__sdme_at "join" 0' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_at "join" 1 more' -F -a '(__fish_complete_command)'
complete -c sdme -n '__sdme_in "exec"' -l user -s u -r -f -a '(__fish_complete_users)' -d 'Do it as this user of the container'
complete -c sdme -n '__sdme_in "exec"' -l tty -s t -d 'Give the command a terminal'
complete -c sdme -n '__sdme_in "exec"' -l no-tty -s T -d 'Give the command no terminal'
complete -c sdme -n '__sdme_in "exec"' -l workdir -s w -r -f -a '(__fish_complete_directories (commandline -ct))' -d 'Run it in this directory of the container'
complete -c sdme -n '__sdme_in "exec"' -l env -s e -r -f -d 'Set a variable in its environment'
complete -c sdme -n '__sdme_at "exec" 0' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_at "exec" 1 more' -F -a '(__fish_complete_command)'
complete -c sdme -n '__sdme_in "logs"' -l follow -s f -d 'Go on showing what comes'
complete -c sdme -n '__sdme_in "logs"' -l lines -s n -r -f -d 'Show the last N lines'
complete -c sdme -n '__sdme_in "logs"' -l guest -d 'Show the journal inside the container'
complete -c sdme -n '__sdme_at "logs" 0' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "ps"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_in "show"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_at "show" 0' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "stop"' -l all -s a -d 'Every container of the datadir'
complete -c sdme -n '__sdme_in "stop"' -l term -d 'Do not ask it to power off but terminate it at once'
complete -c sdme -n '__sdme_in "stop"' -l kill -d 'Kill every process of it at once'
complete -c sdme -n '__sdme_in "stop"' -l timeout -s t -r -f -a '10s 30s 90s 2min infinity' -d 'Wait this long for it to power off before it is terminated'
complete -c sdme -n '__sdme_at "stop" 0 more' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "rm"' -l all -s a -d 'Every container of the datadir'
complete -c sdme -n '__sdme_in "rm"' -l force -s f -d 'Do not ask, and do not fail for what does not exist'
complete -c sdme -n '__sdme_at "rm" 0 more' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "enable"' -l all -s a -d 'Every container of the datadir'
complete -c sdme -n '__sdme_at "enable" 0 more' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "disable"' -l all -s a -d 'Every container of the datadir'
complete -c sdme -n '__sdme_at "disable" 0 more' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_at "boot" 0' -f -a '(__sdme_names containers)'
complete -c sdme -n '__sdme_in "fs import"' -l name -r -f -d 'The root filesystem\'s name'
complete -c sdme -n '__sdme_in "fs import"' -l force -s f -d 'Replace the one that has the name, once the new one is whole; take one that is made for another processor'
complete -c sdme -n '__sdme_in "fs import"' -l sha256 -r -f -d 'The SHA-256 that the bytes of SOURCE must have'
complete -c sdme -n '__sdme_in "fs import"' -l sha512 -r -f -d 'The SHA-512 that the bytes of SOURCE must have'
complete -c sdme -n '__sdme_in "fs import"' -l sums -r -F -d 'A checksum file, such as SHA256SUMS, with a line for SOURCE'
complete -c sdme -n '__sdme_in "fs import"' -l pubkey -r -F -d 'The minisign or signify key with which SOURCE, or --sums, is signed'
complete -c sdme -n '__sdme_in "fs import"' -l signature -r -F -d 'The signature of SOURCE, or of --sums when that is given'
complete -c sdme -n '__sdme_in "fs import"' -l ca-file -r -F -d 'Trust these certificates of authorities too, in PEM form'
complete -c sdme -n '__sdme_in "fs import"' -l format -r -f -a 'auto dir tar oci oci-archive docker-archive raw qcow2' -d 'What SOURCE is: auto, dir, tar, oci, oci-archive, docker-archive, raw or qcow2'
complete -c sdme -n '__sdme_in "fs import"' -l image -r -f -d 'Which image of several, by its reference name'
complete -c sdme -n '__sdme_in "fs import"' -l partition -r -f -d 'Of a disk image, the partition that is the root, by its number'
complete -c sdme -n '__sdme_in "fs import"' -l cross-mounts -d 'Of a directory, take what is mounted below it too, but for what the kernel makes up'
complete -c sdme -n '__sdme_in "fs import"' -l max-bytes -r -f -a '(__sdme_sizes)' -d 'At most so many bytes of files, what a package manager writes among them, like 20G'
complete -c sdme -n '__sdme_in "fs import"' -l max-entries -r -f -d 'At most so many names'
complete -c sdme -n '__sdme_in "fs import"' -l max-path -r -f -d 'At most so many bytes of a path'
complete -c sdme -n '__sdme_in "fs import"' -l max-depth -r -f -d 'At most so many directories in one another'
complete -c sdme -n '__sdme_in "fs import"' -l max-layers -r -f -d 'At most so many layers of an image'
complete -c sdme -n '__sdme_in "fs import"' -l max-window -r -f -a '(__sdme_sizes)' -d 'At most so much memory for a decoder\'s window'
complete -c sdme -n '__sdme_in "fs import"' -l max-header -r -f -a '(__sdme_sizes)' -d 'At most so many bytes of one tar header\'s extensions'
complete -c sdme -n '__sdme_in "fs import"' -l max-disk -r -f -a '(__sdme_sizes)' -d 'At most so many bytes of a disk image, holes too'
complete -c sdme -n '__sdme_in "fs import"' -l max-ratio -r -f -d 'At most so many bytes for each compressed one'
complete -c sdme -n '__sdme_in "fs import"' -l install-packages -r -f -a 'auto yes no' -d 'Whether systemd and D-Bus, where one is missing, are installed by the tree\'s own package manager, in a container'
complete -c sdme -n '__sdme_in "fs import"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_at "fs import" 0' -F
complete -c sdme -n '__sdme_at "fs import" 1' -F
complete -c sdme -n '__sdme_in "fs ls"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_in "fs show"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_at "fs show" 0' -f -a '(__sdme_names fs)'
complete -c sdme -n '__sdme_at "fs verify" 0' -f -a '(__sdme_names fs)'
complete -c sdme -n '__sdme_at "fs rename" 0' -f -a '(__sdme_names fs)'
complete -c sdme -n '__sdme_in "fs rm"' -l all -s a -d 'Every root filesystem of the datadir'
complete -c sdme -n '__sdme_in "fs rm"' -l force -s f -d 'Do not ask, and do not fail for what does not exist'
complete -c sdme -n '__sdme_at "fs rm" 0 more' -f -a '(__sdme_names fs)'
complete -c sdme -n '__sdme_in "config get"' -l json -d 'Print JSON'
complete -c sdme -n '__sdme_at "config get" 0' -f -a 'datadir boot_timeout stop_timeout join_as_sudo_user interactive host_services'
complete -c sdme -n '__sdme_at "config set" 0' -f -a 'datadir boot_timeout stop_timeout join_as_sudo_user interactive host_services'
complete -c sdme -n '__sdme_at "config set" 1' -f -a '10s 30s 90s 2min infinity yes no'
