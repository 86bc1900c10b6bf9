//! tmp
pub mod attach;
pub mod hardware;
pub mod spool;
