# Imports from web servers, good and bad ones, as a user types them: whole and checked, or nothing is left.
# modes: systemd direct
# limit: 300
[ -d /srv/archives ] || skip "the archives were not made: tests/host/archives"
[ -f "$here/keys/server.pem" ] || skip "there are no keys for a server: openssl is missing outside"
archives=/srv/archives keys=$here/keys fs=/var/lib/sdme/fs

serve port "$archives" --tls "$keys/server.pem" "$keys/server.key"
serve plain "$keys"
serve proxy --proxy --login 'alice:pass word'
web=https://127.0.0.1:$port ca=(--ca-file "$keys/ca.pem")
sum() { sed -n "s/ .*$1\$//p" "$archives/SHA256SUMS"; }
log_of() { python3 -c 'import sys, urllib.request as r; print(r.build_opener(r.ProxyHandler({})).open(sys.argv[1]).read().decode())' "$1"; }

# What a run that failed left in a host that is used again.
sdme fs rm --force noble fedora moved proxied direct cut tree signed bad >/dev/null 2>&1
before=$(ls -A "$fs") listed=$(sdme fs ls)
nothing_left() {
  checks=$((checks + 1))
  [ "$(ls -A "$fs")" = "$before" ] || { ls -lA "$fs"; fail "something is left in the datadir"; }
  check "ls" sdme fs ls
  equals "$stdout" "$listed"
}
gone() { check "fs rm" sdme fs rm --force "$1"; }

note "a tarball, checked by the sums beside it"
check "import" sdme fs import noble "$web/tree.tar.zst" "${ca[@]}" --sums "$web/SHA256SUMS"
equals "$stdout" noble
check "show" sdme fs show noble
contains "$stdout" "$web/tree.tar.zst"
contains "$stdout" "$(sum tree.tar.zst)"
contains "$stdout" "SHA256SUMS"
check "verify" sdme fs verify noble
gone noble

note "an image as Fedora publishes its own; it boots"
check "import" sdme fs import "$web/oci.tar.xz" --name fedora "${ca[@]}" --sha256 "$(sum oci.tar.xz)"
check "it boots" sdme new web -r fedora -- systemctl is-system-running --wait
contains "$stdout" 'running|degraded'
check "rm" sdme rm --force web
gone fedora

note "a server that nobody vouches for"
expect_exit 1 sdme fs import bad "$web/tree.tar.zst"
contains "$stderr" 'certificate|issuer'
nothing_left

note "the environment's certificates, and a redirect"
check "import" env SSL_CERT_FILE="$keys/ca.pem" sdme fs import moved "$web/elsewhere?to=%2Ftree.tar.zst"
gone moved

note "a proxy that demands a password; only it knows web.test"
check "import" env https_proxy="http://alice:pass%20word@127.0.0.1:$proxy" \
  sdme fs import proxied "https://web.test:$port/tree.tar.zst" "${ca[@]}"
contains "$(log_of "http://127.0.0.1:$proxy/log")" '"CONNECT", "target": "web.test:'
lacks "$(cat "$fs/proxied.origin")" 'alice|pass'
gone proxied
expect_exit 1 env https_proxy="http://alice:wrong@127.0.0.1:$proxy" \
  sdme fs import bad "https://web.test:$port/tree.tar.zst" "${ca[@]}"
contains "$stderr" '407'
lacks "$stderr" 'alice:|wrong'
nothing_left
check "not for whom no_proxy names" env https_proxy=http://127.0.0.1:1 no_proxy=127.0.0.0/8 \
  sdme fs import direct "$web/tree.tar.zst" "${ca[@]}"
gone direct

note "a server that cuts every 9 MB: the rest is asked for"
check "import" sdme fs import cut "$web/tree.tar.zst?cut=9000000&etag=a" "${ca[@]}" --sums "$web/SHA256SUMS"
contains "$stderr" 'trying again'
check "verify" sdme fs verify cut
gone cut

