# Twenty stops and starts in a row.
# modes: systemd nobus direct
# limit: 300
check "create" sdme create web -r trixie
for loop in $(seq 20); do
  note "loop $loop"
  check "start" sdme start web
  check "exec" sdme exec web true
  check "stop" sdme stop web
  lacks "$(cat /proc/1/mounts)" 'containers/web'
done
