#!/bin/sh
# Sourced by dracut: what is fetched needs a network; by ip= of the command line, else by DHCP.
case "$(getarg sdme.import=)" in
  http://* | https://*) echo rd.neednet=1 >/etc/cmdline.d/sdme.conf ;;
esac
