//! Entering a container: starts our process in it (`inside`) and asks it for what can only be had there. Everything
//! that touches the guest's tree happens in that process, so that a guest can at worst make us kill it.

use crate::container::inside;
use crate::container::leader::Leader;
use crate::container::request::{Account, Answer, Plan, Request};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::channel::Channel;
use crate::sys::poll::{self, For, Wait};
use crate::sys::resolve::Executable;
use crate::sys::spawn::Program;
use crate::sys::{channel, memfd, ns, pty, signal, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// By this name the program knows that it is to be the process inside. A guest that goes down leaves alone what has an @ in
/// front (<https://systemd.io/ROOT_STORAGE_DAEMONS>): having killed a process whose parent is outside, its systemd-shutdown
/// would wait ten seconds for a signal that does not come, and ten more.
pub const CHILD: &str = "@sdme-enter";
/// Processes that are made before the one inside: the one that goes on in the container's control group, and one that the
/// kernel may have killed at birth there.
const ON_THE_WAY_MAX: usize = 2;
/// How long a killed process may take to be gone; one that hangs in the kernel is left to it.
const REAP_LIMIT: Duration = Duration::from_secs(2);

/// The life of a process started under the name [`CHILD`].
pub fn child() {
    inside::main();
}

/// Our process in a container. It is killed when this value goes.
pub struct Entered {
    channel: Channel,
    /// None when it was given up after a failure: an answer that comes late must not be taken for another's.
    process: Option<Sibling>,
}

/// A program that runs in the container without the container's manager knowing of it. It goes on when this value goes.
pub struct Payload(OwnedFd);

/// What came of [`Entered::run`].
pub enum Start {
    Running(Payload),
    /// The kernel would not execute the program, for this reason.
    Unexecuted(String),
}

/// A child of this process, by its pidfd.
struct Sibling(Option<OwnedFd>);

impl Entered {
    /// Errors: `TimedOut` when it does not get in, as in a frozen container; `NotFound` when the container stopped.
    pub fn start(leader: &Leader, wait: Wait<'_>) -> Result<Entered> {
        let (channel, there) = Channel::pair()?;
        let child = start_copy(there)?;
        let entered = introduce(&channel, leader, wait).and_then(|()| receive_process(&channel, wait));
        retire(child);
        let process = entered.context("entering the container")?;
        Ok(Entered { channel, process: Some(process) })
    }

    /// Whether it can be asked; after a failure or its death it is not.
    pub fn is_there(&self) -> bool {
        let pidfd = self.process.as_ref().and_then(|process| process.0.as_ref());
        pidfd.is_some_and(|pidfd| ns::is_alive(pidfd.as_fd()))
    }

    /// A connection to the private socket of the container's manager.
    ///
    /// Errors: `NotFound` when there is no socket (yet).
    pub fn connect(&mut self, leader: u32, wait: Wait<'_>) -> Result<OwnedFd> {
        let (_, fd) = self.ask(&Request::Connect, &[], 1, wait)?;
        let socket = fd.ok_or_else(|| Error::invalid("no socket came from the container"))?;
        // Who listens was recorded by the kernel when it began to. Whatever else a guest puts in the socket's place,
        // or hands over instead, another process listens there.
        match channel::stream_peer(socket.as_fd())? {
            pid if pid == leader => Ok(socket),
            _ => Err(Error::failed("the manager's socket in the container does not belong to its PID 1")),
        }
    }

    /// A new terminal of the container: its master.
    pub fn terminal(&mut self, wait: Wait<'_>) -> Result<OwnedFd> {
        let (_, fd) = self.ask(&Request::Terminal, &[], 1, wait)?;
        let master = fd.ok_or_else(|| Error::invalid("no terminal came from the container"))?;
        pty::number(master.as_fd())?;
        socket::set_nonblocking(master.as_fd())?;
        Ok(master)
    }

    /// The user of this name or number, if the container's passwd has it.
    pub fn user(&mut self, who: &str, wait: Wait<'_>) -> Result<Option<Account>> {
        match self.ask(&Request::User(who.to_string()), &[], 0, wait)?.0 {
            Answer::Account(account) => Ok(Some(account)),
            Answer::No => Ok(None),
            _ => Err(unexpected()),
        }
    }

    pub fn is_directory(&mut self, path: &Path, wait: Wait<'_>) -> Result<bool> {
        self.yes_or_no(Request::Directory(path.to_path_buf()), wait)
    }

    pub fn is_file(&mut self, path: &Path, wait: Wait<'_>) -> Result<bool> {
        self.yes_or_no(Request::File(path.to_path_buf()), wait)
    }

    /// Where `name` is in the directories of `search`, which has colons between; a name with a slash is taken as it is.
    pub fn executable(&mut self, search: &str, name: &Path, wait: Wait<'_>) -> Result<Executable> {
        let request = Request::Executable { search: search.to_string(), name: name.to_path_buf() };
        match self.ask(&request, &[], 0, wait)?.0 {
            Answer::Found(path) if path.is_absolute() => Ok(Executable::Found(path)),
            Answer::Refused(path) => Ok(Executable::Refused(path)),
            Answer::No => Ok(Executable::Missing),
            _ => Err(unexpected()),
        }
    }

    /// A process of the container by its number there: a pidfd.
    pub fn process(&mut self, pid: u32, wait: Wait<'_>) -> Result<OwnedFd> {
        let (_, fd) = self.ask(&Request::Process(pid), &[], 1, wait)?;
        fd.ok_or_else(|| Error::invalid("no process came from the container"))
    }

    /// Why the kernel would not execute the program of the plan; None when it would. It is not run.
    pub fn rehearse(&mut self, plan: &Plan, wait: Wait<'_>) -> Result<Option<String>> {
        match self.ask(&Request::Rehearse, &[memfd::holding(&plan.render())?], 0, wait)?.0 {
            Answer::Done => Ok(None),
            Answer::Unexecuted(why) => Ok(Some(why)),
            _ => Err(unexpected()),
        }
    }

    /// Turns the process into the program of the plan, with these standard input, output and error.
    ///
    /// Errors: what went wrong before the program could be tried.
    pub fn run(mut self, plan: &Plan, stdio: [OwnedFd; 3], wait: Wait<'_>) -> Result<Start> {
        let fds: Vec<OwnedFd> = [memfd::holding(&plan.render())?].into_iter().chain(stdio).collect();
        match self.ask(&Request::Run, &fds, 0, wait) {
            Ok((Answer::Unexecuted(why), _)) => Ok(Start::Unexecuted(why)),
            Ok(_) => Err(unexpected()),
            // The line is closed on exec: that is the sign that it worked.
            Err(error) if *error.kind() == Kind::Unavailable => self.into_payload().map(Start::Running),
            Err(error) => Err(error),
        }
    }

    fn into_payload(mut self) -> Result<Payload> {
        let sibling = self.process.as_mut().ok_or_else(gave_up)?;
        sibling.0.take().map(Payload).ok_or_else(gave_up)
    }

    fn yes_or_no(&mut self, request: Request, wait: Wait<'_>) -> Result<bool> {
        match self.ask(&request, &[], 0, wait)?.0 {
            Answer::Done => Ok(true),
            Answer::No => Ok(false),
            _ => Err(unexpected()),
        }
    }

    fn ask(
        &mut self,
        request: &Request,
        fds: &[OwnedFd],
        fds_max: usize,
        wait: Wait<'_>,
    ) -> Result<(Answer, Option<OwnedFd>)> {
        if self.process.is_none() {
            return Err(gave_up());
        }
        let told = self.channel.send(&request.render(), fds, wait);
        let heard = told.and_then(|()| self.channel.receive(fds_max, wait));
        let parsed = heard.and_then(|(message, mut fds)| Ok((Answer::parse(&message)?, fds.pop())));
        match parsed {
            Ok((answer, fd)) => Ok((answer.into_result()?, fd)),
            Err(error) if *error.kind() == Kind::Unavailable => Err(error),
            Err(error) => {
                self.process = None;
                Err(error)
            }
        }
    }
}

impl Payload {
    pub fn signal(&self, signal: i32) -> Result<()> {
        ns::signal(self.as_fd(), signal)
    }

    /// Its exit status, 128+N when signal N ended it. Waits until it has ended.
    pub fn status(&self) -> Result<u8> {
        ns::reap(self.as_fd())
    }
}

/// Readable when it has ended.
impl AsFd for Payload {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        let Some(pidfd) = &self.0 else { return };
        let _ = ns::signal(pidfd.as_fd(), signal::SIGKILL);
        if poll::poll_one(pidfd.as_fd(), For::Input, Wait::at_most(REAP_LIMIT)).is_ok() {
            let _ = ns::reap(pidfd.as_fd());
        }
    }
}

