//! Small text formats, both ways; pure.

pub mod json;
pub mod keyvalue;
pub mod mountinfo;
pub mod osrelease;
pub mod passwd;
pub mod sanitize;
pub mod size;
pub mod time;