note "lengths that lie"
for by in 5 -5; do
  expect_exit 1 sdme fs import bad "$web/tree.tar.zst?length=$by&etag=a" "${ca[@]}"
  contains "$stderr" "$web/tree.tar.zst"
  nothing_left
done

note "nobody listens, or there is no such host: said at once, on one line"
for url in http://127.0.0.1:1/x.tar http://nonesuch.invalid/x.tar; do
  began=$(now_ms)
  expect_exit 1 sdme fs import bad "$url"
  # The C library's resolver asks for five seconds where no server answers it; our own attempts would take half a minute.
  [ $(($(now_ms) - began)) -lt 15000 ] || fail "it took $(($(now_ms) - began)) ms"
  equals "$(wc -l <<<"$stderr") $(grep -o "$url" <<<"$stderr" | wc -l)" "1 1"
  lacks "$stderr" 'importing|input/output|trying again|tried'
done

note "from https to http: refused"
expect_exit 1 sdme fs import bad "$web/x?to=http%3A%2F%2F127.0.0.1%3A$plain%2Fca.pem" "${ca[@]}"
contains "$stderr" 'http://127.0.0.1'
lacks "$(log_of "http://127.0.0.1:$plain/log")" 'ca.pem'
nothing_left

note "a wrong digest: both are named"
wrong=$(printf '0%.0s' {1..64})
expect_exit 1 sdme fs import bad "$web/tree.tar.zst" "${ca[@]}" --sha256 "$wrong"
contains "$stderr" "$wrong"
contains "$stderr" "$(sum tree.tar.zst)"
nothing_left

note "not there, not an archive, and Ctrl-C while nothing comes"
expect_exit 1 sdme fs import bad "$web/none.tar.zst" "${ca[@]}"
contains "$stderr" '404'
nothing_left
expect_exit 1 sdme fs import bad "$web/SHA256SUMS" "${ca[@]}"
nothing_left
expect_exit 130 timeout --preserve-status -s INT 2 sdme fs import bad "$web/tree.tar.zst?stall=5000000" "${ca[@]}"
nothing_left

note "file URLs"
check "import" sdme fs import "file://$archives/tree.tar.zst" --sums "file://$archives/SHA256SUMS"
equals "$stdout" tree
gone tree
refuse "no such file" sdme fs import bad "file://$archives/none.tar.zst"
refuse "a scheme that is not read" sdme fs import bad "ftp://127.0.0.1/tree.tar.zst"
nothing_left

if [ -f "$keys/SHA256SUMS.minisig" ]; then
  note "signed sums, and a key that did not sign them"
  signed=(--sums "$web/SHA256SUMS" --signature "http://127.0.0.1:$plain/SHA256SUMS.minisig")
  check "import" sdme fs import signed "$web/tree.tar.zst" "${ca[@]}" "${signed[@]}" --pubkey "$keys/minisign.pub"
  check "show" sdme fs show signed
  contains "$stdout" 'signed'
  gone signed
  expect_exit 1 sdme fs import bad "$web/tree.tar.zst" "${ca[@]}" "${signed[@]}" --pubkey "$keys/other.pub"
  contains "$stderr" 'SHA256SUMS.minisig.*key'
  nothing_left
  note "a password stands in no message and in no record"
  secret=("${signed[@]/127.0.0.1/bob:hush@127.0.0.1}")
  check "import" sdme fs import signed "${web/127/bob:hush@127}/tree.tar.zst" "${ca[@]}" "${secret[@]}" --pubkey "$keys/minisign.pub"
  lacks "$(cat "$fs/signed.origin")$stderr" 'hush'
  contains "$(cat "$fs/signed.origin")" 'SHA256SUMS'
  gone signed
  expect_exit 1 sdme fs import bad "$web/tree.tar.zst" "${ca[@]}" "${secret[@]}" --pubkey "$keys/other.pub"
  lacks "$stderr" 'hush'
  nothing_left
else
  note "signatures were not tried: minisign is missing outside"
fi

serve_no_more
nothing_left