/// Starts a copy of this program from memory, with the line as its only descriptor.
fn start_copy(line: Channel) -> Result<Child> {
    let program = memfd::own_program()?;
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let end = || line.fd().try_clone().map(Stdio::from);
    Program::new(Path::new(&path), [])
        .argument_zero(CHILD)
        .input(end()?)
        .output(end()?, end()?)
        .own_session()
        .end_with_us()
        .spawn()
        .context("starting a process to enter the container")
}

fn introduce(channel: &Channel, leader: &Leader, wait: Wait<'_>) -> Result<()> {
    let fds = [leader.process.as_fd().try_clone_to_owned()?, leader.root.as_fd().try_clone_to_owned()?];
    channel.send(&Request::Enter { leader: leader.pid() }.render(), &fds, wait)
}

/// The last of the descriptors is the process inside; before it come those that were made on the way, to be reaped.
fn receive_process(channel: &Channel, wait: Wait<'_>) -> Result<Sibling> {
    let (message, fds) = channel.receive(ON_THE_WAY_MAX + 1, wait)?;
    let mut made: Vec<Sibling> = fds.into_iter().map(|pidfd| Sibling(Some(pidfd))).collect();
    Answer::parse(&message)?.into_result()?;
    made.pop().ok_or_else(unexpected)
}

/// The first process only enters and forks. Killed even when it has: it stands in the guest's control group, and a
/// guest that freezes that at the right moment would have us wait for an end that does not come.
fn retire(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn unexpected() -> Error {
    Error::invalid("an answer from the container is none to what was asked")
}

fn gave_up() -> Error {
    Error::new(Kind::Unavailable, "the process in the container was given up")
}
