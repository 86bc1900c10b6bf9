//! The command line as data, and what reads it: flags in, structs out.

pub mod args;
pub mod complete;
pub mod help;
pub mod man;
pub mod parse;
pub mod spec;
pub mod suggest;
