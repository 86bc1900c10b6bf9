//! A file as a block device: loop(4). A device is free again when its descriptor and what was mounted from it are gone,
//! whatever ends the process (LO_FLAGS_AUTOCLEAR).

use crate::error::{Errno, Error, Kind, Result};
use crate::sys::dir::{Dir, proc_path};
use crate::sys::mount;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// linux/loop.h
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;
/// Major number of loop devices.
const LOOP_MAJOR: u32 = 7;
/// How often another process may be faster in taking the device that was free.
const ATTEMPTS: u32 = 64;
/// What a block device is counted in.
const SECTOR: u64 = 512;

/// struct loop_info64.
#[repr(C)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// struct loop_config.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// Which bytes of a file, and how they are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Multiples of 512 bytes.
    pub offset: u64,
    pub length: u64,
    /// The file is open for writing, and what is mounted may write.
    pub is_writable: bool,
    /// Past the page cache, where the file's filesystem can: for what is not in it yet.
    pub is_direct: bool,
}

/// A loop device that is held.
#[derive(Debug)]
pub struct LoopDevice(OwnedFd);

impl LoopDevice {
    /// Makes a part of a regular file a block device. No partition in it is looked for, and udev leaves it alone while
    /// this lives: it is locked before it is anything (systemd.io/BLOCK_DEVICE_LOCKING).
    ///
    /// Errors: `Unavailable` when this machine gives no loop devices, with what to do; `Busy` when others were faster
    /// every time.
    pub fn attach(file: &File, extent: &Extent) -> Result<LoopDevice> {
        if extent.length == 0 || (extent.offset | extent.length) % SECTOR != 0 {
            return Err(Error::invalid(format!("{} bytes at {} are no block device", extent.length, extent.offset)));
        }
        let control = control()?;
        for _ in 0..ATTEMPTS {
            let device = open(free(control.as_fd())?, extent.is_writable)?;
            if is_lockable(&device)? && configure(device.as_fd(), file.as_fd(), extent)? {
                return Ok(LoopDevice(device));
            }
        }
        Err(Error::new(Kind::Busy, "loop devices are taken by others as fast as they are made"))
    }

    /// The name by which the kernel finds it again.
    pub fn path(&self) -> String {
        proc_path(self.0.as_fd())
    }
}

fn control() -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open("/dev/loop-control", flags, Mode::empty()).map_err(|errno| {
        unavailable(
            Error::os(errno, "open(\"/dev/loop-control\")"),
            "no loop devices can be had here, and a disk image is mounted by one",
        )
    })
}

fn unavailable(error: Error, what: &str) -> Error {
    let hint = "'modprobe loop' on the machine itself, and in a container its /dev/loop-control, bring them";
    Error::new(Kind::Unavailable, format!("{error}: {what} ({hint})"))
}

/// The number of a device that nobody uses; made if there is none.
fn free(control: BorrowedFd<'_>) -> Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and touches no memory of ours.
    let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
    u32::try_from(number).map_err(|_| {
        unavailable(Error::os(last_errno(), "ioctl(LOOP_CTL_GET_FREE)"), "the kernel gives no loop device")
    })
}

fn open(number: u32, is_writable: bool) -> Result<OwnedFd> {
    let flags = if is_writable { OFlags::RDWR } else { OFlags::RDONLY } | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let path = format!("/dev/loop{number}");
    let opened = match rustix::fs::openat(CWD, &path, flags | OFlags::NOFOLLOW, Mode::empty()) {
        // A container's /dev has the nodes that were there when it was made.
        Err(Errno::NOENT) => open_own_node(number, flags)?,
        other => other.map_err(|errno| {
            unavailable(Error::os(errno, format!("open({path:?})")), "this process may not use loop devices")
        })?,
    };
    match device_of(opened.as_fd())? == (FileType::BlockDevice, LOOP_MAJOR, number) {
        true => Ok(opened),
        false => Err(Error::failed(format!("{path} is not the loop device {number}"))),
    }
}

/// By a node in a filesystem of our own that is mounted nowhere.
fn open_own_node(number: u32, flags: OFlags) -> Result<OwnedFd> {
    let nodes = Dir::from_fd(mount::nodes()?);
    let (name, device) = (OsStr::new("loop"), rustix::fs::makedev(LOOP_MAJOR, number));
    rustix::fs::mknodat(&nodes, name, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, device)
        .and_then(|()| rustix::fs::openat(&nodes, name, flags, Mode::empty()))
        .map_err(|errno| {
            let call = format!("mknod and open of block device {LOOP_MAJOR}:{number}");
            unavailable(Error::os(errno, call), "/dev has no node for the device, and none can be made")
        })
}

fn device_of(fd: BorrowedFd<'_>) -> Result<(FileType, u32, u32)> {
    let stat = rustix::fs::fstat(fd).map_err(|errno| Error::os(errno, "fstat"))?;
    let (kind, device) = (FileType::from_raw_mode(stat.st_mode), stat.st_rdev);
    Ok((kind, rustix::fs::major(device), rustix::fs::minor(device)))
}

