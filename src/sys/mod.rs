//! System calls, one family a file, over rustix (libc where rustix has none). A wrapper is named after its man
//! page, takes descriptors, forces close-on-exec and returns its arguments in the error.

pub mod bpf;
pub mod cgroup;
pub mod channel;
pub mod clmul;
pub mod confine;
pub mod copy;
pub mod create;
pub mod credentials;
pub mod dir;
pub mod io;
pub mod kernel;
pub mod lock;
pub mod loopdev;
pub mod memfd;
pub mod meta;
pub mod mount;
pub mod mountns;
pub mod ns;
pub mod payload;
pub mod poll;
pub mod process;
pub mod pty;
pub mod resolve;
pub mod seccomp;
pub mod sha_ni;
pub mod signal;
pub mod socket;
pub mod source;
pub mod spawn;
pub mod tcp;
pub mod tree;
