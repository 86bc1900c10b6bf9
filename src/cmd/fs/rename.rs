//! `sdme fs rename`: another name for a root filesystem.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands, Tail};
use crate::cmd::Context;
use crate::cmd::fs::needed;
use crate::error::Result;
use crate::rootfs::remove;
use crate::store::name::Name;

pub const SPEC: Command = Command {
    name: "fs rename",
    about: "give a root filesystem another name",
    long: &["Its record goes with it. One that a container is made of keeps its name."],
    flags: &[],
    operands: Operands { usage: "OLD NEW", least: 2, most: 2, tail: Tail::Nothing },
    examples: &[("sdme fs rename noble noble-old", "makes room for a newer one")],
    payload: false,
    root: true,
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let old = Name::parse(args.operand(0)?.unwrap_or_default())?;
    let new = Name::parse(args.operand(1)?.unwrap_or_default())?;
    remove::rename(&cx.paths, &old, &new, || needed::refuse(cx, &old))?;
    Ok(0)
}
