//! One run of a program of the tree, in its container: started, its output taken, its end told. Whoever interrupts it ends
//! all of it, and nothing of it is left when that is told.

use crate::error::{Context, Error, Kind, Result};
use crate::rootfs::prepare::output::Output;
use crate::rootfs::prepare::place;
use crate::sys::cgroup::Group;
use crate::sys::dir::Dir;
use crate::sys::io;
use crate::sys::poll::{For, Wait, poll, poll_one};
use crate::sys::process::{Process, ProcessId};
use crate::sys::signal::{SIGKILL, SIGTERM, Watch};
use crate::sys::spawn::Program;
use crate::systemd::nspawn;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long nspawn may take to end its container when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at what it has written.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// What is read at once.
const CHUNK: usize = 16 << 10;

/// What is run, and for whom.
pub struct Run<'a> {
    /// Holds the tree, and the directory for what is fetched.
    pub stage: &'a Dir,
    pub machine: &'a str,
    /// nspawn's arguments.
    pub arguments: Vec<OsString>,
    /// What nspawn finds in its environment.
    pub environment: &'a [(&'a str, String)],
    pub watch: &'a Watch,
    pub room: Room,
    /// Is given each line of output, made harmless.
    pub told: &'a dyn Fn(&str),
}

/// What may be written. Others write to the same filesystem: it is a bound against what fills disks, and no count.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    bytes: u64,
    used_at_most: u64,
}

impl Room {
    /// So many bytes from now on.
    pub fn of(stage: &Dir, bytes: u64) -> Result<Room> {
        Ok(Room { bytes, used_at_most: stage.space()?.used.saturating_add(bytes) })
    }

    fn check(&self, stage: &Dir) -> Result<()> {
        match stage.space()?.used <= self.used_at_most {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "the package manager has written more than {} bytes (--max-bytes moves the bound)",
                self.bytes
            ))),
        }
    }
}

/// Runs it to its end. Gives how it ended, and the last lines that it wrote.
///
/// Errors: `Interrupted`; `Invalid` when it has written too much; what kept it from being started.
pub fn run(job: &Run<'_>) -> Result<(ExitStatus, String)> {
    let (ours, theirs) = io::pipe()?;
    let mut running = Running::start(job, theirs)?;
    let mut output = Output::default();
    let attended = attend(job, &running.process, &ours, &mut output);
    let ended = running.end(attended.is_err());
    attended?;
    Ok((ended?, output.last()))
}

/// A child that does not outlive this value's [`Running::end`].
struct Running<'a> {
    machine: &'a str,
    child: Child,
    process: Process,
}

impl<'a> Running<'a> {
    fn start(job: &Run<'a>, theirs: OwnedFd) -> Result<Running<'a>> {
        let mut words: Vec<OsString> = vec![job.machine.into(), nspawn::program()?.into()];
        words.extend_from_slice(&job.arguments);
        let input: OwnedFd = job.stage.as_fd().try_clone_to_owned().context("dup")?;
        let mut program = Program::new(Path::new("/proc/self/exe"), &words)
            .argument_zero(place::INSTALLER)
            .environment("PATH", nspawn::SAFE_PATH)
            .input(input.into())
            .output(theirs.try_clone().context("dup")?.into(), Stdio::from(theirs))
            .own_session()
            // Killed itself, nspawn would leave its container behind (tried: 257): it has to be asked.
            .terminate_with_us();
        for (name, value) in job.environment {
            program = program.environment(name, value);
        }
        let mut child = program.spawn()?;
        match ProcessId::of(child.id()).and_then(|id| id.open()) {
            Ok(process) => Ok(Running { machine: job.machine, child, process }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Waits for its end, which is brought about first if `early`.
    fn end(&mut self, early: bool) -> Result<ExitStatus> {
        if early {
            self.stop()?;
        }
        let status = self.child.wait().context("waiting for systemd-nspawn")?;
        place::remove_group(self.machine)?;
        Ok(status)
    }

    /// nspawn ends its container and leaves nothing when it is asked to. One that does not is killed, with all in its group.
    fn stop(&self) -> Result<()> {
        self.process.signal(SIGTERM)?;
        if poll_one(self.process.as_fd(), For::Input, Wait::at_most(END_LIMIT)).is_ok() {
            return Ok(());
        }
        let group = group_of(self.process.id.pid, self.machine);
        self.process.signal(SIGKILL)?;
        group.map_or(Ok(()), |group| group.kill())
    }
}

/// The control group that was made for the machine, if the process has got as far as being in it.
fn group_of(pid: u32, machine: &str) -> Option<Group> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    let names = up_to(path, &[place::scope(machine), place::group(machine)])?;
    names.into_iter().try_fold(Group::root().ok()?, |group, name| group.lookup(name).ok()?)
}

/// The components of a path up to the first that is one of `wanted`.
fn up_to<'a>(path: &'a str, wanted: &[String]) -> Option<Vec<&'a str>> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let last = names.iter().position(|name| wanted.iter().any(|wanted| wanted == name))?;
    names.get(..=last).map(<[&str]>::to_vec)
}

/// Takes output until the process has ended.
fn attend(job: &Run<'_>, process: &Process, ours: &OwnedFd, output: &mut Output) -> Result<()> {
    crate::sys::socket::set_nonblocking(ours.as_fd())?;
    // A pipe that everybody has closed is ready for ever.
    let mut is_open = true;
    let mut looked = Instant::now();
    loop {
        let reading = if is_open { For::Input } else { For::Nothing };
        let mut fds = vec![(process.as_fd(), For::Input), (job.watch.fd(), For::Input)];
        fds.extend(is_open.then_some((ours.as_fd(), reading)));
        let ready = match poll(&fds, Wait::at_most(LOOK_AGAIN)) {
            Err(error) if *error.kind() == Kind::TimedOut => Vec::new(),
            other => other?,
        };
        job.watch.check()?;
        if looked.elapsed() >= LOOK_AGAIN {
            job.room.check(job.stage)?;
            looked = Instant::now();
        }
        let has_ended = ready.first() == Some(&true);
        if is_open && (has_ended || ready.get(2) == Some(&true)) {
            is_open = drain(ours.as_fd(), output, job.told)?;
        }
        if has_ended {
            output.finish().iter().for_each(|line| (job.told)(line));
            return Ok(());
        }
    }
}

/// Takes what is there; false at the end. What is written faster than it is read does not keep us from hearing a signal.
fn drain(pipe: BorrowedFd<'_>, output: &mut Output, told: &dyn Fn(&str)) -> Result<bool> {
    let mut chunk = [0u8; CHUNK];
    for _ in 0..16 {
        match io::read(pipe, &mut chunk)? {
            None => return Ok(true),
            Some(0) => return Ok(false),
            Some(length) => output.take(chunk.get(..length).unwrap_or_default()).iter().for_each(|line| told(line)),
        }
    }
    Ok(true)
}

/// How it ended, in words.
pub fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_the_one_that_was_made_and_none_above_or_below() {
        let wanted = ["sdme-install-1.scope".to_string(), ".install-1".to_string()];
        let scope = up_to("/machine.slice/sdme-install-1.scope/supervisor", &wanted).unwrap();
        assert_eq!(scope, ["machine.slice", "sdme-install-1.scope"]);
        assert_eq!(up_to("/sdme/.install-1", &wanted).unwrap(), ["sdme", ".install-1"]);
        assert_eq!(up_to("/user.slice/session-1.scope", &wanted), None);
    }
}
