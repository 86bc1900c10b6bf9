//! `sdme fs verify`: whether a root filesystem is still what was imported.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::Context;
use crate::error::Result;
use crate::rootfs::verify::{self, Verdict};
use crate::store::name::Name;
use crate::ui::out;

pub const SPEC: Command = Command {
    name: "fs verify",
    about: "check that a root filesystem is what was imported",
    long: &[
        "Reads the whole tree again, offline, and compares it with what was written down when it was imported: names, types, \
         modes, owners, times, contents, links, attributes. What differs is printed, a line each, and the status is 1.",
    ],
    flags: &[],
    operands: Operands::one("NAME"),
    examples: &[("sdme fs verify noble", "says what has changed, if anything has")],
    payload: false,
    root: true,
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = Name::parse(args.operand(0)?.unwrap_or_default())?;
    match verify::verify(&cx.paths, &name)? {
        Verdict::Same => {
            cx.say(&format!("{name} is what was imported"));
            Ok(0)
        }
        Verdict::Changed(differences) => {
            out::print(&differences.iter().map(|line| format!("{line}\n")).collect::<String>())?;
            Ok(1)
        }
    }
}
