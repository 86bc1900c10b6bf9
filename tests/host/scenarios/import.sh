# The same tree in every form: each import equals every other, boots, and goes away again.
# modes: systemd direct
# limit: 900
[ -d /srv/archives ] || skip "the archives were not made: tests/host/archives"
archives=/srv/archives
tree_of() { grep -o '"tree":"[^"]*"' <<<"$stdout"; }

note "a directory: what all others have to equal"
check "import" sdme fs import --json plain /var/lib/sdme/fs/trixie
expected=$(tree_of)
contains "$expected" 'sha256:[0-9a-f]{64}'
check "verify" sdme fs verify plain

for form in tree.tar tree.tar.gz pigz.tar.gz tree.tar.bz2 tree.tar.xz blocks.tar.xz tree.tar.lzma tree.tar.zst tree.tar.lz4 oci.tar.xz docker.tar layout; do
  note "$form"
  sums=(--sums "$archives/SHA256SUMS")
  if [ "$form" = layout ]; then sums=(); fi
  check "import" sdme fs import --json "${sums[@]}" guest "$archives/$form"
  equals "$(tree_of)" "$expected"
  check "it boots" sdme new web -r guest -- systemctl is-system-running --wait
  contains "$stdout" 'running|degraded'
  refuse "it is needed" sdme fs rm guest
  contains "$stderr" 'needed by web'
  check "rm" sdme rm --force web
  check "fs rm" sdme fs rm --force guest
done

note "in one top directory, of which less is known: GNU's own format has whole seconds"
check "import" sdme fs import "$archives/top.tar.zst"
equals "$stdout" top
contains "$stderr" 'top directory'
check "it boots" sdme new web -r top -- true
check "rm" sdme rm --force web

note "from standard input, and under its own name"
check "import" bash -c 'cat /srv/archives/tree.tar.gz | sdme fs import --name piped -'
check "verify" sdme fs verify piped

note "what has changed is named"
echo changed >>/var/lib/sdme/fs/piped/etc/passwd
expect_exit 1 sdme fs verify piped
contains "$stdout" 'etc/passwd'
lacks "$stdout" 'etc/group'

note "a wrong sum, a cut archive and Ctrl-C leave nothing"
expect_exit 1 sdme fs import bad "$archives/tree.tar.gz" --sha256 "$(printf '0%.0s' {1..64})"
contains "$stderr" 'expected'
head -c 9000000 "$archives/tree.tar.xz" >"$work/cut.tar.xz"
expect_exit 1 sdme fs import bad "$work/cut.tar.xz"
expect_exit 130 timeout --preserve-status -s INT 0.3 sdme fs import bad "$archives/tree.tar.bz2"
lacks "$(ls -A /var/lib/sdme/fs)" 'bad|stage|trash'

note "events for scripts: steps as they begin, then the result as the last line, or why there is none"
cat >"$work/events.py" <<'PY'
import json, os, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
*events, last = lines
size = os.path.getsize(sys.argv[2])
steps = list(dict.fromkeys(event["step"] for event in events))
assert steps == ["reading", "checking", "syncing"], steps
for event in events:
    assert list(event) == ["event", "name", "step", "bytes", "total", "rate", "left", "elapsed"], event
    assert event["event"] == "progress" and event["name"] == "told" and event["total"] == size, event
    assert 0 <= event["bytes"] <= size and event["elapsed"] >= 0, event
    assert (event["rate"] is None) == (event["step"] != "reading"), event
assert events[-1]["bytes"] == size, events[-1]
assert last["event"] == "done" and last["name"] == "told" and last["entries"] > 1000, last
# No more than a step needs, and two a second.
assert len(events) <= 4 + 2 * events[-1]["elapsed"] / 1000, len(events)
PY
check "import" sdme fs import told --json "$archives/tree.tar.xz"
cp "$work/stdout" "$work/events"
check "the events" python3 "$work/events.py" "$work/events" "$archives/tree.tar.xz"
check "quiet: the result alone" sdme --quiet fs import -f told --json "$archives/tree.tar.zst"
equals "$(wc -l <<<"$stdout")" 1
expect_exit 1 sdme fs import told --json "$archives/tree.tar.zst"
equals "$(tail -n 1 <<<"$stdout" | grep -c '^{"event":"failed","message":"there is a root filesystem told already.*","exit_code":1}$')" 1
check "fs rm" sdme fs rm told

