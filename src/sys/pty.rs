//! Pseudo-terminals (pty(7)): making one from a devpts of somebody else's, and driving the terminal of our own side.

use crate::error::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, Winsize};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once};

/// DEVPTS_SUPER_MAGIC of statfs(2).
const DEVPTS_MAGIC: u64 = 0x1cd1;
/// Every ptmx is this character device.
const PTMX: (u32, u32) = (5, 2);

/// Opens a new pty of the devpts whose root `directory` is, unlocked, non-blocking.
///
/// Errors: `Invalid` when the directory is no devpts. Nothing but the filesystem's own ptmx is opened: it cannot be
/// replaced in a devpts, and what is mounted over it is not crossed.
pub fn open_in(directory: BorrowedFd<'_>) -> Result<OwnedFd> {
    let stat = rustix::fs::fstatfs(directory).map_err(|errno| Error::os(errno, "fstatfs(/dev/pts)"))?;
    if stat.f_type as u64 != DEVPTS_MAGIC {
        return Err(Error::invalid("/dev/pts is no devpts filesystem"));
    }
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let master = rustix::fs::openat2(directory, "ptmx", flags, Mode::empty(), resolve)
        .map_err(|errno| Error::os(errno, "openat2(/dev/pts, \"ptmx\", RESOLVE_NO_XDEV)"))?;
    number(master.as_fd())?;
    rustix::pty::unlockpt(&master).map_err(|errno| Error::os(errno, "ioctl(TIOCSPTLCK)"))?;
    Ok(master)
}

/// The number of a pty by its master: N of /dev/pts/N.
///
/// Errors: `Invalid` when the descriptor is anything but the master of a pty.
pub fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let foreign = || Error::invalid("the descriptor is no pty");
    let stat = rustix::fs::fstat(master).map_err(|errno| Error::os(errno, "fstat(pty)"))?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || device != PTMX {
        return Err(foreign());
    }
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes one unsigned int.
    match unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN as _, &raw mut number) } {
        0 => Ok(number),
        _ => Err(foreign()),
    }
}

/// The other end of a pty, opened through its master: no path is looked up.
pub fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(master, flags).map_err(|errno| Error::os(errno, "ioctl(TIOCGPTPEER)"))
}

/// Makes `terminal` the controlling terminal of this process, which leads a session without one.
pub fn control(terminal: BorrowedFd<'_>) -> Result<()> {
    rustix::process::ioctl_tiocsctty(terminal).map_err(|errno| Error::os(errno, "ioctl(TIOCSCTTY)"))
}

/// Gives a pty's terminal to a user, writable for `group`, as login does.
pub fn grant(terminal: BorrowedFd<'_>, uid: u32, group: u32) -> Result<()> {
    use rustix::fs::{Gid, Uid};
    rustix::fs::fchown(terminal, Some(Uid::from_raw(uid)), Some(Gid::from_raw(group)))
        .and_then(|()| rustix::fs::fchmod(terminal, Mode::from_raw_mode(0o620)))
        .map_err(|errno| Error::os(errno, format!("fchown(pty, {uid}, {group})")))
}

pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    rustix::termios::isatty(fd)
}

/// Gives the pty the size of the terminal; a terminal that has none (a serial line) leaves it as it is.
pub fn copy_size(terminal: BorrowedFd<'_>, master: BorrowedFd<'_>) {
    if let Ok(size @ Winsize { ws_row: 1.., ws_col: 1.., .. }) = rustix::termios::tcgetwinsize(terminal) {
        // A pty that is gone needs no size.
        let _ = rustix::termios::tcsetwinsize(master, size);
    }
}

/// The byte that ends the input of who reads lines from this pty, if it is read by lines.
pub fn end_of_file(master: BorrowedFd<'_>) -> Option<u8> {
    let modes = rustix::termios::tcgetattr(master).ok()?;
    modes.local_modes.contains(LocalModes::ICANON).then(|| modes.special_codes[SpecialCodeIndex::VEOF])
}

/// A second descriptor for the same terminal with an open file of its own, so that making it non-blocking does not
/// touch what other processes have in common with us.
pub fn reopen_input(terminal: BorrowedFd<'_>) -> Result<OwnedFd> {
    reopen(terminal, OFlags::RDONLY)
}

/// The same for writing.
pub fn reopen_output(terminal: BorrowedFd<'_>) -> Result<OwnedFd> {
    reopen(terminal, OFlags::WRONLY)
}

