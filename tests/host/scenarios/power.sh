# A reboot, a poweroff and a halt from inside do what they say.
# modes: systemd nobus direct hybrid
# limit: 240
check "create" sdme create web -r trixie
check "start" sdme start web
# When its PID 1 began, in ticks of the host's clock.
boot_id() { sdme exec web cut -d ' ' -f 22 /proc/1/stat; }
check "its first life" boot_id
first=$stdout
sdme exec web systemctl reboot >/dev/null 2>&1
another_life() { local now; now=$(boot_id 2>/dev/null) && [ "$now" != "$first" ]; }
wait_for 60 another_life
for verb in poweroff halt; do
  check "start" sdme start web
  sdme exec web systemctl "$verb" >/dev/null 2>&1
  wait_for 30 sh -c 'sdme ps | grep -Eq "^web +stopped"'
done
check "and it starts again" sdme start web
