# A guest that owns every byte of its tree: no verb runs, reads or writes anything on the host for it.
# modes: systemd nobus direct
# limit: 300
sentinel() { find / -xdev \( -path /var/lib/sdme -o -path /usr/local/lib/sdme-test -o -path /var/log -o -path /root/.bash_history \) -prune -o -newer "$work/mark" -type f -print 2>/dev/null | grep -v '^/etc/systemd/system/.*wants'; }
upper() { find "/var/lib/sdme/containers/$1/layers" -name upper -type d | head -n 1; }
: >/root/host-only
echo 'hostonly:x:4242:4242::/root:/bin/sh' >>/etc/passwd
touch "$work/mark"
sleep 1.1

note "its bus sockets are absolute symlinks to the host's"
check "create" sdme create evil -r trixie
check "start" sdme start evil
check "swap the sockets" sdme exec evil sh -c 'systemctl stop dbus.socket dbus.service; rm -rf /run/dbus /run/systemd/private; mkdir /run/dbus
  ln -s /proc/1/root/run/dbus/system_bus_socket /run/dbus/system_bus_socket; ln -s /run/systemd/private /run/systemd/private2; ln -s /proc/1/root/run/systemd/private /run/systemd/private; true'
capture timeout 30 sdme exec evil touch /root/ran-here
note "exec: $status $stderr"
refuse "it did not run on the host" test -e /root/ran-here
capture timeout 30 sdme exec evil ls /root
lacks "$stdout" host-only
within 10000 sdme ps
within 10000 sdme show evil
check "stop" timeout 100 sdme stop -t 5 evil
check "rm" sdme rm --force evil

note "a manager that never answers"
check "create" sdme create mute -r trixie
check "start" sdme start mute
check "replace it" sdme exec mute sh -c 'systemctl stop dbus.socket dbus.service; rm -rf /run/dbus/system_bus_socket /run/systemd/private; true'
check "a listener that says nothing" sdme exec mute sh -c 'setsid python3 -c "
import socket, time
listeners = []
for path in (\"/run/dbus/system_bus_socket\", \"/run/systemd/private\"):
    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(5); listeners.append(s)
time.sleep(600)" </dev/null >/dev/null 2>&1 & sleep 0.5'
within 20000 sdme exec mute true
contains "$stderr" '.'
within 5000 sdme ps
within 5000 sdme show mute
check "a flood" sdme exec mute sh -c 'pkill python3; rm -f /run/dbus/system_bus_socket /run/systemd/private; setsid python3 -c "
import socket, threading
def serve(path):
    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(5)
    while True:
        c, _ = s.accept()
        try:
            while True: c.sendall(b\"l\" * 65536)
        except OSError: pass
for path in (\"/run/dbus/system_bus_socket\", \"/run/systemd/private\"):
    threading.Thread(target=serve, args=(path,)).start()" </dev/null >/dev/null 2>&1 & sleep 0.5'
within 20000 sdme exec mute true
check "rm" timeout 100 sdme rm --force mute

note "its files are links to the host's"
check "create" sdme create linked -r trixie
layer=$(upper linked)
mkdir -p "$layer/etc" "$layer/usr/lib"
for file in hostname machine-id resolv.conf os-release passwd hosts; do ln -sfn /root/host-only "$layer/etc/$file"; done
ln -sfn /root/host-only "$layer/usr/lib/os-release"
capture timeout 60 sdme start linked
note "start: $status $stderr"
within 10000 sdme ps
within 10000 sdme show linked
equals "$(cat /root/host-only)" ''
check "rm" timeout 100 sdme rm --force linked
for kind in fifo device directory huge; do
  check "create" sdme create "odd-$kind" -r trixie
  layer=$(upper "odd-$kind")
  mkdir -p "$layer/etc" "$layer/usr/lib"
  for file in etc/hostname etc/machine-id etc/resolv.conf etc/passwd usr/lib/os-release; do
    rm -f "$layer/$file"
    case $kind in
      fifo) mkfifo "$layer/$file" ;;
      device) mknod "$layer/$file" c 1 5 ;;
      directory) mkdir "$layer/$file" ;;
      huge) truncate -s 4G "$layer/$file" ;;
    esac
  done
  capture timeout 60 sdme start -t 20 "odd-$kind"
  [ "$status" != 124 ] || fail "start hangs on a $kind"
  within 10000 sdme ps
  within 10000 sdme show "odd-$kind"
  check "rm" timeout 100 sdme rm --force "odd-$kind"
