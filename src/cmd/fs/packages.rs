//! Whether what a tree lacks is installed in it: the flag, the question, and what the package manager says.

use crate::cli::parse::Args;
use crate::cli::spec::Flag;
use crate::cmd::Context;
use crate::error::Result;
use crate::rootfs::prepare::Install;
use crate::rootfs::progress::{Progress, Step};
use crate::sys::poll::Wait;
use crate::sys::signal::Interrupts;
use crate::ui::{ask, out, progress};

pub const FLAG: Flag = Flag::valued(
    "install-packages",
    None,
    "auto|yes|no",
    "Whether systemd and D-Bus, where one is missing, are installed by the tree's own package manager, in a container. Default: \
     auto, which asks on a terminal and else says what to do.",
);

pub fn wish(cx: &Context, args: &Args) -> Result<Install> {
    Ok(match args.choice(FLAG.long, &["auto", "yes", "no"])? {
        Some("yes") if cx.paths.is_image() => {
            return Err(args.usage(
                "--install-packages=yes runs the tree's package manager, and with --root nothing is run: import it without --root \
                 first, and then the tree",
            ));
        }
        _ if cx.paths.is_image() => Install::Never,
        Some("yes") => Install::Always,
        Some("no") => Install::Never,
        _ => Install::Ask,
    })
}

/// Who reads JSON, or wants to be told nothing, is not asked.
pub fn ask(cx: &Context, args: &Args, question: &str, progress: &Progress, interrupts: &Interrupts) -> Result<bool> {
    if !cx.interactive || cx.quiet || args.flag("json") {
        return Ok(false);
    }
    progress.enter(Step::Asking);
    wipe(cx);
    ask::yes_or_no_within(question, Wait::for_ever().interrupted_by(interrupts))
}

/// A line of the package manager's, which is harmless already; indented, so that it does not pass for one of ours.
pub fn told(cx: &Context, line: &str) {
    if !cx.quiet {
        wipe(cx);
        out::print_error(&format!("    {line}\n"));
    }
}

/// Takes the progress line away where there may be one.
fn wipe(cx: &Context) {
    if cx.stderr_tty {
        out::print_error(progress::WIPE);
    }
}
