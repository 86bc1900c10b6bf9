# A reboot, a poweroff and a halt from inside do what they say.
# modes: systemd nobus direct hybrid
# limit: 240
check "create" sdme create web -r trixie
check "start" sdme start web
# When its PID 1 began, in ticks of the host's clock.
boot_id() { sdme exec web cut -d ' ' -f 22 /proc/1/stat; }
check "its first life" boot_id
first=$stdout
# Whoever looks in while it goes down does not keep it: systemd-shutdown would wait ten seconds for one that it killed, and
# the kernel for ever for one that nobody reaps.
look() { while [ ! -e "$work/seen" ]; do sdme ps; sdme exec web true; done >/dev/null 2>&1; }
look &
lookers=$!
look &
lookers+=" $!"
began=$SECONDS
sdme exec web systemctl reboot >/dev/null 2>&1
another_life() { local now; now=$(boot_id 2>/dev/null) && [ "$now" != "$first" ]; }
wait_for 60 another_life
[ $((SECONDS - began)) -lt 9 ] || fail "the reboot took $((SECONDS - began)) s"
touch "$work/seen"
wait $lookers
# A unit that ends before it was ready has failed, as systemd sees it: it is up again before it is to end.
check "it comes up again" sdme start web
# One who comes while it goes down is told that.
check "what takes long to end" sdme exec web systemd-run -p 'ExecStop=/bin/sleep 3' /bin/sleep infinity
sdme exec web systemctl --no-block poweroff >/dev/null 2>&1
expect_exit 125 sdme exec web true
contains "$stderr" '^sdme: .*the container is shutting down$'
wait_for 30 sh -c 'sdme ps | grep -Eq "^web +stopped"'
for verb in poweroff halt; do
  check "start" sdme start web
  sdme exec web systemctl "$verb" >/dev/null 2>&1
  wait_for 30 sh -c 'sdme ps | grep -Eq "^web +stopped"'
done
check "and it starts again" sdme start web
