//! `sdme ps`: the containers and how they are.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Operands};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "ps",
    about: "list containers and their health",
    long: &[
        "Lists every container of the datadir: NAME STATUS HEALTH OS ADDRESSES ROOTFS. One that is broken is listed \
         with what is wrong with it; 'sdme rm' removes it. A container shares the host's network: its address is host.",
    ],
    flags: &[flags::JSON],
    operands: Operands::NONE,
    examples: &[("sdme ps", "a table"), ("sdme ps --json | jq -r '.[].name'", "the names, for a script")],
    payload: false,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