note "a relative path is kept as one from the root on"
check "import" sh -c 'cd /srv && sdme fs import kept archives/../archives/tree.tar.zst'
check "show" sdme fs show kept --json
contains "$stdout" '"source":"/srv/archives/../archives/tree.tar.zst"'
check "fs rm" sdme fs rm kept

note "what it is can be said; what it is instead is named"
check "a tarball" sdme fs import said "$archives/tree.tar.gz" --format tar --json
equals "$(tree_of)" "$expected"
check "show" sdme fs show said --json
contains "$stdout" '"--format=tar"'
check "an archive of an OCI layout" sdme fs import -f said "$archives/oci.tar.xz" --format oci-archive --json
equals "$(tree_of)" "$expected"
check "an archive of docker save" sdme fs import -f said "$archives/docker.tar" --format docker-archive --json
equals "$(tree_of)" "$expected"
check "an OCI layout" sdme fs import -f said "$archives/layout" --format oci --json
equals "$(tree_of)" "$expected"
check "a directory" sdme fs import -f said /var/lib/sdme/fs/trixie --format dir --json
equals "$(tree_of)" "$expected"
check "fs rm" sdme fs rm said
said() { # FORM SOURCE WORDS
  expect_exit 1 sdme fs import bad "$archives/$2" --format "$1"
  contains "$stderr" "--format $1: .*it looks like $3"
  equals "$(wc -l <<<"$stderr")" 1
}
said dir tree.tar.gz 'a tar archive of files'
said oci oci.tar.xz 'an archive of an image'
said tar layout 'the directory of an OCI layout'
said docker-archive oci.tar.xz 'an OCI layout'
said oci-archive docker.tar "what 'docker save' writes"
said oci-archive tree.tar.zst 'a tar archive of files'
expect_exit 1 sdme fs import bad "$archives/SHA256SUMS" --format tar
contains "$stderr" '--format tar: it is no archive or image that sdme reads: it begins with'
expect_exit 2 sdme fs import bad "$archives/tree.tar" --format zip
contains "$stderr" 'auto, dir, tar'
lacks "$(ls -A /var/lib/sdme/fs)" 'bad|said|stage|trash'

note "each bound has its flag, and what is no image has no name"
for bound in max-bytes=1M max-entries=100 max-path=20 max-depth=3 max-ratio=1; do
  expect_exit 1 sdme fs import bad "$archives/tree.tar.zst" "--$bound"
  contains "$stderr" "--${bound%=*}"
done
expect_exit 1 sdme fs import bad "$archives/tree.tar.lzma" --max-window=1K
contains "$stderr" '--max-window'
expect_exit 1 sdme fs import bad "$archives/tree.tar" --max-header=10
contains "$stderr" '--max-header'
expect_exit 1 sdme fs import bad "$archives/layout" --max-layers=1
contains "$stderr" '--max-layers'
expect_exit 2 sdme fs import bad "$archives/tree.tar" --image x
lacks "$(ls -A /var/lib/sdme/fs)" 'bad|stage|trash'

note "kill -9 in the middle: told by ls, gone with the next import"
timeout -s KILL 0.4 sdme fs import bad "$archives/tree.tar.bz2" >/dev/null 2>&1
capture sdme fs ls
lacks "$stdout" '^bad'
check "import" sdme fs import again "$archives/tree.tar.zst"
lacks "$(ls -A /var/lib/sdme/fs)" 'stage|trash'

note "the name is taken, and then replaced"
expect_exit 1 sdme fs import again "$archives/tree.tar.zst"
contains "$stderr" 'again already.*--force'
check "replace" sdme fs import --force again "$archives/tree.tar.gz"
check "rename" sdme fs rename again other
check "show" sdme fs show other
contains "$stdout" 'tree.tar.gz'

for name in plain top piped other; do check "fs rm $name" sdme fs rm --force "$name"; done
lacks "$(ls -A /var/lib/sdme/fs)" 'plain|top|piped|other|stage|origin|manifest'
