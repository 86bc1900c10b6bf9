//! Our process inside a container: what `enter` starts as a fresh copy of this program, with nothing of the caller's
//! in it. It enters, makes itself no mightier than the container's PID 1, forks once into the PID namespace, and then
//! answers requests until the line is cut.
//!
//! The order is the protection: descriptors are closed and memory is hidden before anything of the guest is touched;
//! capabilities are dropped before the guest can see the process at all (CVE-2016-9962, CVE-2024-21626). System calls
//! are filtered before, too: a guest's root may trace what is in its PID namespace, and would make it do the calls that
//! nspawn keeps from the guest's own processes, open_by_handle_at(2) of the host's `/` before all.

use crate::container::request::{Account, Answer, Plan, Request};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::cgroup::Group;
use crate::sys::channel::Channel;
use crate::sys::confine::{self, Confinement};
use crate::sys::ns::{self, Side};
use crate::sys::payload::{self, Rehearsal};
use crate::sys::poll::Wait;
use crate::sys::resolve::{Executable, Root};
use crate::sys::{io, memfd, pty, seccomp};
use crate::text::passwd::{self, User};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Descriptors that come with a request at most: a plan and three for it.
const DESCRIPTORS_MAX: usize = 4;
/// The group to which terminals belong on every Linux system ("tty"); systemd and nspawn have it built in.
const TTY_GROUP: u32 = 5;

/// The whole life of the process. Whatever goes wrong is told over the line; there is nobody else to tell.
pub fn main() {
    let _ = live();
}

fn live() -> Result<()> {
    confine::close_descriptors()?;
    confine::hide_memory()?;
    let channel = Channel::inherited()?;
    let mut place = Place::default();
    match enter(&channel, &mut place) {
        Ok(None) => Ok(()),
        Ok(Some(Side::Sibling)) => {
            drop(place);
            serve(&channel)
        }
        Ok(Some(Side::Original(pidfd))) => {
            let fds: Vec<OwnedFd> = place.into_reaped()?.into_iter().chain([pidfd]).collect();
            channel.send(&Answer::Done.render(), &fds, Wait::for_ever())
        }
        Err(error) => channel.send(&Answer::failure(&error).render(), &place.into_reaped()?, Wait::for_ever()),
    }
}

/// In which process this goes on, and who else was made for it: whoever started us has to reap them.
#[derive(Default)]
struct Place {
    is_copy: bool,
    dead: Option<OwnedFd>,
}

impl Place {
    /// Our own pidfd is opened last: nothing of it may be seen in the guest.
    fn into_reaped(self) -> Result<Vec<OwnedFd>> {
        let own = self.is_copy.then(|| ns::pidfd(std::process::id())).transpose()?;
        Ok(self.dead.into_iter().chain(own).collect())
    }
}

/// None: a copy of this process goes on.
fn enter(channel: &Channel, place: &mut Place) -> Result<Option<Side>> {
    let (message, fds) = channel.receive(DESCRIPTORS_MAX, Wait::for_ever())?;
    let (Request::Enter { leader }, Ok([pidfd, root])) = (Request::parse(&message)?, <[OwnedFd; 2]>::try_from(fds))
    else {
        return Err(Error::invalid("the first request does not say which container to enter"));
    };
    let bounds = Confinement::of(leader)?;
    confine::forget_caller()?;
    if !enter_group(leader, place).context("joining the container's control group")? {
        return Ok(None);
    }
    // What was done by number was done by the leader's: it had the number before, and has it still.
    if !ns::is_alive(pidfd.as_fd()) {
        return Err(Error::new(Kind::NotFound, "the container has stopped"));
    }
    ns::enter(pidfd.as_fd(), leader)?;
    ns::change_root(root.as_fd())?;
    if bounds.is_filtered() {
        seccomp::close_to_container()?;
    }
    bounds.apply()?;
    drop((pidfd, root));
    ns::clone_sibling().map(Some)
}

/// Joins the control group of the container's PID 1: one that takes processes, as PID 1 itself is in it. A kernel
/// without a version 2 hierarchy has none to join. False: a copy of this process was born in it and goes on.
fn enter_group(leader: u32, place: &mut Place) -> Result<bool> {
    let Some(path) = group_of(&leader.to_string())? else { return Ok(true) };
    if let Some(Ok(group)) = Group::mounted().map(|root| below(root, &path)) {
        match be_born_in(&group, &path, place) {
            Some(goes_on) => return Ok(goes_on),
            None if join(group).is_ok() && group_of("self")?.as_ref() == Some(&path) => return Ok(true),
            None => {}
        }
    }
    below(Group::root()?, &path).and_then(join).map(|()| true)
}

/// Whether this process goes on, which is then the copy; None when there is no copy that could.
///
/// The copy says that it is where it should be: Linux 6.18 kills it at birth when our own group was killed before
/// (docs/kernel-features.md).
fn be_born_in(group: &Group, path: &String, place: &mut Place) -> Option<bool> {
    let (said, word) = io::pipe().ok()?;
    let (mut said, mut word) = (File::from(said), File::from(word));
    match ns::clone_into_group(group.as_fd()).ok()? {
        Side::Sibling => {
            drop(said);
            place.is_copy = true;
            let is_there = matches!(group_of("self"), Ok(Some(own)) if own == *path);
            let goes_on = is_there && payload::end_with_parent(true).is_ok() && word.write_all(b"!").is_ok();
            if !goes_on {
                std::process::exit(1);
            }
            Some(true)
        }
        Side::Original(pidfd) => {
            drop(word);
            if said.read_exact(&mut [0]).is_ok() {
                return Some(false);
            }
            place.dead = Some(pidfd);
            None
        }
    }
}

