# A guest asks the name servers that the host asks, with and without systemd-resolved on the host.
# modes: systemd nobus direct
servers() { sdme exec "$1" sh -c 'test ! -L /etc/resolv.conf && grep ^nameserver /etc/resolv.conf'; }
check "create" sdme create web
check "create of another system" sdme create other -r bookworm
note "the host's file names a server"
equals "$(grep ^nameserver /etc/resolv.conf)" "nameserver 192.0.2.53"
check "start" sdme start web other
for name in web other; do equals "$(servers $name)" "nameserver 192.0.2.53"; done
check "stop" sdme stop web other

note "the host's file is a link to the stub of resolved"
mkdir -p /run/systemd/resolve
printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example\n' >/run/systemd/resolve/stub-resolv.conf
cp -P /etc/resolv.conf "$work/resolv.conf"
ln -sfn ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
check "start" sdme start web other
for name in web other; do equals "$(servers $name)" "nameserver 127.0.0.53"; done
check "the host's file is what it was" test "$(readlink /etc/resolv.conf)" = ../run/systemd/resolve/stub-resolv.conf
check "stop" sdme stop web other

note "the host has none"
rm /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf
rmdir /run/systemd/resolve
check "start" sdme start web
check "it runs" sdme exec web true
cp -P "$work/resolv.conf" /etc/resolv.conf
