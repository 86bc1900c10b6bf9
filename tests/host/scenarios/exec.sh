# exec: pipes are binary-safe, EOF travels, stderr is apart, nothing of the caller leaks in.
# modes: systemd nobus direct hybrid
check "create" sdme create web -r trixie
check "start" sdme start web
head -c 3000000 /dev/urandom >"$work/random"
check "three megabytes there and back" sh -c 'sdme exec web cat <"$1" >"$2" && cmp "$1" "$2"' _ "$work/random" "$work/back"
check "stderr apart" sh -c 'sdme exec web sh -c "echo out; echo err >&2" 2>"$1"' _ "$work/err"
equals "$stdout" out
equals "$(cat "$work/err")" err
check "EOF" sh -c 'printf abc | sdme exec web wc -c'
equals "$(tr -d ' ' <<<"$stdout")" 3
check "a closed reader ends it" sh -c 'sdme exec web yes | head -n 1'
check "a long output to a slow reader" sh -c 'sdme exec web seq 200000 | (sleep 0.5; tail -n 1)'
equals "$stdout" 200000
check "environment" env LEAK=1 SECRET_TOKEN=2 sdme exec web -e KEY=a=b -e OTHER='x y' env
contains "$stdout" '^KEY=a=b$'
contains "$stdout" '^OTHER=x y$'
contains "$stdout" '^HOME=/root$'
contains "$stdout" '^USER=root$'
contains "$stdout" '^PATH=.*/usr/bin'
lacks "$stdout" 'LEAK|SECRET_TOKEN'
check "descriptors" sh -c 'exec 7</etc/passwd 8</; sdme exec web sh -c "ls /proc/self/fd" | tr "\n" " "'
equals "$(tr -s ' ' <<<"$stdout" | sed 's/ $//')" "0 1 2 3"
check "as a user" sdme exec web -u alice sh -c 'id -un; pwd; echo $HOME'
equals "$stdout" "$(printf 'alice\n/home/alice\n/home/alice')"
odd=$'two\nlines %n %% $HOME ${HOME} "double" \'single\' back\\slash \\n # ; \t end '
check "values of variables arrive as they are" sdme exec web -e "ODD=$odd" -e EMPTY= printenv ODD EMPTY
equals "$stdout" "$odd"
check "by number" sdme exec web -u 1000 id -u
equals "$stdout" 1000
check "workdir" sdme exec web -w /usr pwd
equals "$stdout" /usr
check "arguments arrive as they are" sdme exec web printf '%s|' '' 'a b' '$HOME' '%i' '*' "it's" '"' $'new\nline' '\' -- --help
equals "$stdout" "|a b|\$HOME|%i|*|it's|\"|$(printf 'new\nline')|\\|--|--help|"
check "no terminal without one" sdme exec web sh -c 'test ! -t 0 && test ! -t 1'
terminal -- sdme exec web sh -c 'test -t 0 && test -t 1 && tty && stty size' <<'STEPS'
expect /dev/pts/[0-9]+
expect 24 80
exit 0
STEPS
check "many in a row" sh -c 'for i in $(seq 30); do sdme exec web true || exit; done'
check "many at once" sh -c 'for i in $(seq 10); do sdme exec web echo $i & done; wait'
equals "$(wc -l <<<"$stdout")" 10
check "a signal travels" sh -c 'sdme exec web sh -c "trap \"echo caught; exit 9\" TERM; echo ready; while :; do sleep 0.1; done" >"$1" & pid=$!
  until grep -q ready "$1"; do sleep 0.05; done; kill -TERM $pid; wait $pid; test $? = 9 && grep -q caught "$1"' _ "$work/signal"
check "the guest accounts for it" sdme exec web sh -c 'cat /proc/self/cgroup'
note "$stdout"
