#!/bin/sh
# Sourced by dracut when the real root is mounted and about to be the system's.
# shellcheck disable=SC1091,SC2154
(set -- "$NEWROOT"; . /usr/lib/sdme/initramfs)
