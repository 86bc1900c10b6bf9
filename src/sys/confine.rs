//! Making this process no mightier than another, and taking from it what its caller left in it: capabilities,
//! descriptors, resource limits, keyring, groups.

use crate::error::{Context, Error, Result};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::mem::MaybeUninit;

/// The kernel numbers its limits from 0 (RLIMIT_CPU) to 15 (RLIMIT_RTTIME).
const LIMITS: u32 = 16;
/// A capability's number is below this: the sets are 64 bits wide.
const CAPABILITIES: u32 = 64;

/// What bounds a process, and what it may never regain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// One bit a capability.
    bounding: u64,
    no_new_privileges: bool,
    /// A filter holds for its system calls.
    filtered: bool,
    /// Soft and hard, by the kernel's numbers.
    limits: Vec<(u64, u64)>,
}

impl Confinement {
    /// How the process `pid` is bounded (proc_pid_status(5), prlimit(2)).
    pub fn of(pid: u32) -> Result<Confinement> {
        let path = format!("/proc/{pid}/status");
        let text = std::fs::read_to_string(&path).context(&path)?;
        let (bounding, no_new_privileges, filtered) =
            parse(&text).ok_or_else(|| Error::invalid(format!("{path} is not understood")))?;
        let limits = (0..LIMITS).map(|resource| limit(pid, resource)).collect::<Result<_>>()?;
        Ok(Confinement { bounding, no_new_privileges, filtered, limits })
    }

    /// Whether its system calls are filtered (seccomp(2)).
    pub fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// Bounds this process likewise. It has to be root still.
    pub fn apply(&self) -> Result<()> {
        for (resource, limit) in (0..LIMITS).zip(&self.limits) {
            set_limit(resource, *limit)?;
        }
        drop_capabilities(self.bounding)?;
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true).map_err(|errno| Error::os(errno, "prctl(PR_SET_NO_NEW_PRIVS)"))?;
        }
        Ok(())
    }
}

fn parse(status: &str) -> Option<(u64, bool, bool)> {
    let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let bounding = u64::from_str_radix(field("CapBnd:")?, 16).ok()?;
    const SECCOMP_MODE_FILTER: &str = "2";
    Some((bounding, field("NoNewPrivs:") == Some("1"), field("Seccomp:") == Some(SECCOMP_MODE_FILTER)))
}

fn limit(pid: u32, resource: u32) -> Result<(u64, u64)> {
    let mut limit = MaybeUninit::<libc::rlimit64>::uninit();
    // SAFETY: no new limit is given; on success the kernel has filled the old one.
    unsafe {
        if libc::syscall(libc::SYS_prlimit64, pid, resource, 0usize, limit.as_mut_ptr()) != 0 {
            return Err(Error::os(last_errno(), format!("prlimit({pid}, {resource})")));
        }
        let limit = limit.assume_init();
        Ok((limit.rlim_cur, limit.rlim_max))
    }
}

fn set_limit(resource: u32, (soft, hard): (u64, u64)) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is whole, and no old limit is asked for.
    match unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, 0usize) } {
        0 => Ok(()),
        // Without CAP_SYS_RESOURCE a limit cannot be raised: then it stays the lower one.
        _ if last_errno() == Errno::PERM => Ok(()),
        _ => Err(Error::os(last_errno(), format!("prlimit(0, {resource}, {soft}, {hard})"))),
    }
}

fn drop_capabilities(bounding: u64) -> Result<()> {
    for capability in (0..CAPABILITIES).filter(|capability| bounding & (1 << capability) == 0) {
        // SAFETY: plain numbers; the kernel answers EINVAL for a capability that it does not know.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) } == 0 {
            continue;
        }
        match last_errno() {
            // Numbers have no holes: it knows no higher one either.
            Errno::INVAL => break,
            errno => return Err(Error::os(errno, format!("prctl(PR_CAPBSET_DROP, {capability})"))),
        }
    }
    // Ambient capabilities are refused by kernels before 4.3 and go with the inheritable ones anyway.
    let _ = rustix::thread::clear_ambient_capability_set();
    let failed = |call: &'static str| move |errno| Error::os(errno, call);
    let held = rustix::thread::capabilities(None).map_err(failed("capget"))?.permitted;
    let left = held & CapabilitySet::from_bits_retain(bounding);
    let sets = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).map_err(failed("capset"))
}

/// Forbids other processes without capabilities to trace this one or to look into its memory.
pub fn hide_memory() -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| Error::os(errno, "prctl(PR_SET_DUMPABLE, 0)"))
}

/// Closes every descriptor but standard input, output and error.
pub fn close_descriptors() -> Result<()> {
    const FIRST: u32 = 3;
    // SAFETY: for a process that has only begun: nothing in it owns a descriptor yet.
    if unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, 0) } == 0 {
        return Ok(());
    }
    Err(Error::os(last_errno(), "close_range(3, ~0)"))
}

/// For a process that outlives its caller: keeps neither a lock or a pipe of his, nor the filesystem he stands in.
pub fn leave_caller() -> Result<()> {
    close_descriptors()?;
    rustix::process::chdir("/").map_err(|errno| Error::os(errno, "chdir(\"/\")"))
}

/// Takes the supplementary groups of the caller, its session keyring and its umask away.
pub fn forget_caller() -> Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: no name: a new anonymous keyring. A kernel without keyrings has nothing to leak.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0usize) };
    set_groups(&[])
}

/// The supplementary groups of this process.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: pointer and length are those of one slice.
    match unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) } {
        0 => Ok(()),
        _ => Err(Error::os(last_errno(), format!("setgroups({})", groups.len()))),
    }
}

fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounding_set_is_read_whole_or_not_at_all() {
        let text = "Name:\tx\nCapBnd:\t00000000fcecafff\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        assert_eq!(parse(text), Some((0xfcec_afff, true, true)));
        assert_eq!(parse("CapBnd:\t0\n"), Some((0, false, false)));
        assert_eq!(parse("CapEff:\tff\n"), None, "a missing set must not read as an empty or a full one");
        assert_eq!(parse("CapBnd:\tzz\n"), None);
    }

    #[test]
    fn a_process_is_bounded_as_it_says_itself() {
        let own = Confinement::of(std::process::id()).unwrap();
        assert_eq!(own.limits.len(), LIMITS as usize);
        assert!(own.limits.iter().all(|(soft, hard)| soft <= hard));
    }
}
