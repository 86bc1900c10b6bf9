//! `sdme join`: a login session in a running container.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Operands, Tail};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const SPEC: Command = Command {
    name: "join",
    about: "open a login session in a container",
    long: &[
        "Opens a session with a terminal: the user's login shell, or COMMAND. The session is a logind session where \
         the container has logind. Press ^] three times within a second to leave.",
        "A clone of / is entered as the user who called sudo if it has that user (config: join_as_sudo_user), else \
         as root.",
        "sdme's own flags stand before COMMAND; everything from its first word on is passed on untouched.",
    ],
    flags: &[
        flags::USER,
        Flag::switch("start", None, "Start the container first if it is stopped. On a terminal that is asked about."),
    ],
    operands: Operands { usage: "NAME [COMMAND...]", least: 1, most: 1, tail: Tail::Command { required: false } },
    examples: &[
        ("sdme join web", "a login shell in web"),
        ("sdme join web -u www-data bash -l", "another user, another shell"),
        ("sdme join web --start", "starts it first if need be"),
    ],
    payload: true,
    root: true,
};

pub fn run(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
