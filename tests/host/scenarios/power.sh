# A reboot, a poweroff and a halt from inside do what they say.
# modes: systemd nobus direct
# limit: 240
check "create" sdme create web -r trixie
check "start" sdme start web
boot_id() { sdme exec web sh -c 'stat -c %Y /proc/1; readlink /proc/1/ns/pid'; }
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
