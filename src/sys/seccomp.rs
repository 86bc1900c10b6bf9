//! One seccomp(2) filter: the system calls that systemd-nspawn keeps from a container because what they reach is not
//! in any namespace, kept from a process of ours inside as well.
//!
//! nspawn's own filter cannot be taken over: only who traces the container's PID 1 may read it.

use crate::error::{Error, Result};
use rustix::io::Errno;

/// With one architecture's numbers, the calls that fail with EPERM.
struct Refused {
    /// AUDIT_ARCH_* of linux/audit.h.
    arch: u32,
    calls: &'static [libc::c_long],
}

/// Shared by all architectures.
const QUOTACTL_FD: libc::c_long = 443;

#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: libc::c_long = 320;
/// libc does not name it there.
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: libc::c_long = 294;

/// Calls that this architecture has by these names: they open any file of a filesystem by its number, reach keys,
/// swap, programs in the kernel, and what other processes do.
const NATIVE_CALLS: &[libc::c_long] = &[
    libc::SYS_open_by_handle_at,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    QUOTACTL_FD,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Refused; 2] = [
    Refused { arch: 0xc000_003e, calls: NATIVE_CALLS },
    // i386, in the order of NATIVE_CALLS; it has no kexec_file_load.
    Refused {
        arch: 0x4000_0003,
        calls: &[342, 286, 288, 287, 357, 336, 338, 339, 87, 115, 131, QUOTACTL_FD, 283, 253, 169],
    },
];

#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Refused; 2] = [
    Refused { arch: 0xc000_00b7, calls: NATIVE_CALLS },
    // arm, in the order of NATIVE_CALLS.
    Refused {
        arch: 0x4000_0028,
        calls: &[371, 309, 311, 310, 386, 364, 367, 368, 87, 115, 131, QUOTACTL_FD, 347, 401, 249, 169],
    },
];

/// x32 numbers its calls from here, under the architecture of x86_64; nobody else has numbers as high.
const X32: u32 = 0x4000_0000;

/// struct seccomp_data: where the number and the architecture of a call are.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_NOT_LESS: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
const REFUSE: u32 = 0x0005_0000 | libc::EPERM as u32; // SECCOMP_RET_ERRNO

const SECCOMP_SET_MODE_FILTER: libc::c_long = 1;

/// From now on these calls fail in this process and in all that come from it. CAP_SYS_ADMIN is needed.
pub fn close_to_container() -> Result<()> {
    let filter = program(&ARCHITECTURES);
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which lives through the call, and writes nothing.
    match unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &raw const program) } {
        0 => Ok(()),
        _ => Err(Error::os(last_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")),
    }
}

/// Each architecture by itself; a call of any other is refused.
fn program(architectures: &[Refused]) -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(LOAD_WORD, ARCHITECTURE, 0, 0)];
    for Refused { arch, calls } in architectures {
        let own = numbers(calls);
        program.push(instruction(JUMP_IF_EQUAL, *arch, 0, own.len() as u8));
        program.extend(own);
    }
    program.push(instruction(RETURN, REFUSE, 0, 0));
    program
}

fn numbers(calls: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let mut program = vec![instruction(LOAD_WORD, NUMBER, 0, 0)];
    // Over the calls that follow, and over the return that allows.
    let ahead = |place: usize| (calls.len() - place) as u8;
    program.push(instruction(JUMP_IF_NOT_LESS, X32, ahead(0) + 1, 0));
    for (place, call) in calls.iter().enumerate() {
        program.push(instruction(JUMP_IF_EQUAL, *call as u32, ahead(place), 0));
    }
    program.push(instruction(RETURN, ALLOW, 0, 0));
    program.push(instruction(RETURN, REFUSE, 0, 0));
    program
}

fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers, by the rules of seccomp(2).
    fn answer(arch: u32, number: u32) -> u32 {
        let (program, mut at, mut word) = (program(&ARCHITECTURES), 0, 0);
        loop {
            let libc::sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let jump = match code {
                LOAD_WORD if k == ARCHITECTURE => {
                    word = arch;
                    continue;
                }
                LOAD_WORD => {
                    word = number;
                    continue;
                }
                JUMP_IF_EQUAL => word == k,
                JUMP_IF_NOT_LESS => word >= k,
                _ => return k,
            };
            at += usize::from(if jump { jt } else { jf });
        }
    }

    #[test]
    fn every_refused_call_is_refused_in_each_architecture_and_no_other() {
        for Refused { arch, calls } in &ARCHITECTURES {
            for number in 0..600 {
                let wanted = if calls.contains(&libc::c_long::from(number)) { REFUSE } else { ALLOW };
                assert_eq!(answer(*arch, number as u32), wanted, "{arch:x} {number}");
            }
            assert_eq!(answer(*arch, X32 | 304), REFUSE);
            assert_eq!(answer(*arch, u32::MAX), REFUSE);
        }
        assert_eq!(answer(0x1234, 1), REFUSE);
    }

    #[test]
    fn a_filtered_process_works_on_but_opens_nothing_by_handle() {
        if !crate::sys::credentials::is_root() {
            return eprintln!("skip: needs root");
        }
        let filtered = || {
            close_to_container().unwrap();
            std::fs::read("/proc/self/status").unwrap();
            // SAFETY: no pointer is looked at before the number is.
            let result = unsafe { libc::syscall(libc::SYS_open_by_handle_at, -1, 0usize, 0) };
            assert_eq!((result, last_errno()), (-1, Errno::PERM));
        };
        // The filter holds for one thread.
        std::thread::scope(|scope| scope.spawn(filtered).join()).unwrap();
    }
}