done

note "an image with its own settings"
mkdir -p /var/lib/sdme/fs/own
check "create" sdme create web -r trixie
# The last two: beside the mounted tree, and beside the root filesystem.
places="/etc/systemd/nspawn /run/systemd/nspawn /var/lib/machines /run/sdme/mnt /var/lib/sdme/fs"
for place in $places; do
  mkdir -p "$place"
  printf '[Exec]\nParameters=/bin/false\nBoot=no\n[Files]\nBind=/root:/mnt\n' >"$place/web.nspawn"
done
check "start" sdme start web
check "its settings are not taken" sdme exec web sh -c 'test ! -e /mnt/host-only && test "$(cat /proc/1/comm)" = systemd'
for place in $places; do check "it is still there" rm "$place/web.nspawn"; done
rmdir /var/lib/sdme/fs/own

note "a file of the host's that it is given to read"
echo mine >/root/given
check "exec" sh -c 'sdme exec web sh -c "cat; echo its own >/proc/self/fd/0; true" </root/given'
equals "$stdout" mine
equals "$(cat /root/given)" mine
rm -f /root/given

note "our process in it, which its root may trace"
check "exec" sdme exec web sh -c 'for process in /proc/[0-9]*; do test "$(tr -d "\0" <"$process/cmdline")" != @sdme-enter || grep "^Seccomp:" "$process/status"; done'
equals "$(tr -d '\t' <<<"$stdout" | sort -u)" "Seccomp:2"

note "its passwd and group, while users are looked up"
check "keep" sdme exec web cp -a /etc/passwd /etc/group /root/
for make in 'mkfifo @' 'ln -s /proc/1/root@ @' 'ln -s /proc/self/root/../../../../..@ @' 'mkdir @' 'truncate -s 4G @' 'mknod @ c 1 3' 'ln -s @ @' true; do
  check "passwd: $make" sdme exec web sh -c "rm -rf /etc/passwd; ${make//@//etc/passwd}"
  for user in hostonly nobody; do
    expect_exit 125 timeout 20 sdme exec -u "$user" web true
    equals "$stderr" "sdme: the container has no user \"$user\" in its passwd"
  done
  within 10000 sdme exec web true
  check "put back" sdme exec web sh -c 'rm -rf /etc/passwd; cp -a /root/passwd /etc/passwd'
done
for make in 'ln -s /proc/1/root@ @' 'mkdir @' true; do
  check "group: $make" sdme exec web sh -c "rm -rf /etc/group; ${make//@//etc/group}"
  check "exec" timeout 20 sdme exec -u nobody web id -G
  equals "$stdout" 65534
  within 20000 sdme join web true
  check "put back" sdme exec web sh -c 'rm -rf /etc/group; cp -a /root/group /etc/group'
done
check "a FIFO, at which the guest itself hangs" sdme exec web sh -c 'rm /etc/group; mkfifo /etc/group'
expect_exit 130 timeout --preserve-status -s INT 2 sdme exec -u nobody web true
check "put back" sdme exec web sh -c 'rm /etc/group; cp -a /root/group /etc/group'

note "escapes in what it says of itself"
check "write" sdme exec web sh -c "printf 'PRETTY_NAME=\"\\033[31mred\\007\"\nID=x\n' >/etc/os-release"
check "ps" sdme ps
lacks "$stdout" "$(printf '\033')"
check "show" sdme show web
lacks "$stdout" "$(printf '\033')"
check "rm" sdme rm --force web
equals "$(sentinel)" ''
sed -i /^hostonly:/d /etc/passwd
rm -f /root/host-only
