# The host itself is what the other scenarios take for granted, and the binary runs in it.
# modes: systemd nobus direct bare
case $mode in
  systemd) equals "$(systemctl is-system-running)" running; check "the bus answers" busctl status ;;
  nobus) equals "$(systemctl is-system-running)" degraded; refuse "there is no bus" test -e /run/dbus/system_bus_socket ;;
  *) refuse "PID 1 is not systemd" test -e /run/systemd/system ;;
esac
note "$(systemctl --version | head -n 1)"
for guest in $guests; do check "a $guest tree is here" test -x "/var/lib/sdme/fs/$guest/usr/lib/systemd/systemd"; done
check "sdme says its version" sdme --version
contains "$stdout" '^sdme [0-9]+\.[0-9]+'
terminal -- stty size <<'STEPS'
expect 24 80
STEPS