fn join(group: Group) -> Result<()> {
    payload::join_group(group.procs()?)
}

fn below(root: Group, path: &str) -> Result<Group> {
    let unreachable = || Error::failed(format!("control group {path:?} cannot be reached from here"));
    path.split('/').filter(|name| !name.is_empty()).try_fold(root, |group, name| match name {
        ".." => Err(unreachable()),
        name => group.lookup(name)?.ok_or_else(unreachable),
    })
}

/// Where a process is in the version 2 hierarchy, as this one sees it.
fn group_of(process: &str) -> Result<Option<String>> {
    let file = format!("/proc/{process}/cgroup");
    let text = std::fs::read_to_string(&file).context(&file)?;
    Ok(text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_string))
}

fn serve(channel: &Channel) -> Result<()> {
    payload::end_with_parent(true)?;
    loop {
        let (message, fds) = channel.receive(DESCRIPTORS_MAX, Wait::for_ever())?;
        let (answer, fd) = match Request::parse(&message).and_then(|request| answer(request, fds)) {
            Ok(answered) => answered,
            Err(error) => (Answer::failure(&error), None),
        };
        channel.send(&answer.render(), fd.as_slice(), Wait::for_ever())?;
    }
}

fn answer(request: Request, fds: Vec<OwnedFd>) -> Result<(Answer, Option<OwnedFd>)> {
    let root = Root::open_path(Path::new("/"))?;
    let plain = |answer| Ok((answer, None));
    match request {
        Request::Enter { .. } => Err(Error::invalid("a container is entered once")),
        Request::Connect => Ok((Answer::Done, Some(connect(&root)?))),
        Request::Terminal => Ok((Answer::Done, Some(terminal(&root)?))),
        Request::User(who) => plain(account(&root, &who).map_or(Answer::No, Answer::Account)),
        Request::Directory(path) => plain(if root.is_directory(&path) { Answer::Done } else { Answer::No }),
        Request::File(path) => plain(if root.is_file(&path) { Answer::Done } else { Answer::No }),
        Request::Executable { search, name } => plain(match root.find_executable(&search, &name) {
            Executable::Found(path) => Answer::Found(path),
            Executable::Refused(path) => Answer::Refused(path),
            Executable::Missing => Answer::No,
        }),
        Request::Process(pid) => Ok((Answer::Done, Some(ns::pidfd(pid)?))),
        Request::Rehearse => plain(rehearse(fds)?),
        Request::Run => plain(Answer::Unexecuted(run(fds)?.to_string())),
    }
}

/// PID 1 refuses a peer that is not in its PID namespace: therefore this is done here and not outside.
fn connect(root: &Root) -> Result<OwnedFd> {
    root.connect_exact(Path::new("/run/systemd"), Path::new("private"))
}

fn terminal(root: &Root) -> Result<OwnedFd> {
    let directory = root.open_directory_exact(Path::new("/dev/pts"))?;
    pty::open_in(directory.as_fd())
}

fn account(root: &Root, who: &str) -> Option<Account> {
    let read = |path: &str| root.read_limited(Path::new(path), passwd::FILE_MAX);
    let user = match read("/etc/passwd") {
        Ok(passwd) => passwd::lookup(&passwd, who),
        // A tree without users still has a root.
        Err(_) => None,
    };
    let user = user.or_else(|| matches!(who, "root" | "0").then(User::root))?;
    let groups = read("/etc/group").map_or_else(|_| Vec::new(), |group| passwd::supplementary(&group, &user.name));
    Some(Account { user, groups })
}

/// Becomes the program of the plan; comes back only with the reason why that failed.
fn run(fds: Vec<OwnedFd>) -> Result<Error> {
    let Ok([plan, input, output, error]) = <[OwnedFd; 4]>::try_from(fds) else {
        return Err(Error::invalid("a plan and three descriptors are needed to run a program"));
    };
    let plan = Plan::parse(&memfd::read(plan)?)?;
    payload::lead_session()?;
    if plan.terminal {
        pty::grant(input.as_fd(), plan.uid, TTY_GROUP)?;
        pty::control(input.as_fd())?;
    }
    payload::set_stdio([input, output, error])?;
    become_payload(&plan)?;
    Ok(execute(&plan))
}

fn rehearse(fds: Vec<OwnedFd>) -> Result<Answer> {
    let Ok([plan]) = <[OwnedFd; 1]>::try_from(fds) else {
        return Err(Error::invalid("a plan is needed to rehearse a program"));
    };
    let plan = Plan::parse(&memfd::read(plan)?)?;
    let steps = || match become_payload(&plan) {
        Ok(()) => execute(&plan),
        Err(error) => error,
    };
    Ok(match payload::rehearse(steps)? {
        Rehearsal::Executed => Answer::Done,
        Rehearsal::Refused(why) => Answer::Unexecuted(why),
    })
}

fn become_payload(plan: &Plan) -> Result<()> {
    payload::become_user(plan.uid, plan.gid, &plan.groups)?;
    payload::end_with_parent(false)?;
    payload::change_directory(&plan.directory)
}

fn execute(plan: &Plan) -> Error {
    payload::execute(&plan.program, &plan.arguments, &plan.environment)
}
