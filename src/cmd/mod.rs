//! The verbs.

pub mod boot;
pub mod config;
pub mod create;
pub mod exec;
pub mod join;
pub mod logs;
pub mod new;
pub mod ps;
pub mod rm;
pub mod show;
pub mod start;
pub mod stop;
