//! One BPF program: the device rule of a control group (BPF_PROG_TYPE_CGROUP_DEVICE, bpf(2)).
//!
//! Where systemd runs the container, `DevicePolicy=closed` does the same; without it nothing else keeps a guest's root,
//! who may mknod(2) or mount devtmpfs, from the host's disks.

use crate::error::{Error, Kind, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A character device that may be made, read and written: its major number, and its minor unless all of them.
type Device = (u32, Option<u32>);

/// What `DevicePolicy=closed` allows, and the two that `systemd-nspawn@.service` adds (systemd.resource-control(5)).
const ALLOWED: [Device; 9] = [
    (1, Some(3)),    // /dev/null
    (1, Some(5)),    // /dev/zero
    (1, Some(7)),    // /dev/full
    (1, Some(8)),    // /dev/random
    (1, Some(9)),    // /dev/urandom
    (5, Some(0)),    // /dev/tty
    (5, Some(2)),    // /dev/ptmx, /dev/pts/ptmx
    (136, None),     // /dev/pts/N
    (10, Some(200)), // /dev/net/tun
];

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// The guest's own systemd may attach further programs below; ours stays in force with them.
const ALLOW_MULTI: u32 = 2;
const DEVICE_CHAR: i32 = 2;

/// struct bpf_insn of linux/bpf.h; `registers` holds dst in the low and src in the high four bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

/// The head of union bpf_attr for BPF_PROG_LOAD, as long as the fields that are set.
#[repr(C)]
struct LoadAttributes {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
}

/// The head of union bpf_attr for BPF_PROG_ATTACH.
#[repr(C)]
struct AttachAttributes {
    target_fd: u32,
    program_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Closes the control group `group` (a descriptor of its directory) to all devices but the harmless ones. The rule holds
/// for everything below it and as long as the group lives.
pub fn close_devices(group: BorrowedFd<'_>) -> Result<()> {
    let program = load(&device_program(&ALLOWED))?;
    let attributes = AttachAttributes {
        target_fd: group.as_raw_fd() as u32,
        program_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
    };
    bpf(PROG_ATTACH, &attributes, "BPF_PROG_ATTACH").map(drop)
}

fn load(program: &[Instruction]) -> Result<OwnedFd> {
    let attributes = LoadAttributes {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
    };
    let fd = bpf(PROG_LOAD, &attributes, "BPF_PROG_LOAD")?;
    // SAFETY: the kernel returned a new descriptor (close-on-exec by itself).
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Answers 1 for an allowed device and 0 for any other. The context is struct bpf_cgroup_dev_ctx: access and type, major, minor.
fn device_program(allowed: &[Device]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(0x61, 0x12, 0, 0),           // r2 = context.access_type
        instruction(0x57, 0x02, 0, 0xffff),      // r2 &= 0xffff: the type
        instruction(0x61, 0x14, 4, 0),           // r4 = context.major
        instruction(0x61, 0x15, 8, 0),           // r5 = context.minor
        instruction(0x15, 0x02, 2, DEVICE_CHAR), // if r2 == DEVICE_CHAR, skip the refusal
        instruction(0xb7, 0x00, 0, 0),           // r0 = 0
        instruction(0x95, 0x00, 0, 0),           // exit
    ];
    for (major, minor) in allowed {
        let length = if minor.is_some() { 3 } else { 2 };
        program.push(instruction(0x55, 0x04, length, *major as i32)); // if r4 != major, next rule
        if let Some(minor) = minor {
            program.push(instruction(0x55, 0x05, 2, *minor as i32)); // if r5 != minor, next rule
        }
        program.push(instruction(0xb7, 0x00, 0, 1)); // r0 = 1
        program.push(instruction(0x95, 0x00, 0, 0)); // exit
    }
    program.push(instruction(0xb7, 0x00, 0, 0));
    program.push(instruction(0x95, 0x00, 0, 0));
    program
}

fn bpf<T>(command: i32, attributes: &T, name: &str) -> Result<i64> {
    // SAFETY: `attributes` is the head of union bpf_attr for this command and lives through the call; the kernel takes
    // what lies past `size` as zero.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes as *const T, size_of::<T>()) };
    if result < 0 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        return Err(Error::new(Kind::Os(errno), format!("bpf({name})")));
    }
    Ok(result as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would; enough of the machine for these instructions.
    fn answer(program: &[Instruction], device_type: u32, major: u32, minor: u32) -> i64 {
        let context = [(2 << 16) | device_type, major, minor];
        let mut registers = [0i64; 11];
        let mut at = 0usize;
        loop {
            let Instruction { code, registers: which, offset, immediate } = program[at];
            let destination = usize::from(which & 15);
            at += 1;
            match code {
                0x61 => registers[destination] = i64::from(context[offset as usize / 4]),
                0x57 => registers[destination] &= i64::from(immediate),
                0xb7 => registers[destination] = i64::from(immediate),
                0x15 if registers[destination] == i64::from(immediate) => at += offset as usize,
                0x55 if registers[destination] != i64::from(immediate) => at += offset as usize,
                0x15 | 0x55 => {}
                0x95 => return registers[0],
                other => panic!("no such instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn harmless_devices_pass_and_disks_do_not() {
        let program = device_program(&ALLOWED);
        for (major, minor) in [(1, 3), (1, 9), (5, 2), (136, 0), (136, 77), (10, 200)] {
            assert_eq!(answer(&program, 2, major, minor), 1, "{major}:{minor}");
            assert_eq!(answer(&program, 1, major, minor), 0, "block {major}:{minor}");
        }
        for (major, minor) in [(1, 1), (1, 4), (4, 0), (10, 229), (10, 237), (5, 1), (8, 0), (0, 3)] {
            assert_eq!(answer(&program, 2, major, minor), 0, "{major}:{minor}");
        }
        assert_eq!(answer(&program, 1, 8, 0), 0);
    }

    #[test]
    fn the_kernel_takes_the_program() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skip: loading a device program needs root");
            return;
        }
        load(&device_program(&ALLOWED)).unwrap();
    }
}
