#!/usr/bin/env python3
"""Measures sdme beside machinectl, systemctl, systemd-run and systemd-nspawn doing the same by hand. Runs in a test host.

Nothing is asserted: it prints medians (and the 90th percentile) of wall time, the largest RSS of each command, and ratios.
Peers and ours take turns in each round, so that both see the same machine. Guests of both are overlays over one same tree;
"by hand" is a unit of one shell line that mounts the overlay in its own mount namespace and becomes systemd-nspawn.
"""
import ctypes, os, re, shutil, signal, statistics, subprocess, sys, threading, time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
TREE = "/var/lib/sdme/fs/trixie"
LAYERS = "/var/lib/hand"
UNIT = """[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/bin/unshare --mount --propagation slave /bin/sh -c 'mount -t overlay -o lowerdir=%s,upperdir=%s/%%i/upper,workdir=%s/%%i/work overlay %s/%%i/root && exec systemd-nspawn --quiet --keep-unit --settings=no --notify-ready=yes --machine=%%i --directory=%s/%%i/root --boot'
KillMode=mixed
Delegate=yes
Slice=machine.slice
DevicePolicy=closed
DeviceAllow=/dev/net/tun rwm
DeviceAllow=char-pts rw
TasksMax=16384
SuccessExitStatus=133
TimeoutStartSec=infinity
""" % (TREE, LAYERS, LAYERS, LAYERS, LAYERS)

samples = {}  # row -> who -> [milliseconds]
memory = {}   # row -> who -> largest KiB


def run(row, who, *command):
    """Runs it, records wall time, and returns when it ended (CLOCK_MONOTONIC, seconds)."""
    began = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/run/bench.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2)])
    _, status = os.waitpid(process, 0)
    ended = time.monotonic()
    if status:
        sys.exit(f"bench: {' '.join(command)}: status {status}\n{open('/run/bench.out').read()}")
    record(row, who, (ended - began) * 1000)
    return ended


def weigh(row, who, *command):
    """Runs it once more and records its largest RSS, read where it exits: getrusage would say at least what Python weighs."""
    libc = ctypes.CDLL(None)
    PTRACE_TRACEME, PTRACE_CONT, PTRACE_SETOPTIONS, PTRACE_O_TRACEEXIT = 0, 7, 0x4200, 0x40
    pid = os.fork()
    if pid == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        libc.ptrace(PTRACE_TRACEME, 0, None, None)
        os.execvp(command[0], command)
    os.waitpid(pid, 0)
    libc.ptrace(PTRACE_SETOPTIONS, pid, None, ctypes.c_void_p(PTRACE_O_TRACEEXIT))
    deliver = 0
    while True:
        libc.ptrace(PTRACE_CONT, pid, None, ctypes.c_void_p(deliver))
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return
        deliver = os.WSTOPSIG(status)
        if deliver == signal.SIGTRAP:
            deliver = 0
            found = re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{pid}/status").read())
            largest = memory.setdefault(row, {})
            largest[who] = max(largest.get(who, 0), int(found.group(1)) if found else 0)


def record(row, who, milliseconds):
    samples.setdefault(row, {}).setdefault(who, []).append(milliseconds)


