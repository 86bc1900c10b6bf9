# README's quick start on a fresh machine, line by line, with the package installed; then removed, and nothing is left.
# host: own
# limit: 200
export DEBIAN_FRONTEND=noninteractive
umount /var/lib/sdme/fs/* /srv/archives 2>/dev/null
rm -rf --one-file-system /var/lib/sdme /usr/bin/sdme
check "install" dpkg -i "$(echo "$here"/packages/sdme_*-1_*.deb)"
check "the block" sed -n '/^```console$/,/^```$/{/^# sdme new web$/,/^```$/p}' "$here/README.md"
block=$(sed '/^```$/,$d' <<<"$stdout")
contains "$block" '^# sdme rm -f web$'

# A host of the tests has no network: what apt-get would install and start is a service of that name.
cat >/usr/local/bin/apt-get <<'SH'
#!/bin/sh
printf '[Service]\nExecStart=sleep infinity\n' >/run/systemd/system/$3.service
systemctl daemon-reload
systemctl start "$3"
SH
chmod +x /usr/local/bin/apt-get

# What stands after the guest's prompt is typed; what stands below is waited for.
steps=$(sed -n '2,/# exit$/p' <<<"$block" | sed -E -e 's/^root@web:~# (.*)$/expect root@web:[^#]*# \nsend \1\\n/' -e t -e 's/^/expect /')
note "$steps"
terminal -- sdme new web <<<"$steps
exit 0"

# The rest in a shell of the host; which system it is is the host's own affair.
# shellcheck disable=SC2016  # the quotes of a page
{
  echo '```console'
  sed '1,/# exit$/d' <<<"$block" | sed 's/Debian GNU\/Linux 13 (trixie)/.../'
  echo '```'
} >"$work/rest.md"
check "the rest" python3 "$here/guide" "$work/rest.md"
note "$stdout"

rm /usr/local/bin/apt-get
check "removed" dpkg -P sdme
check "what is left" find / -xdev -name '*sdme*' -not -path '/usr/local/lib/sdme-test*' -not -path '/proc/*' -not -path '/tmp/*'
equals "$stdout" ""
