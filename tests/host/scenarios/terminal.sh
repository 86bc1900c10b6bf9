# A session on a real terminal: prompt, size, job control, leaving it, and what ends it.
# modes: systemd nobus direct
check "create" sdme create web -r trixie
check "start" sdme start web
note "a shell"
terminal -- sdme join web <<'STEPS'
expect root@web
send stty size; tty\n
expect 24 80
resize 40x120
sleep 0.3
send stty size\n
expect 40 120
send sh -c 'exit 5'; echo got=$?\n
expect got=5
send sleep 100\n
sleep 0.3
send \x03
expect root@web
send exit 6\n
exit 6
STEPS
note "a session of logind"
terminal -- sdme join web <<'STEPS'
expect root@web
send loginctl --no-pager list-sessions\n
expect 1 sessions|root.*(pts|user)
send exit 0\n
exit 0
STEPS
note "three times ^] leaves it, and the container runs on"
terminal -- sdme join web <<'STEPS'
expect root@web
send \x1d\x1d\x1d
exit 0
STEPS
check "it runs on" sdme exec web true
note "as a user"
terminal -- sdme join web -u alice <<'STEPS'
expect alice@web
send id -u\n
expect 1000
send exit\n
exit 0
STEPS
note "a command"
terminal -- sdme join web sh -c 'test -t 1 && echo yes; exit 8' <<'STEPS'
expect yes
exit 8
STEPS
note "not even the last words of a command that ends at once are lost"
for round in $(seq 20); do
  terminal -- sdme join web sh -c "echo word $round; exit 8" <<STEPS
expect word $round
exit 8
STEPS
done
note "the end of the container ends the session: its shell is hung up, and that is its status"
terminal --timeout 60 -- sdme join web <<'STEPS'
expect root@web
send systemctl poweroff\n
exit 129
STEPS
