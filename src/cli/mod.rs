//! The command line as data, and what reads it: flags in, structs out.

pub mod args;
pub mod help;
pub mod parse;
pub mod spec;
pub mod suggest;