fn reopen(terminal: BorrowedFd<'_>, flags: OFlags) -> Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", terminal.as_raw_fd());
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| Error::os(errno, format!("open({path:?})")))
}

/// Our terminal in raw mode (cfmakeraw(3)) while this value lives. There is one at a time.
pub struct Raw(());

struct Found {
    terminal: OwnedFd,
    modes: Termios,
}

/// What is to be put back, where a panic finds it too: in a released program a panic ends the process without dropping
/// anything.
static FOUND: Mutex<Option<Found>> = Mutex::new(None);
static HOOK: Once = Once::new();

impl Raw {
    pub fn enable(terminal: BorrowedFd<'_>) -> Result<Raw> {
        let terminal = terminal.try_clone_to_owned()?;
        let modes = rustix::termios::tcgetattr(&terminal).map_err(|errno| Error::os(errno, "tcgetattr"))?;
        let mut raw = modes.clone();
        raw.make_raw();
        // Break and parity are the user's line's affair, not the container's.
        raw.input_modes |= modes.input_modes & (InputModes::IGNBRK | InputModes::IGNPAR);
        HOOK.call_once(restore_on_panic);
        set(terminal.as_fd(), &raw)?;
        if let Ok(mut found) = FOUND.lock() {
            *found = Some(Found { terminal, modes });
        }
        Ok(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        before(panic);
    }));
}

/// As it was found. Once.
fn restore() {
    // A panic in here must not wait for itself.
    if let Some(found) = FOUND.try_lock().ok().and_then(|mut found| found.take()) {
        let _ = set(found.terminal.as_fd(), &found.modes);
    }
}

fn set(terminal: BorrowedFd<'_>, modes: &Termios) -> Result<()> {
    loop {
        match rustix::termios::tcsetattr(terminal, OptionalActions::Drain, modes) {
            Err(Errno::INTR) => continue,
            other => return other.map_err(|errno| Error::os(errno, "tcsetattr")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    /// There is one raw terminal at a time.
    static TURN: Mutex<()> = Mutex::new(());

    fn pty() -> Option<(OwnedFd, OwnedFd)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open("/dev/pts", flags, Mode::empty()).ok()?;
        match open_in(directory.as_fd()) {
            Ok(master) => peer(master.as_fd()).ok().map(|peer| (master, peer)),
            Err(error) => {
                eprintln!("skip: no pty can be had here: {error}");
                None
            }
        }
    }

    #[test]
    fn a_pty_is_known_from_other_devices() {
        for path in ["/dev/null", "/dev/zero", "/", "/proc/self/status"] {
            assert!(number(File::open(path).unwrap().as_fd()).is_err(), "{path}");
        }
        let Some((master, peer)) = pty() else { return };
        number(master.as_fd()).unwrap();
        assert!(number(peer.as_fd()).is_err());
    }

    #[test]
    fn only_a_devpts_gives_one() {
        let directory = rustix::fs::open("/dev", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert!(open_in(directory.as_fd()).is_err());
    }

    #[test]
    fn raw_mode_goes_as_it_came() {
        let Some((_master, peer)) = pty() else { return };
        let _turn = TURN.lock();
        let modes = || rustix::termios::tcgetattr(&peer).unwrap().local_modes;
        let before = modes();
        let raw = Raw::enable(peer.as_fd()).unwrap();
        assert!(!modes().contains(LocalModes::ECHO));
        drop(raw);
        assert_eq!(modes(), before);
    }

    #[test]
    fn a_panic_puts_it_back_before_anything_is_dropped() {
        let Some((_master, peer)) = pty() else { return };
        let _turn = TURN.lock();
        let modes = || rustix::termios::tcgetattr(&peer).unwrap().local_modes;
        let before = modes();
        let raw = Raw::enable(peer.as_fd()).unwrap();
        assert_ne!(modes(), before);
        std::thread::spawn(|| panic!("on purpose")).join().unwrap_err();
        assert_eq!(modes(), before);
        drop(raw);
    }

    #[test]
    fn the_end_of_input_is_told_in_the_terminals_own_way() {
        let Some((master, peer)) = pty() else { return };
        let _turn = TURN.lock();
        assert_eq!(end_of_file(master.as_fd()), Some(4));
        File::from(master.try_clone().unwrap()).write_all(b"ab\n\x04").unwrap();
        let mut text = String::new();
        File::from(peer.try_clone().unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab\n");
        let _raw = Raw::enable(peer.as_fd()).unwrap();
        assert_eq!(end_of_file(master.as_fd()), None);
    }
}
