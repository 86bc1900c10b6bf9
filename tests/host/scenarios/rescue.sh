# A container whose systemd does not answer is entered directly: same statuses, same bounds, and a word about it.
# modes: systemd nobus direct
# limit: 180
leader() { # NAME
  local process
  process=$(sed -n 's/^process.pid=//p' "/run/sdme/units/$1")
  tr -d ' ' <"/proc/$process/task/$process/children"
}
field() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
directly() { contains "$stderr" 'does not answer, so it is entered directly'; }
enters() { ls /proc/[0-9]*/cmdline | while read -r file; do tr -d '\0' <"$file" 2>/dev/null; echo; done | grep -cx @sdme-enter; }

check "create" sdme create web -r trixie
check "start" sdme start web
leader=$(leader web)
bounds=$(field "$leader" CapBnd)
kill -STOP "$leader"

expect_exit 7 sdme exec web sh -c 'exit 7'
directly
expect_exit 203 sdme exec web sh -c 'exit 203'
expect_exit 143 sdme exec web sh -c 'kill -TERM $$'
expect_exit 127 sdme exec web nonesuch
expect_exit 126 sdme exec web /etc/passwd
expect_exit 125 sdme exec web -u nobodyatall true
check "its bounds are those of PID 1" sdme exec web cat /proc/self/status
equals "$(sed -n 's/^CapBnd:[[:space:]]*//p' <<<"$stdout")" "$bounds"
contains "$stdout" '^Seccomp:[[:space:]]2'
equals "$(sed -n 's/^SigIgn:[[:space:]]*//p' <<<"$stdout")" 0000000000000000
check "it is where the container is" sdme exec web sh -c 'hostname; cat /proc/1/comm; ls /proc/self/fd | wc -l; cat /proc/self/cgroup'
contains "$stdout" '^web$'
contains "$stdout" '^systemd$'
contains "$stdout" '^4$'
contains "$stdout" '/init.scope$'
check "environment" env LEAK=1 sdme exec web -e KEY=value env
contains "$stdout" '^KEY=value$'
contains "$stdout" '^HOME=/root$'
lacks "$stdout" LEAK
check "as a user" sdme exec web -u alice sh -c 'id -un; pwd; grep ^CapEff /proc/self/status'
contains "$stdout" '^alice$'
contains "$stdout" '^/home/alice$'
contains "$stdout" '^CapEff:[[:space:]]0000000000000000$'
head -c 1000000 /dev/urandom >"$work/random"
check "pipes" sh -c 'cat "$1" | sdme exec web cat | cmp - "$1"' _ "$work/random"
terminal -- sdme exec web sh -c 'tty; stty size; read -r line; echo "got $line"; exit 5' <<'STEPS'
expect /dev/pts/[0-9]+
expect 24 80
send word\n
expect got word
exit 5
STEPS
terminal -- sdme exec web sleep 100 <<'STEPS'
sleep 3
send \x03
exit 130
STEPS
terminal -- sdme join web <<'STEPS'
expect root@web
send \x1d\x1d\x1d
exit 0
STEPS
kill -CONT "$leader"
check "it answers again" sdme exec web true
lacks "$stderr" directly

note "frozen: nobody gets in, and nobody waits for ever"
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$leader/cgroup")
group=${group%/init.scope}
if [ -e "$group/cgroup.freeze" ]; then
  echo 1 >"$group/cgroup.freeze"
  capture timeout 30 sdme exec web true
  echo 0 >"$group/cgroup.freeze"
  equals "$status" 125
  contains "$stderr" frozen
  equals "$(enters)" 0
fi
check "it answers again" sdme exec web true
equals "$(enters)" 0
