//! `sdme boot`: what the unit runs.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::Context;
use crate::container::boot;
use crate::error::Result;
use crate::store::name::Name;

pub const SPEC: Command = Command {
    name: "boot",
    about: "run a container in the foreground, as its unit does",
    long: &["Mounts the container in a mount namespace of its own and becomes systemd-nspawn. The template unit \
         sdme@.service runs this; it is rarely typed. When the process ends, however it ends, its mounts are gone."],
    flags: &[],
    operands: Operands::one("NAME"),
    examples: &[("systemctl start sdme@web", "runs it as a service"), ("sdme boot web", "runs it in this terminal")],
    payload: false,
    root: true,
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let typed = args.operand(0)?.ok_or_else(|| args.usage("NAME is missing"))?;
    // Whole names only: what a unit is called does not depend on its neighbours.
    boot::boot(&cx.paths, &Name::parse(typed)?, cx.notify_socket.as_deref())
}