def quiet(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def weigh_all():
    """One more life of a container of each kind, for memory alone."""
    os.makedirs(f"{LAYERS}/weigh/root")
    for folder in ("upper", "work"):
        os.makedirs(f"{LAYERS}/weigh/{folder}")
    weigh("create", "sdme", "sdme", "create", "weigh", "-r", "trixie")
    weigh("start to booted", "sdme", "sdme", "start", "weigh")
    weigh("exec true", "sdme", "sdme", "exec", "weigh", "true")
    weigh("ps, 10 running", "sdme", "sdme", "ps")
    weigh("stop", "sdme", "sdme", "stop", "weigh")
    weigh("start to reachable", "sdme", "sdme", "start", "weigh", "--wait", "reachable")
    weigh("rm", "sdme", "sdme", "rm", "--force", "weigh")
    weigh("start to booted", "by hand: systemctl", "systemctl", "start", "hand@weigh")
    weigh("exec true", "systemd-run --pipe --wait", "systemd-run", "--machine=weigh", "--pipe", "--wait", "--quiet", "true")
    weigh("ps, 10 running", "machinectl list", "machinectl", "--no-pager", "list")
    weigh("stop", "by hand: systemctl", "systemctl", "stop", "hand@weigh")
    for who in ("sdme", "machinectl", "systemd-nspawn"):
        weigh("--help", who, who, "--help")


def unit_time(unit, stamp):
    return int(quiet("systemctl", "show", "-P", stamp, unit).stdout or 0) / 1e6


class ExecWatch(threading.Thread):
    """When the unit's main process became systemd-nspawn (it is watched, so up to half a millisecond late)."""

    def __init__(self, unit):
        super().__init__(daemon=True)
        self.seen = None
        self.folders = [f"/sys/fs/cgroup/machine.slice/{unit}", f"/sys/fs/cgroup/machine.slice/{unit}/supervisor",
                        f"/sys/fs/cgroup/system.slice/{unit}"]
        self.until = time.monotonic() + 10

    def run(self):
        while self.seen is None and time.monotonic() < self.until:
            for folder in self.folders:
                try:
                    for pid in open(folder + "/cgroup.procs").read().split():
                        if open(f"/proc/{pid}/comm").read() == "systemd-nspawn\n":
                            self.seen = time.monotonic()
                            return
                except OSError:
                    pass
            time.sleep(0.0005)


# --- the same by hand ------------------------------------------------------------------------------------------------

def hand_create(row, name):
    run(row, "by hand: mkdir", "mkdir", "-p", f"{LAYERS}/{name}/upper", f"{LAYERS}/{name}/work", f"{LAYERS}/{name}/root")


def hand_reachable(name):
    began = time.monotonic()
    quiet("systemctl", "start", "--no-block", f"hand@{name}")
    while quiet("systemd-run", f"--machine={name}", "--property=DefaultDependencies=no", "--pipe", "--wait", "--quiet", "true").returncode:
        time.sleep(0.01)
    record("start to reachable", "by hand: retry systemd-run", (time.monotonic() - began) * 1000)


def round_of_hand(number):
    name = f"hand{number}"
    hand_create("create", name)
    run("start to booted", "by hand: systemctl", "systemctl", "start", f"hand@{name}")
    for _ in range(2):
        run("exec true", "systemd-run --pipe --wait", "systemd-run", f"--machine={name}", "--pipe", "--wait", "--quiet", "true")
    run("stop", "by hand: systemctl", "systemctl", "stop", f"hand@{name}")
    hand_reachable(name)
    quiet("systemctl", "stop", f"hand@{name}")
    run("rm", "by hand: rm -rf", "rm", "-rf", f"{LAYERS}/{name}")


# --- ours --------------------------------------------------------------------------------------------------------------

def round_of_ours(number):
    name = f"ours{number}"
    unit = f"sdme@{name}.service"
    run("create", "sdme", "sdme", "create", name, "-r", "trixie")
    watch = ExecWatch(unit)
    watch.start()
    ended = run("start to booted", "sdme", "sdme", "start", name)
    watch.join()
    if watch.seen:
        record("StartUnit to exec of nspawn", "sdme", (watch.seen - unit_time(unit, "InactiveExitTimestampMonotonic")) * 1000)
    record("READY to our return", "sdme", (ended - unit_time(unit, "ActiveEnterTimestampMonotonic")) * 1000)
    for _ in range(2):
        run("exec true", "sdme", "sdme", "exec", name, "true")
    run("stop", "sdme", "sdme", "stop", name)
    run("start to reachable", "sdme", "sdme", "start", name, "--wait", "reachable")
    quiet("sdme", "stop", name)
    run("rm", "sdme", "sdme", "rm", "--force", name)


def helps():
    for who in ("sdme", "machinectl", "systemd-nspawn"):
        run("--help", who, who, "--help")


def listing():
    names = [f"list{number}" for number in range(10)]
    for name in names:
        quiet("sdme", "create", name, "-r", "trixie")
    must(quiet("sdme", "start", *names))
    for _ in range(ROUNDS):
        run("ps, 10 running", "sdme", "sdme", "ps")
        run("ps, 10 running", "machinectl list", "machinectl", "--no-pager", "list")
    quiet("sdme", "rm", "--force", *names)


def must(done):
    if done.returncode:
        sys.exit(f"bench: {' '.join(done.args)}: {done.stderr}")


def six_at_once(rounds):
    names = [f"six{number}" for number in range(6)]
    for name in names:
        must(quiet("sdme", "create", name, "-r", "trixie"))
        os.makedirs(f"{LAYERS}/h{name}/root")
    for _ in range(rounds):
        for name in names:
            shutil.rmtree(f"{LAYERS}/h{name}")
            for folder in ("upper", "work", "root"):
                os.makedirs(f"{LAYERS}/h{name}/{folder}")
        run("six starts at once", "sdme", "sdme", "start", *names)
        quiet("sdme", "rm", "--force", *names)
        for name in names:
            must(quiet("sdme", "create", name, "-r", "trixie"))
        run("six starts at once", "by hand: systemctl", "systemctl", "start", *(f"hand@h{name}" for name in names))
        quiet("systemctl", "stop", *(f"hand@h{name}" for name in names))
    quiet("sdme", "rm", "--force", *names)


# --- the table -------------------------------------------------------------------------------------------------------

def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def table():
    print(f"{'':28} {'':28} {'median':>9} {'p90':>9} {'n':>4} {'RSS KiB':>8}  sdme/peer")
    for row, whos in samples.items():
        ours = statistics.median(whos["sdme"]) if "sdme" in whos else None
        for who, values in sorted(whos.items(), key=lambda item: item[0] != "sdme"):
            middle = statistics.median(values)
            ratio = f"{ours / middle:9.2f}" if ours and who != "sdme" else ""
            rss = memory.get(row, {}).get(who, "")
            print(f"{row if who == 'sdme' else '':28} {who:28} {middle:7.1f}ms {percentile(values, 0.9):7.1f}ms {len(values):4} {rss:>8}  {ratio}")


def main():
    with open("/run/systemd/system/hand@.service", "w") as unit:
        unit.write(UNIT)
    quiet("systemctl", "daemon-reload")
    os.makedirs(LAYERS)
    version = quiet("systemctl", "--version").stdout.splitlines()[0]
    print(f"{version}; {os.cpu_count()} cores; {ROUNDS} rounds, ours and theirs in turn; sdme is {os.path.getsize('/usr/bin/sdme')} bytes")
    for number in range(ROUNDS):
        # Who goes first changes with the round.
        for turn in (round_of_ours, round_of_hand) if number % 2 else (round_of_hand, round_of_ours):
            turn(number)
        helps()
    listing()
    six_at_once(max(1, ROUNDS // 4))
    weigh_all()
    table()


main()
