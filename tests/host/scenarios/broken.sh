# Whatever became of a container's record: ps says what is wrong, rm removes it, others are not disturbed.
# modes: systemd direct
check "a good one" sdme create good -r trixie
state=$(cd /var/lib/sdme/containers/good && ls | grep -v '^layers$' | head -n 1)
breaks() { # NAME COMMAND, in the container's directory
  check "create $1" sdme create "$1" -r trixie
  (cd "/var/lib/sdme/containers/$1" && bash -c "$2") || fail "could not break $1"
}
breaks empty ": >$state"
breaks cut "head -c 10 $state >x && mv x $state"
breaks garbage "head -c 4096 /dev/urandom >$state"
breaks twice "cat $state $state >x && mv x $state"
breaks windows "sed -i 's/\$/\r/' $state"
breaks huge "truncate -s 100M $state"
breaks future "sed -i '1s/[0-9][0-9]*/99/' $state"
breaks gone "rm $state"
breaks linked "ln -sfn /etc/passwd $state"
breaks pipe "rm $state && mkfifo $state"
breaks upperless "rm -rf layers"
mkdir /var/lib/sdme/containers/stray
within 5000 sdme ps
note "$stdout"
contains "$stdout" '^good +stopped'
listed=$stdout
for name in empty cut garbage twice huge future gone linked pipe; do
  contains "$listed" "^$name +broken"
  refuse "start $name" timeout 20 sdme start "$name"
done
check "the good one starts" sdme start good
for name in empty cut garbage twice windows huge future gone linked pipe upperless stray; do
  check "rm $name" timeout 20 sdme rm --force "$name"
  refuse "nothing is left of $name" test -e "/var/lib/sdme/containers/$name"
done
check "the good one runs" sdme exec good true
check "passwd is whole" getent passwd root

note "its directory is gone while it runs"
check "create" sdme create uprooted -r trixie
check "start" sdme start uprooted
mv /var/lib/sdme/containers/uprooted "$work/uprooted"
check "ps" sdme ps
contains "$stdout" '^uprooted +running +its directory is gone'
check "rm" timeout 60 sdme rm --force uprooted
lacks "$(ls -A /run/sdme/units /var/lib/sdme/containers)" uprooted
check "the good one runs" sdme exec good true
rm -rf "$work/uprooted"

note "a full disk: neither a block nor an inode is left"
mkdir -p /mnt/full
mount -t tmpfs -o size=4m,nr_inodes=1000,mode=700 none /mnt/full
full="sdme --datadir /mnt/full"
for name in a b; do check "create" $full create "$name"; done
check "start" $full start a
head -c 8M /dev/zero >/mnt/full/blocks 2>/dev/null
n=0; while : 2>/dev/null >"/mnt/full/inode$n"; do n=$((n + 1)); done
refuse "create" $full create c
contains "$stderr" 'No space left'
check "ps" $full ps
contains "$stdout" '^a +running'
check "stop" timeout 60 $full stop --kill a
check "rm" timeout 60 $full rm --force a
n=0; while : 2>/dev/null >"/mnt/full/more$n"; do n=$((n + 1)); done
check "rm what was never started" timeout 60 $full rm --force b
equals "$(ls -A /mnt/full/containers /mnt/full/locks | grep -c '^[ab]$')" 0
umount /mnt/full
rmdir /mnt/full

note "deep trees, removed together with few descriptors"
for number in $(seq 12); do
  check "create" sdme create "deep$number" -r trixie
  (cd /var/lib/sdme/containers/deep$number/layers/*/upper && for level in $(seq 300); do mkdir d && cd d && : >file; done)
done
check "rm all" sh -c 'ulimit -n 1024 && sdme rm --force --all'
