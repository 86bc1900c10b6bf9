//! Small text formats, both ways; pure.

pub mod base64;
pub mod fstab;
pub mod json;
pub mod keyvalue;
pub mod minisign;
pub mod mountinfo;
pub mod osrelease;
pub mod passwd;
pub mod sanitize;
pub mod size;
pub mod sums;
pub mod time;
