//! Control groups, version 2 only (cgroups(7)): a group to run something in, its end, its removal.

use crate::error::{Error, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// "cgrp", the magic of cgroup2fs in statfs(2).
const CGROUP2_MAGIC: u64 = 0x6367_7270;
/// How long the kernel may take until a killed group is empty.
const EMPTY_LIMIT: Duration = Duration::from_secs(5);

/// A group by a descriptor of its directory.
pub struct Group(OwnedFd);

impl Group {
    /// The root of the hierarchy as this process sees it, by a mount that stands in no namespace.
    pub fn root() -> Result<Group> {
        Ok(Group(open_beneath(detached()?.as_fd(), c".")?))
    }

    /// The root of the hierarchy by the mount that most systems have, which costs less than one of our own. Whether it
    /// shows the whole hierarchy of this process is for the caller to check.
    pub fn mounted() -> Option<Group> {
        let is_cgroup2 = |path: &&str| rustix::fs::statfs(*path).is_ok_and(|stat| stat.f_type as u64 == CGROUP2_MAGIC);
        let path = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find(is_cgroup2)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).ok().map(Group)
    }

    /// The group of this name below; made when it is not there.
    pub fn ensure(&self, name: &str) -> Result<Group> {
        let name = c_string(name)?;
        match rustix::fs::mkdirat(&self.0, &name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::os(errno, format!("mkdirat(cgroup, {name:?})"))),
        }
        Ok(Group(open_beneath(self.0.as_fd(), &name)?))
    }

    /// The group of this name below, if there is one.
    pub fn lookup(&self, name: &str) -> Result<Option<Group>> {
        match open_beneath(self.0.as_fd(), &c_string(name)?) {
            Ok(fd) => Ok(Some(Group(fd))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A descriptor through which a process joins by writing "0".
    pub fn procs(&self) -> Result<OwnedFd> {
        open_file(self.0.as_fd(), c"cgroup.procs", OFlags::WRONLY)
    }

    /// Kills everything in the group and below it, and waits until it is empty.
    pub fn kill(&self) -> Result<()> {
        self.kill_until(Instant::now() + EMPTY_LIMIT)
    }

    fn kill_until(&self, end: Instant) -> Result<()> {
        let kill = open_file(self.0.as_fd(), c"cgroup.kill", OFlags::WRONLY)?;
        rustix::io::write(&kill, b"1").map_err(|errno| Error::os(errno, "write(cgroup.kill)"))?;
        self.wait_empty(end)
    }

    /// The kernel reports the last exit as a priority event on cgroup.events; its arrival is polled coarsely, for it
    /// comes within a millisecond or something is badly wrong.
    fn wait_empty(&self, end: Instant) -> Result<()> {
        while self.is_populated()? {
            if Instant::now() > end {
                return Err(Error::failed("killed processes are still in the control group after 5 s"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Kills everything in the group of this name and below it, and removes it; nothing, when there is none.
    ///
    /// Who joins between the one and the other, as `exec` does with a container that is just ending, is killed as well.
    pub fn end(&self, name: &str) -> Result<()> {
        let end = Instant::now() + EMPTY_LIMIT;
        loop {
            let Some(group) = self.lookup(name)? else { return Ok(()) };
            group.kill_until(end)?;
            match self.remove(name) {
                Err(error) if error.errno() == Some(Errno::BUSY) && Instant::now() < end => {}
                other => return other,
            }
        }
    }

    fn is_populated(&self) -> Result<bool> {
        let file = open_file(self.0.as_fd(), c"cgroup.events", OFlags::RDONLY)?;
        let mut buffer = [0u8; 256];
        let length = rustix::io::read(&file, &mut buffer).map_err(|errno| Error::os(errno, "read(cgroup.events)"))?;
        Ok(buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"populated 1"))
    }

    /// Removes the group of this name with all the groups below it. All are empty, or it fails with EBUSY.
    pub fn remove(&self, name: &str) -> Result<()> {
        remove(self.0.as_fd(), &c_string(name)?)
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sees to it that /sys/fs/cgroup is a writable cgroup2 mount in the mount namespace of this process, its own.
pub fn ensure_mounted(at: &Path) -> Result<()> {
    let ours = rustix::fs::statfs(at).is_ok_and(|stat| stat.f_type as u64 == CGROUP2_MAGIC);
    if ours && rustix::fs::access(at, rustix::fs::Access::WRITE_OK).is_ok() {
        return Ok(());
    }
    rustix::mount::move_mount(detached()?, "", rustix::fs::CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|errno| Error::os(errno, format!("move_mount(cgroup2, {at:?})")))
}

fn detached() -> Result<OwnedFd> {
    let failed = |call: &'static str| move |errno| Error::os(errno, call);
    let context = rustix::mount::fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed("fsopen(cgroup2)"))?;
    rustix::mount::fsconfig_create(&context).map_err(failed("fsconfig(cgroup2)"))?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed("fsmount(cgroup2)"))
}

/// Down to a group without children, which is removed from the one above, and on from there. However deep or wide the
/// guest made its groups, one descriptor is open and the names of one path are kept.
fn remove(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let mut here = match open_beneath(parent, name) {
        Err(error) if error.is_not_found() => return Ok(()),
        other => other?,
    };
    let mut path = vec![name.to_owned()];
    while let Some(name) = path.last() {
        if let Some(child) = first_child(here.as_fd())? {
            here = open_beneath(here.as_fd(), &child)?;
            path.push(child);
            continue;
        }
        let above = open_beneath(here.as_fd(), c"..")?;
        match rustix::fs::unlinkat(&above, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => here = above,
            Err(errno) => return Err(Error::os(errno, format!("rmdir(cgroup, {name:?})"))),
        }
        path.pop();
    }
    Ok(())
}

fn first_child(group: BorrowedFd<'_>) -> Result<Option<CString>> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut entries = RawDir::new(group, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|errno| Error::os(errno, "getdents64(cgroup)"))?;
        if entry.file_type() == FileType::Directory && !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

fn open_beneath(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open_file(parent, name, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn open_file(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd> {
    rustix::fs::openat(parent, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .map_err(|errno| Error::os(errno, format!("openat(cgroup, {name:?})")))
}

fn c_string(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::invalid(format!("{name:?} holds a NUL")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn groups_are_removed_however_deep_a_guest_made_them() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skip: control groups need root");
        }
        let root = Group::root().unwrap();
        let name = format!("sdme-deep-{}", std::process::id());
        let mut here = root.ensure(&name).unwrap();
        for _ in 0..300 {
            here.ensure("beside").unwrap();
            here = here.ensure("below").unwrap();
        }
        drop(here);
        root.remove(&name).unwrap();
        assert!(root.lookup(&name).unwrap().is_none());
    }

    #[test]
    fn a_group_ends_whoever_joins_it_meanwhile() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skip: control groups need root");
        }
        let root = Group::root().unwrap();
        let name = format!("sdme-joined-{}", std::process::id());
        let done = AtomicBool::new(false);
        let join = || {
            while !done.load(Ordering::Relaxed) {
                let mut child = std::process::Command::new("/bin/sleep").arg("9").spawn().unwrap();
                let pid = child.id().to_string();
                // The group may have been removed at any moment.
                let joined =
                    |group: Group| -> Result<_> { Ok(rustix::io::write(group.procs()?, pid.as_bytes()).is_ok()) };
                let _ = root.lookup(&name).unwrap().map(joined);
                let _ = child.kill();
                child.wait().unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(join);
            let ended: Vec<Result<()>> = (0..300)
                .map(|_| {
                    root.ensure(&name)?.ensure("machine")?;
                    root.end(&name)
                })
                .collect();
            done.store(true, Ordering::Relaxed);
            ended.into_iter().for_each(|one| one.unwrap());
        });
        assert!(root.lookup(&name).unwrap().is_none());
    }

    #[test]
    fn a_group_is_made_killed_and_removed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skip: control groups need root");
            return;
        }
        let root = Group::root().unwrap();
        let name = format!("sdme-test-{}", std::process::id());
        let group = root.ensure(&name).unwrap();
        group.ensure("a").unwrap().ensure("b").unwrap();
        let procs = group.lookup("a").unwrap().unwrap().procs().unwrap();
        let mut child = std::process::Command::new("/bin/sleep").arg("99").spawn().unwrap();
        rustix::io::write(&procs, child.id().to_string().as_bytes()).unwrap();
        assert!(group.is_populated().unwrap());
        assert!(root.remove(&name).is_err(), "a populated group was removed");
        std::thread::scope(|scope| {
            scope.spawn(|| child.wait().unwrap());
            group.kill().unwrap();
        });
        root.remove(&name).unwrap();
        assert!(root.lookup(&name).unwrap().is_none());
    }
}
