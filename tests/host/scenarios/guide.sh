# Every command of docs/guide does what stands there.
# host: own
# limit: 600
umount /srv/archives 2>/dev/null
# What the guide says has to be there, and no other root filesystem.
mkdir -p /srv/trixie
check "a tree" mount --bind /var/lib/sdme/fs/trixie /srv/trixie
check "an archive" tar -C /srv/trixie --numeric-owner -czf /srv/trixie.tar.gz .
umount /var/lib/sdme/fs/*
rmdir /var/lib/sdme/fs/*
for page in first-machine root-filesystems units networks image-builds initramfs scripting security migrating; do
  check "$page" python3 "$here/guide" "$here/pages/$page.md"
  note "$page: $stdout"
  check "nothing is left of $page" sdme ps
  equals "$(sdme ps | wc -l)" 1
done
