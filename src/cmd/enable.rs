//! `sdme enable` and `sdme disable`: which containers start with the system.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::select::{self, Prefix};
use crate::cmd::{Context, batch, flags};
use crate::container::{enable, open};
use crate::error::{Error, Result};
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host::{self, Host};

pub const SPEC: Command = Command {
    name: "enable",
    about: "start containers with the system",
    long: &[
        "Does what 'systemctl enable sdme@NAME' does: the target that starts machines at boot gets a link to the container's \
         unit. Nothing is started now.",
        "Where no package has brought sdme@.service, it is written to /etc/systemd/system, for this program; with --root, for \
         the one that stands in the image as /usr/bin/sdme or /usr/local/bin/sdme.",
    ],
    flags: &[flags::ALL],
    operands: Operands::any("NAME..."),
    examples: &[
        ("sdme enable web", "web is started when the system boots"),
        ("sdme enable web --root /run/image", "the same in an image that is being built"),
    ],
    payload: false,
    root: true,
    image: Image::Works,
};

pub const DISABLE: Command = Command {
    name: "disable",
    about: "do not start containers with the system",
    long: &["Removes the links that 'sdme enable' or 'systemctl enable' made. What runs goes on running."],
    examples: &[("sdme disable web", "web waits for 'sdme start web'")],
    ..SPEC
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    if !cx.found_at_boot {
        return Err(Error::failed(
            "a boot finds containers in the datadir of /etc/sdme.conf only: set it there first (sdme config set datadir DIR)",
        ));
    }
    each(cx, args, |host, name| {
        // What is broken would not start.
        open::state(&cx.paths, name)?;
        enable::enable(&cx.paths, host, name)
    })
}

pub fn disable(cx: &Context, args: &Args) -> Result<u8> {
    each(cx, args, |host, name| enable::disable(&cx.paths, host, name))
}

fn each(
    cx: &Context,
    args: &Args,
    work: impl Fn(&mut Host, &crate::store::name::Name) -> Result<()> + Sync,
) -> Result<u8> {
    let selection = select::several(cx, args, Prefix::Taken)?;
    let _interrupts = Interrupts::block(&ENDING)?;
    let code = batch::run(cx, selection, |name| work(&mut host::connect(&cx.paths)?, name));
    // As systemctl does, whatever came of it.
    if let Host::Systemd(mut manager) = host::connect(&cx.paths)? {
        manager.reload()?;
    }
    code
}
