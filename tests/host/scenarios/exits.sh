# The table of exit codes.
# modes: systemd nobus direct
expect_exit 0 sdme --help
expect_exit 0 sdme --version
expect_exit 0 sdme start --help
expect_exit 2 sdme
expect_exit 2 sdme nonesuch
expect_exit 2 sdme start --nonesuch web
expect_exit 2 sdme create one two
expect_exit 1 sdme start nonesuch
expect_exit 1 sdme stop nonesuch
expect_exit 1 sdme rm nonesuch
expect_exit 1 sdme show nonesuch
expect_exit 125 sdme exec
expect_exit 125 sdme exec nonesuch true
expect_exit 125 sdme join nonesuch true
expect_exit 125 sdme new --nonesuch
check "create" sdme create web -r trixie
expect_exit 125 sdme exec web true
check "start" sdme start web
expect_exit 0 sdme exec web true
expect_exit 1 sdme exec web false
expect_exit 3 sdme exec web sh -c 'exit 3'
expect_exit 255 sdme exec web sh -c 'exit 255'
expect_exit 137 sdme exec web sh -c 'kill -KILL $$'
expect_exit 143 sdme exec web sh -c 'kill -TERM $$'
expect_exit 127 sdme exec web /nonesuch
expect_exit 127 sdme exec web nonesuch
expect_exit 127 sdme exec web ''
expect_exit 126 sdme exec web /etc/passwd
expect_exit 125 sdme exec web -u nobodyatall true
expect_exit 125 sdme exec web --nonesuch true
expect_exit 4 sdme join web sh -c 'exit 4'
expect_exit 7 sdme new web2 -r trixie -- sh -c 'exit 7'
check "a command that failed removes nothing" sdme exec web2 true
check "several, one of them missing" sh -c '! sdme stop web nonesuch web2'
check "the others were stopped" sh -c 'sdme ps | grep -Ec "^web2? +stopped" | grep -qx 2'
