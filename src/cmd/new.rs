//! `sdme new`: create, start and enter in one go.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Operands, Tail};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "new",
    about: "create a container, start it and enter it",
    long: &[
        "Makes a clone of the host's own / (or of ROOTFS), boots it, and opens a login session in it as soon as one \
         can be had; with COMMAND, runs that instead of a shell. Without NAME a name is made up.",
        "Press ^] three times within a second to leave the session; the container goes on running. If the boot \
         fails, what was made is removed again and its log is shown. A shell or a command that ends with a non-zero \
         status removes nothing.",
        "A clone of / is entered as the user who called sudo (config: join_as_sudo_user), else as root.",
    ],
    flags: &[flags::NAME, flags::ROOTFS, flags::BOOT_TIMEOUT, flags::HOST_SERVICES],
    operands: Operands { usage: "[NAME] [-- COMMAND...]", least: 0, most: 1, tail: Tail::AfterDashes },
    examples: &[
        ("sdme new", "a clone of this system under a made-up name; leaves you in its shell"),
        ("sdme new web", "the same, called web"),
        ("sdme new web -- apt-get install -y nginx", "runs a command in the new container"),
        ("sdme new -r debian", "boots a clone of the root filesystem debian"),
    ],
    payload: true,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
