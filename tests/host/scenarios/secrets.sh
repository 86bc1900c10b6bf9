# What belongs to the host cannot be read in a clone of "/", also when it came after `create`.
# modes: systemd direct
mkdir -p /etc/ssh /etc/ssl/private /etc/NetworkManager/system-connections /var/lib/systemd /etc/wireguard
echo SECRET >/etc/ssh/ssh_host_ed25519_key
echo SECRET >/etc/ssl/private/server.key
echo SECRET >/etc/NetworkManager/system-connections/wifi.nmconnection
echo SECRET >/etc/krb5.keytab
echo SECRET >/var/lib/systemd/credential.secret
echo SECRET >/var/lib/systemd/random-seed
mkdir -p /etc/sssd /etc/cups/ssl /var/lib/fwupd/pki /var/cache/debconf
echo SECRET >/etc/sssd/sssd.conf
echo SECRET >/etc/cups/ssl/host.key
echo SECRET >/var/lib/fwupd/pki/secret.key
cp -a /var/cache/debconf/passwords.dat "$work/" 2>/dev/null
echo SECRET >/var/cache/debconf/passwords.dat
check "create" sdme create web
echo SECRET >/etc/ssh/ssh_host_rsa_key
echo SECRET >/etc/ssl/private/later.key
check "start" sdme start web
check "no secret anywhere that it can see" sdme exec web sh -c \
  'found=$(grep -rls SECRET /etc/ssh /etc/ssl /etc/NetworkManager /etc/krb5.keytab /var/lib/systemd /etc/sssd /etc/cups /var/lib/fwupd /var/cache/debconf 2>/dev/null); echo "$found"; test -z "$found"'
check "its machine id" sdme exec web cat /etc/machine-id
lacks "$stdout" "$(cat /etc/machine-id)"
contains "$stdout" '^[0-9a-f]{32}$'
check "its hostname file" sdme exec web sh -c 'cat /etc/hostname'
lacks "$stdout" "^$(cat /etc/hostname)$"
check "no other container" sdme exec web sh -c 'test -z "$(ls -A /var/lib/sdme 2>/dev/null)"'
check "names resolve" sdme exec web getent hosts localhost
check "what the guest writes there is its own" sdme exec web sh -c 'mkdir -p /etc/ssh && echo own >/etc/ssh/ssh_host_rsa_key'
check "and survives a restart" sh -c 'sdme stop web && sdme start web && test "$(sdme exec web cat /etc/ssh/ssh_host_rsa_key)" = own'
equals "$(cat /etc/ssh/ssh_host_rsa_key)" SECRET
check "show lists what is hidden" sdme show web
contains "$stdout" '/etc/ssh .*SSH host keys'
cp -a "$work/passwords.dat" /var/cache/debconf/ 2>/dev/null || rm -f /var/cache/debconf/passwords.dat
rm -rf /etc/sssd /etc/cups/ssl /var/lib/fwupd/pki /etc/ssh /etc/ssl/private /etc/NetworkManager /etc/krb5.keytab /etc/wireguard /var/lib/systemd/credential.secret
