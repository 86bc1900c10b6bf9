# The unit is what an admin expects: systemctl, journalctl and machinectl work with it.
# modes: systemd nobus
check "create" sdme create web -r trixie
check "start" sdme start web
check "systemctl" systemctl is-active sdme@web
check "its slice" systemctl show -P Slice sdme@web
equals "$stdout" machine.slice
check "journal" journalctl --no-pager -u sdme@web
if [ "$mode" = systemd ]; then
  check "machinectl" machinectl --no-pager --no-legend list
  contains "$stdout" '^web +container +systemd-nspawn'
  check "machinectl shell" machinectl -q shell web /bin/true
fi
check "systemctl stop" systemctl stop sdme@web
check "ps sees it" sdme ps
contains "$stdout" '^web +stopped'
check "systemctl start" systemctl start sdme@web
check "exec" sdme exec web true
check "sdme logs" sdme logs web -n 5
check "logs of the guest" sdme logs web --guest -n 5
check "enable" systemctl enable sdme@web
check "disable" systemctl disable sdme@web
check "no mount of it in the host" sh -c '! grep -q containers/web /proc/1/mounts'
