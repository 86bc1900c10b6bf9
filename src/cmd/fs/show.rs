//! `sdme fs show`: everything that is known of one root filesystem.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::fs::needed;
use crate::cmd::{Context, flags};
use crate::error::Result;
use crate::rootfs::list::{self, Entry};
use crate::store::name::Name;
use crate::text::json::Writer;
use crate::text::{size, time};
use crate::ui::out;
use crate::ui::table::{self, Cell};

pub const SPEC: Command = Command {
    name: "fs show",
    about: "show where a root filesystem came from",
    long: &["Prints its record: source, digests, against what they were checked, what was changed or left out, and \
             which containers are made of it."],
    flags: &[flags::JSON],
    operands: Operands::one("NAME"),
    examples: &[("sdme fs show noble", "a list"), ("sdme fs show noble --json", "the same for a script")],
    payload: false,
    root: true,
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = Name::parse(args.operand(0)?.unwrap_or_default())?;
    let entry = list::lookup(&cx.paths, &name)?;
    let containers = needed::containers(cx, &name, false)?;
    let json = args.flag("json");
    let rows = rows(cx, &entry, containers, json);
    out::print(&if json { object(&rows) } else { text(&rows) })?;
    Ok(0)
}

fn rows(cx: &Context, entry: &Entry, containers: Vec<Name>, json: bool) -> Vec<(&'static str, Cell)> {
    let text = |text: &str| Cell::of(Some(text.to_string()));
    let mut rows = vec![
        ("name", text(entry.name.as_str())),
        ("path", text(&cx.paths.shown(&cx.paths.filesystems().join(entry.name.as_str())).to_string_lossy())),
        ("os", text(&entry.facts.title)),
        ("architecture", Cell::of(entry.facts.architecture.clone())),
        ("problem", Cell::of(entry.problem.clone())),
        ("containers", Cell::List(containers.iter().map(|name| name.to_string()).collect())),
    ];
    let Some(origin) = &entry.origin else { return rows };
    let number = |number: u64, shown: String| if json { Cell::Number(number) } else { Cell::text(shown) };
    rows.extend([
        ("source", text(&origin.source)),
        ("form", text(&origin.form)),
        ("digest", text(&origin.digest)),
        ("verified", text(&origin.verified)),
        ("manifest", text(&origin.manifest)),
        ("options", text(&origin.options)),
        ("imported", Cell::text(time::render_rfc3339(origin.imported))),
        ("program", text(&origin.program)),
        ("entries", Cell::Number(origin.entries)),
        ("bytes", number(origin.bytes, size::render(origin.bytes))),
        ("tree", text(&origin.tree)),
        ("notes", Cell::List(origin.notes.clone())),
    ]);
    rows
}

fn object(rows: &[(&'static str, Cell)]) -> String {
    let mut json = Writer::new();
    json.begin_object();
    for (key, cell) in rows {
        cell.write(json.key(key));
    }
    json.end_object();
    json.finish()
}

fn text(rows: &[(&'static str, Cell)]) -> String {
    let shown: Vec<(&str, &Cell)> =
        rows.iter().filter(|(_, cell)| !cell.is_empty()).map(|(key, cell)| (*key, cell)).collect();
    table::pairs(&shown)
}
