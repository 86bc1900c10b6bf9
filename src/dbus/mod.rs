//! D-Bus: all of the wire format, pure; one file, connection, does I/O.
//!
//! Source: the D-Bus Specification, 0.38 and later; its section names are given where they matter.

pub mod address;
pub mod auth;
pub mod connection;
pub mod decode;
pub mod encode;
pub mod header;
pub mod inbox;
pub mod message;
pub mod name;
pub mod rule;
pub mod signature;
pub mod value;

/// Arrays hold at most 64 MiB ("Marshaling", ARRAY).
pub const ARRAY_MAX: usize = 1 << 26;
/// Messages hold at most 128 MiB, header included ("Message Format").
pub const MESSAGE_MAX: usize = 1 << 27;
/// Containers within containers in one message, variants included ("Message Format").
pub const DEPTH_MAX: usize = 64;

/// The byte order of a message, as its first byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    Little,
    Big,
}

/// What one peer may send us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, and of all signals that wait to be taken.
    pub message: usize,
    /// Descriptors with one message.
    pub fds: usize,
}

impl Limits {
    /// All that the specification allows: for peers that rule over us anyway.
    pub const TRUSTED: Limits = Limits { message: MESSAGE_MAX, fds: 16 };
    /// For a peer that may be hostile: a manager's answers are tens of kilobytes, and it has nothing to hand us.
    pub const HOSTILE: Limits = Limits { message: 1 << 20, fds: 0 };
}
