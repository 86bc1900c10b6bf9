# Ordinary use leaves the host's "/" as it was.
# modes: systemd nobus direct
fingerprint() {
  find / -xdev \( -path /var/lib/sdme -o -path /var/log -o -path /usr/local/lib/sdme-test -o -path /root \) -prune -o \
    -printf '%p %y %m %U:%G %s %T@ %l\n' 2>/dev/null | LC_ALL=C sort
}
# What the host's own services touch when they first run is not ours.
check "warm up" sh -c 'sdme create warm && sdme start warm && sdme rm --force warm'
fingerprint >"$work/before"
check "create" sdme create web
check "start" sdme start web
check "write" sdme exec web sh -c 'echo x >>/etc/passwd; rm -rf /usr/share/zoneinfo /srv; mkdir /srv /new; useradd bob; chmod 700 /opt'
check "stop" sdme stop web
check "start" sdme start web
check "rm" sdme rm --force web
fingerprint >"$work/after"
check "nothing differs" diff "$work/before" "$work/after"