fn is_lockable(device: &OwnedFd) -> Result<bool> {
    match rustix::fs::flock(device, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(errno) => Err(Error::os(errno, "flock(loop device, LOCK_EX)")),
    }
}

/// False when somebody else has just taken the device.
fn configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, extent: &Extent) -> Result<bool> {
    let flags = LO_FLAGS_AUTOCLEAR
        | if extent.is_writable { 0 } else { LO_FLAGS_READ_ONLY }
        | if extent.is_direct { LO_FLAGS_DIRECT_IO } else { 0 };
    match try_configure(device, file, extent, flags) {
        Err(error) if error.errno() == Some(Errno::BUSY) => Ok(false),
        // A filesystem that cannot, on kernels that do not pass over it.
        Err(error) if error.errno() == Some(Errno::INVAL) && extent.is_direct => {
            try_configure(device, file, extent, flags & !LO_FLAGS_DIRECT_IO).map(|()| true)
        }
        other => other.map(|()| true),
    }
}

fn try_configure(device: BorrowedFd<'_>, file: BorrowedFd<'_>, extent: &Extent, flags: u32) -> Result<()> {
    let info = Info {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: extent.offset,
        sizelimit: extent.length,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
    let config = Config { fd: file.as_raw_fd() as u32, block_size: 0, info, reserved: [0; 8] };
    // SAFETY: LOOP_CONFIGURE reads one struct loop_config, which lives until the call returns.
    match unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) } {
        0 => Ok(()),
        _ => {
            Err(Error::os(last_errno(), format!("ioctl(LOOP_CONFIGURE, {} bytes at {})", extent.length, extent.offset)))
        }
    }
}

fn last_errno() -> Errno {
    let number = std::io::Error::last_os_error().raw_os_error();
    number.map_or(Errno::IO, Errno::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    fn file(scratch: &Scratch, sectors: u8) -> File {
        let path = scratch.path().join("disk");
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap();
        for sector in 0..sectors {
            file.write_all_at(&[sector; SECTOR as usize], u64::from(sector) * SECTOR).unwrap();
        }
        file
    }

    fn attach(file: &File, offset: u64, length: u64) -> Option<LoopDevice> {
        match LoopDevice::attach(file, &Extent { offset, length, is_writable: false, is_direct: false }) {
            Err(error) if *error.kind() == Kind::Unavailable => {
                eprintln!("skip: {error}");
                None
            }
            other => Some(other.unwrap()),
        }
    }

    fn content(device: &LoopDevice) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::open(device.path()).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_device_is_a_part_of_its_file_and_read_only() {
        let scratch = Scratch::new("loopdev-part");
        let file = file(&scratch, 40);
        let Some(device) = attach(&file, 8 * SECTOR, 16 * SECTOR) else { return };
        let bytes = content(&device);
        assert_eq!(bytes.len() as u64, 16 * SECTOR);
        assert_eq!((bytes[0], bytes[bytes.len() - 1]), (8, 23));
        let written = File::options().write(true).open(device.path()).and_then(|file| file.write_at(&[1; 512], 0));
        assert!(written.is_err());
    }

    #[test]
    fn many_at_once_get_a_device_each_and_give_it_back() {
        let scratch = Scratch::new("loopdev-many");
        let whole = file(&scratch, 40);
        if attach(&whole, 0, SECTOR).is_none() {
            return;
        }
        std::thread::scope(|scope| {
            for sector in 0..8u8 {
                let whole = &whole;
                scope.spawn(move || {
                    for _ in 0..4 {
                        let device = attach(whole, u64::from(sector) * SECTOR, SECTOR).unwrap();
                        assert_eq!(content(&device), [sector; SECTOR as usize]);
                    }
                });
            }
        });
    }

    #[test]
    fn a_node_of_our_own_does_as_well() {
        let scratch = Scratch::new("loopdev-node");
        let file = file(&scratch, 8);
        let Some(device) = attach(&file, 0, SECTOR) else { return };
        let number = device_of(device.0.as_fd()).unwrap().2;
        let node = open_own_node(number, OFlags::RDONLY | OFlags::CLOEXEC).unwrap();
        assert_eq!(device_of(node.as_fd()).unwrap(), (FileType::BlockDevice, LOOP_MAJOR, number));
    }

    #[test]
    fn what_is_no_whole_number_of_sectors_is_refused() {
        let scratch = Scratch::new("loopdev-sectors");
        let file = file(&scratch, 8);
        for (offset, length) in [(0, 0), (1, SECTOR), (0, 100)] {
            let extent = Extent { offset, length, is_writable: false, is_direct: false };
            assert!(LoopDevice::attach(&file, &extent).is_err());
        }
    }
}
