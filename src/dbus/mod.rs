//! D-Bus: all of the wire format, pure; one file, connection, does I/O.

pub mod address;
pub mod auth;
pub mod connection;
pub mod decode;
pub mod encode;
pub mod message;
pub mod signature;
pub mod value;
