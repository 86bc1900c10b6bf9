//! `sdme create`: make a container and print its name.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands, Tail};
use crate::cmd::{Context, creation, flags};
use crate::error::{Context as _, Result};
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;
use crate::ui::out;

pub const SPEC: Command = Command {
    name: "create",
    about: "create a container and print its name",
    long: &[
        "Makes a copy-on-write clone of the host's own / (or of ROOTFS). Nothing is copied and nothing is started. \
         Without NAME a name is made up that is in use nowhere on this host.",
        "What belongs to the host alone (machine id, host keys, network identity, fstab, other secrets) is hidden \
         from the clone; 'sdme show NAME' lists it.",
    ],
    flags: &[flags::NAME, flags::ROOTFS, flags::HOST_SERVICES],
    operands: Operands { usage: "[NAME]", least: 0, most: 1, tail: Tail::Nothing },
    examples: &[
        ("sdme create web", "a clone of this system, called web"),
        ("name=$(sdme create)", "the same under a made-up name"),
    ],
    payload: false,
    root: true,
    image: Image::Makes,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    // A container is made in milliseconds: whoever interrupts it is heard when it is whole.
    let interrupts = Interrupts::block(&ENDING)?;
    let mut host = host::connect(&cx.paths)?;
    let name = creation::create(cx, args, &mut host)?;
    out::print(&format!("{name}\n"))
        .with_context(|| format!("{name} is created, but its name could not be written"))?;
    drop(interrupts);
    Ok(0)
}
