//! `sdme join`: a login session in a running container.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Flag, Image, Operands, Tail};
use crate::cmd::{Context, entering, flags, select};
use crate::container::start::{self, WaitFor};
use crate::container::{leader, list};
use crate::error::Result;
use crate::store::name::Name;
use crate::sys::poll::Wait;
use crate::sys::signal::{ENDING, Interrupts};
use crate::systemd::host;
use crate::ui::ask;

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
    image: Image::Refused,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = select::one(cx, args)?;
    ensure_running(cx, &name, args.flag("start"))?;
    entering::join(cx, &name, args.text("user")?, args.tail(), cx.config.boot_timeout)
}

/// Starts it if it is stopped and the user wants that.
fn ensure_running(cx: &Context, name: &Name, start: bool) -> Result<()> {
    if leader::find(&cx.paths, name)?.is_some() {
        return Ok(());
    }
    let mut host = host::connect(&cx.paths)?;
    let is_up = list::lookup(&cx.paths, &mut host, name)?.condition.phase.is_up();
    let wanted = is_up || start || (cx.interactive && ask::yes_or_no(&format!("{name} is not running. Start it?"))?);
    if !wanted {
        return Err(entering::not_running(name));
    }
    let interrupts = Interrupts::block(&ENDING)?;
    let wait = Wait::at_most(cx.config.boot_timeout).interrupted_by(&interrupts);
    start::start(&cx.paths, &mut host, name, WaitFor::Reachable, wait)
}
