#!/bin/bash
# dracut's module: "dracut --add sdme", or add_dracutmodules+=" sdme " in /etc/dracut.conf.d.

# Only when it was asked for.
check() {
  require_binaries /usr/bin/sdme || return 1
  return 255
}

depends() {
  echo base network
}

installkernel() {
  # A container's layers. Which network devices there will be the building machine does not know.
  hostonly='' instmods overlay
  hostonly='' instmods '=drivers/net/ethernet' virtio_net af_packet
}

install() {
  local bundle
  inst_multiple /usr/bin/sdme cat cp ln mkdir mount readlink
  inst_simple /usr/lib/sdme/initramfs
  # Whom the host trusts, beside the authorities that the program has built in.
  for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    [[ ! -e $bundle ]] || inst "$bundle"
  done
  # shellcheck disable=SC2154  # dracut's
  inst_hook cmdline 89 "$moddir/parse-sdme.sh"
  # shellcheck disable=SC2154
  inst_hook pre-pivot 50 "$moddir/import-sdme.sh"
}
