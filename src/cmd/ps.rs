//! `sdme ps`: the containers and how they are.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::{Context, flags};
use crate::container::list::{self, Entry};
use crate::error::Result;
use crate::systemd::host;
use crate::text::time;
use crate::ui::out;
use crate::ui::table::{self, Cell, Column};

pub const SPEC: Command = Command {
    name: "ps",
    about: "list containers and their health",
    long: &[
        "Lists every container of the datadir: NAME STATUS HEALTH OS ADDRESSES ROOTFS. One that is broken is listed \
         with what is wrong with it; 'sdme rm' removes it. A container shares the host's network: its address is host.",
    ],
    flags: &[flags::JSON],
    operands: Operands::NONE,
    examples: &[("sdme ps", "a table"), ("sdme ps --json | jq -r '.[].name'", "the names, for a script")],
    payload: false,
    root: true,
    image: Image::Works,
};

const fn column(title: &'static str, key: &'static str) -> Column {
    Column { title: Some(title), key }
}

const fn hidden(key: &'static str) -> Column {
    Column { title: None, key }
}

const COLUMNS: [Column; 10] = [
    column("NAME", "name"),
    column("STATUS", "status"),
    column("HEALTH", "health"),
    column("OS", "os"),
    column("ADDRESSES", "addresses"),
    column("ROOTFS", "rootfs"),
    hidden("problem"),
    hidden("pid"),
    hidden("created"),
    hidden("enabled"),
];

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let mut host = host::connect(&cx.paths)?;
    let entries = list::list(&cx.paths, &mut host)?;
    let rows: Vec<Vec<Cell>> = entries.iter().map(row).collect();
    out::print(&if args.flag("json") { table::json(&COLUMNS, &rows) } else { table::render(&COLUMNS, &rows) })?;
    Ok(0)
}

/// One cell for each of [`COLUMNS`].
fn row(entry: &Entry) -> Vec<Cell> {
    vec![
        Cell::text(entry.name.as_str()),
        Cell::text(entry.condition.phase.as_str()),
        Cell::of(Some(entry.condition.health.clone())),
        Cell::of(Some(entry.os.clone())),
        Cell::List(entry.addresses()),
        Cell::of(entry.rootfs().map(str::to_string)),
        Cell::of(entry.problem.clone()),
        entry.pid().map_or(Cell::Missing, |pid| Cell::Number(u64::from(pid))),
        Cell::of(entry.state.as_ref().map(|state| time::render_rfc3339(state.created))),
        Cell::Flag(entry.enabled),
    ]
}
