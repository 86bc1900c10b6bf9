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
