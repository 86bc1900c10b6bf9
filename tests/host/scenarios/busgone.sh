# The host's bus goes away, and commands go on by PID 1's private socket.
# modes: systemd
# host: own
check "create" sdme create web -r trixie
check "start" sdme start web
systemctl mask --runtime dbus.socket dbus.service >/dev/null 2>&1
systemctl kill --signal=KILL dbus.service
rm -f /run/dbus/system_bus_socket
refuse "the bus is gone" busctl --timeout=3 status
check "ps" sdme ps
contains "$stdout" '^web +running'
check "exec" sdme exec web true
check "stop" sdme stop web
check "start" sdme start web
note "a bus socket that nobody serves"
mkdir -p /run/dbus
python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("/run/dbus/system_bus_socket"); s.listen(1); import time; time.sleep(600)' &
silent=$!
sleep 0.5
within 10000 sdme ps
within 30000 sdme stop web
kill $silent
check "rm" sdme rm --force web
