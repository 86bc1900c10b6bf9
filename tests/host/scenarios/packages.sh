# The package for Debian: installed where a bare binary was, upgraded under a running container, removed, purged; nothing is left.
# modes: systemd nobus direct
# host: own
# limit: 400
packages=$here/packages
first=$(echo "$packages"/sdme_*-1_*.deb) next=$(echo "$packages"/sdme_*-99_*.deb)
export DEBIAN_FRONTEND=noninteractive

leader() { sdme ps --json | python3 -c 'import json, sys; print(next(row["pid"] for row in json.load(sys.stdin) if row["name"] == sys.argv[1]))' "$1"; }
on_systemd() { [ "$mode" != direct ]; }

# The guests' trees of a test host are not a user's.
umount /var/lib/sdme/fs/* && rm -rf --one-file-system /var/lib/sdme

# A bare binary elsewhere has put its template below /run, and a container of it runs.
mv /usr/bin/sdme /usr/local/bin/sdme
hash -r
check "create with the bare binary" sdme create bare
within 60000 sdme start bare
before=$(leader bare)
check "install" dpkg -i "$first"
rm /usr/local/bin/sdme
hash -r
equals "$(command -v sdme)" /usr/bin/sdme
equals "$(stat -c '%a %U %G' /var/lib/sdme)" "700 root root"
equals "$(leader bare)" "$before"
check "what is installed is what was packed" dpkg --verify sdme
equals "$stdout" ""
if on_systemd; then
  contains "$(systemctl show -P FragmentPath sdme@bare)" "^(/usr)?/lib/systemd/system/sdme@.service$"
  check "the unit" systemd-analyze verify --man=no sdme@new.service
  equals "$stderr" ""
fi

# One that was made by the package runs through an upgrade, and the settings stay.
check "settings" sdme config set boot_timeout 3min
check "create" sdme create web
if on_systemd; then check "as a unit" systemctl start sdme@web; else check "start" sdme start web; fi
before=$(leader web)
check "upgrade" dpkg -i "$next"
equals "$(dpkg-query -W -f '${Version}' sdme | sed 's/.*-//')" 99
equals "$(leader web)" "$before"
check "exec after the upgrade" sdme exec web true
equals "$(sdme config get boot_timeout)" 3min
check "it stops" sdme stop web
check "and starts with the new program" sdme start web
if on_systemd; then check "enabled" systemctl enable sdme@web; fi

# Removal stops what runs and takes no data.
check "remove" dpkg -r sdme
equals "$(pgrep -c systemd-nspawn)" 0
equals "$(ls /var/lib/sdme/containers | tr '\n' ' ')" "bare web "
refuse "the program is gone" test -e /usr/bin/sdme
contains "$(cat /etc/sdme.conf)" '^boot_timeout=3min$'

# A purge that can ask nobody leaves them and says so; installed again they are there.
check "purge" dpkg -P sdme
contains "$stderr" 'containers and root filesystems stay in /var/lib/sdme'
refuse "the settings are gone" test -e /etc/sdme.conf
check "install again" dpkg -i "$next"
check "they are there" sdme ps
contains "$stdout" '^web +stopped'
check "one starts" sdme start web
check "and is gone" sdme rm -f web

# On a terminal it asks.
if [ "$mode" = systemd ]; then
  terminal -- env DEBIAN_FRONTEND=teletype dpkg -P sdme <<'STEPS'
expect Remove all containers
send no\n
expect stay in /var/lib/sdme
exit 0
STEPS
  equals "$(ls /var/lib/sdme/containers)" bare
  check "install once more" dpkg -i "$next"
fi

# A purge that was told yes takes all.
check "the answer" sh -c 'echo "sdme sdme/purge boolean true" | debconf-set-selections'
check "purge" dpkg -P sdme
refuse "no data" test -e /var/lib/sdme
check "what is left" find / -xdev -name '*sdme*' -not -path '/usr/local/lib/sdme-test*' -not -path '/proc/*' -not -path '/tmp/*'
equals "$stdout" ""
check "what is left in /run" find /run -name '*sdme*' -not -path '*/sdme-test*'
equals "$stdout" ""
if on_systemd; then
  check "no unit" systemctl list-units --all --no-legend 'sdme@*'
  equals "$stdout" ""
fi
