#!/bin/sh
# A Debian system with a container that starts with it: a directory, to be put on a disk by what you use for that.
#
#   debootstrap.sh IMAGE
#
# Run as root. What has the default of these variables is made by debootstrap:
#   GUEST     what the container is made of: a directory, an archive, anything that "sdme fs import" takes
#   SDME      the program that goes into the image (default: the one that is found here); none where the image has it already
#   SUITE, MIRROR   of Debian
# A directory IMAGE that holds a system already is taken as it is.
set -eu

image=${1:?"which directory?"}
suite=${SUITE:-trixie}
system=systemd,systemd-sysv,dbus,libpam-systemd
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

debian() { # DIRECTORY PACKAGES
  # shellcheck disable=SC2086  # no mirror is no argument
  debootstrap --variant=minbase --include="$2" "$suite" "$1" ${MIRROR:-}
}

# What boots: containers are started by systemd-nspawn.
[ -e "$image/usr" ] || debian "$image" "$system,systemd-container"
if [ ! -e "$image/usr/bin/sdme" ]; then
  install -D -m 755 "${SDME:-$(command -v sdme)}" "$image/usr/local/bin/sdme"
fi

# What is booted in it.
if [ -z "${GUEST:-}" ]; then
  GUEST=$work/guest
  debian "$GUEST" "$system"
fi

sdme --root "$image" fs import guest "$GUEST"
sdme --root "$image" create web -r guest
sdme --root "$image" enable web
