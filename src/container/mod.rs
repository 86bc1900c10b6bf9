//! Containers: from a record on disk to a running machine, and away again.

pub mod boot;
pub mod condition;
pub mod console;
pub mod create;
pub mod direct;
pub mod enter;
pub mod guest;
pub mod hide;
pub mod leader;
pub mod list;
pub mod mounts;
pub mod name;
pub mod nspawn;
pub mod open;
pub mod os;
pub mod overlay;
pub mod remove;
pub mod show;
pub mod start;
pub mod state;
pub mod stop;
pub mod template;
pub mod terminal;
