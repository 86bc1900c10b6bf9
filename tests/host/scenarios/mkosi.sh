# Debian's own mkosi builds an image with docs/guide/examples/mkosi.finalize, though the image's presets enable nothing; the image
# boots, and so does the container in it.
# suites: trixie sid
# limit: 240
[ -f "/srv/mkosi/$suite.deb" ] || skip "mkosi was not fetched: tests/host/mkosi"
tree=/var/lib/sdme/fs/$suite
project=/srv/project
image=$project/image

# The package alone, and not what it depends on: an image of a base tree needs nothing but Python.
check "mkosi" dpkg --unpack --force-depends "/srv/mkosi/$suite.deb"
check "its version" mkosi --version
note "$stdout"

mkdir -p "$project/base" "$project/mkosi.extra/usr/bin" "$project/mkosi.extra/usr/lib/systemd/system-preset"
# mkosi copies the content of devices, and a console's has no end.
check "the base" tar -C "$tree" --numeric-owner --exclude='./dev/*' -cf "$work/base.tar" .
check "the base" tar -C "$project/base" --numeric-owner -xf "$work/base.tar"
# Of those that are masked the presets of systemd 260 complain, with a failure.
find "$project/base/etc/systemd/system" -maxdepth 1 -lname /dev/null -delete
mv "$work/base.tar" "$project/guest.tar"
cp /usr/bin/sdme "$project/mkosi.extra/usr/bin/"
echo 'disable *' >"$project/mkosi.extra/usr/lib/systemd/system-preset/99-default-disable.preset"
cp "$here/examples/mkosi.finalize" "$project/"
cat >"$project/mkosi.conf" <<'CONF'
[Distribution]
Distribution=custom
[Output]
Format=directory
[Content]
BaseTrees=base
CONF

build() { (cd "$project" && HOME=/root timeout 120 mkosi --force build); }
run_before=$(find /run/sdme 2>/dev/null | sort)
check "the image" build
contains "$stdout$stderr" '^web$'
equals "$(find /run/sdme 2>/dev/null | sort)" "$run_before"
check "it is enabled" systemctl --root="$image" is-enabled sdme@web
check "ps" sdme --root "$image" ps --json
contains "$stdout" '"status":"stopped".*"enabled":true'
check "verify" sdme --root "$image" fs verify guest

check "the image boots" systemd-run -q --unit=mkosi -p Delegate=yes -p KillMode=mixed -p Type=notify \
  systemd-nspawn -q --boot --keep-unit --notify-ready=yes --machine=mkosi --directory="$image" --private-network
leader=$(machinectl show mkosi -p Leader --value)
inside() { nsenter -t "$leader" -a "$@"; }
is_up() { inside /usr/bin/sdme ps | grep -q '^web *running'; }
wait_for 60 is_up
check "the container runs" inside /usr/bin/sdme exec web true
check "the image is stopped" systemctl stop mkosi
dpkg --purge --force-depends mkosi >/dev/null 2>&1
rm -rf --one-file-system "$project"
