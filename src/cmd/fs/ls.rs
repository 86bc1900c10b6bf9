//! `sdme fs ls`: the imported root filesystems.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::{Context, flags};
use crate::error::Result;
use crate::rootfs::list::{self, Entry};
use crate::text::{size, time};
use crate::ui::out;
use crate::ui::table::{self, Cell, Column};

pub const SPEC: Command = Command {
    name: "fs ls",
    about: "list root filesystems",
    long: &[
        "Lists every root filesystem of the datadir: NAME OS SIZE IMPORTED SOURCE PROBLEM. The size is that of its files when \
         it was imported. One that cannot boot is listed with what it lacks.",
    ],
    flags: &[flags::JSON],
    operands: Operands::NONE,
    examples: &[("sdme fs ls", "a table"), ("sdme fs ls --json | jq -r '.[].name'", "the names, for a script")],
    payload: false,
    root: true,
    image: Image::Works,
};

const fn column(title: &'static str, key: &'static str) -> Column {
    Column { title: Some(title), key }
}

const COLUMNS: [Column; 9] = [
    column("NAME", "name"),
    column("OS", "os"),
    column("SIZE", "size"),
    column("IMPORTED", "imported"),
    column("SOURCE", "source"),
    column("PROBLEM", "problem"),
    Column { title: None, key: "digest" },
    Column { title: None, key: "verified" },
    Column { title: None, key: "entries" },
];

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let listing = list::list(&cx.paths)?;
    let json = args.flag("json");
    let rows: Vec<Vec<Cell>> = listing.entries.iter().map(|entry| row(entry, json)).collect();
    out::print(&if json { table::json(&COLUMNS, &rows) } else { table::render(&COLUMNS, &rows) })?;
    if listing.stages > 0 {
        let what = "imports run, or were killed: what these left goes with the next 'sdme fs import' or 'sdme fs rm'";
        cx.say(&format!("{} unfinished {what}", listing.stages));
    }
    Ok(0)
}

/// One cell for each of [`COLUMNS`]; bytes as a number for programs.
fn row(entry: &Entry, json: bool) -> Vec<Cell> {
    let origin = entry.origin.clone().unwrap_or_default();
    let is_known = entry.origin.is_some();
    let bytes = match (is_known, json) {
        (false, _) => Cell::Missing,
        (true, true) => Cell::Number(origin.bytes),
        (true, false) => Cell::text(size::render(origin.bytes)),
    };
    vec![
        Cell::text(entry.name.as_str()),
        Cell::of(Some(entry.facts.title.clone())),
        bytes,
        if is_known { Cell::text(time::render_rfc3339(origin.imported)) } else { Cell::Missing },
        Cell::of(Some(origin.source)),
        Cell::of(entry.problem.clone()),
        Cell::of(Some(origin.digest)),
        Cell::of(Some(origin.verified)),
        if is_known { Cell::Number(origin.entries) } else { Cell::Missing },
    ]
}
