//! What `create` and `new` share: from their words to a container on disk.

use crate::cli::parse::Args;
use crate::cmd::Context;
use crate::container::create::{self, Wish};
use crate::container::state::{Rootfs, Services};
use crate::error::Result;
use crate::store::name::Name;
use crate::systemd::host::Host;

/// Makes the container that the flags `name`, `fs` and `host-services` and the first operand describe.
pub fn create(cx: &Context, args: &Args, host: &mut Host) -> Result<Name> {
    create::create(&cx.paths, host, wish(cx, args)?)
}

fn wish(cx: &Context, args: &Args) -> Result<Wish> {
    let rootfs = match args.text("fs")? {
        Some(name) => Rootfs::Named(Name::parse(name)?),
        None => Rootfs::Host,
    };
    let services = if args.flag("host-services") || cx.config.host_services { Services::Host } else { Services::Basic };
    Ok(Wish { name: name(args)?, rootfs, services })
}

fn name(args: &Args) -> Result<Option<Name>> {
    match (args.text("name")?, args.operand(0)?) {
        (Some(_), Some(_)) => Err(args.usage("the name is given twice, as NAME and with --name")),
        (flag, operand) => flag.or(operand).map(Name::parse).transpose(),
    }
}
