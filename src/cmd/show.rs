//! `sdme show`: all about one container.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands};
use crate::cmd::{Context, flags, select};
use crate::container::show::{self, Details};
use crate::error::Result;
use crate::systemd::host;
use crate::text::json::Writer;
use crate::text::time;
use crate::ui::out;
use crate::ui::table::{self, Cell, Column};
use std::path::Path;

pub const SPEC: Command = Command {
    name: "show",
    about: "show everything about a container",
    long: &[
        "Shows its record, its layers, the mounts of the host that are not followed, what of the host is hidden from \
         it, how its unit is, and what its own systemd says of itself (asked for at most 200 ms).",
    ],
    flags: &[flags::JSON],
    operands: Operands::one("NAME"),
    examples: &[("sdme show web", "all about web"), ("sdme show web --json", "the same for a script")],
    payload: false,
    root: true,
    image: Image::Works,
};

pub fn run(cx: &Context, args: &Args) -> Result<u8> {
    let name = select::one(cx, args)?;
    let details = show::show(&cx.paths, &mut host::connect(&cx.paths)?, &name)?;
    out::print(&if args.flag("json") { json(&details) } else { text(&details) })?;
    Ok(0)
}

/// The facts of one line each: what it is called in the text, its key in JSON, its value.
fn facts(details: &Details) -> Vec<(&'static str, &'static str, Cell)> {
    let entry = &details.entry;
    let state = entry.state.as_ref();
    let (guest, silence) = match &details.guest {
        Some(Ok(state)) => (Some(state.clone()), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    vec![
        ("name", "name", Cell::text(entry.name.as_str())),
        ("status", "status", Cell::text(entry.condition.phase.as_str())),
        ("health", "health", Cell::of(Some(entry.condition.health.clone()))),
        ("problem", "problem", Cell::of(entry.problem.clone())),
        ("its own word", "guest_state", Cell::of(guest)),
        ("no word, as", "guest_error", Cell::of(silence)),
        ("system", "os", Cell::of(Some(entry.os.clone()))),
        ("clone of", "rootfs", Cell::of(entry.rootfs().map(str::to_string))),
        ("services", "services", Cell::of(state.map(|state| state.services.as_str().to_string()))),
        ("created", "created", Cell::of(state.map(|state| time::render_rfc3339(state.created)))),
        ("machine ID", "machine_id", Cell::of(state.and_then(|state| state.machine_id.clone()))),
        ("addresses", "addresses", Cell::List(entry.addresses())),
        ("starts at boot", "enabled", Cell::Flag(entry.enabled)),
        ("directory", "directory", Cell::text(details.directory.to_string_lossy())),
        ("process", "pid", entry.pid().map_or(Cell::Missing, |pid| Cell::Number(u64::from(pid)))),
    ]
}

/// The same about its unit; nothing when systemd has not loaded it.
fn unit_facts(details: &Details) -> Vec<(&'static str, &'static str, Cell)> {
    let Some(unit) = &details.entry.unit else { return Vec::new() };
    let text = |text: &str| Cell::of(Some(text.to_string()));
    let since = (unit.active_since != 0).then(|| time::render_rfc3339(unit.active_since / 1_000_000));
    vec![
        ("unit", "name", text(&unit.name)),
        ("file", "fragment", text(&unit.fragment)),
        ("active", "active", text(&unit.active)),
        ("sub", "sub", text(&unit.sub)),
        ("since", "since", Cell::of(since)),
        ("result", "result", text(&unit.result)),
        ("exit status", "exec_main_status", text(&unit.exec_main_status.to_string())),
        ("status text", "status_text", text(&unit.status_text)),
        ("invocation", "invocation_id", text(&unit.invocation_id)),
    ]
}

const LAYERS: [Column; 2] =
    [Column { title: Some("MOUNTPOINT"), key: "mountpoint" }, Column { title: Some("TYPE"), key: "fstype" }];

const SKIPPED: [Column; 3] = [LAYERS[0], LAYERS[1], Column { title: Some("WHY"), key: "why" }];

const HIDDEN: [Column; 3] = [
    Column { title: Some("PATH"), key: "path" },
    Column { title: Some("HOW"), key: "how" },
    Column { title: Some("WHAT"), key: "what" },
];

/// A table under a title: its title in the text, its key in JSON, its columns, its rows.
type Section = (&'static str, &'static str, &'static [Column], Vec<Vec<Cell>>);

fn sections(details: &Details) -> Vec<Section> {
    let Some(state) = &details.entry.state else { return Vec::new() };
    let path = |path: &Path| Cell::text(path.to_string_lossy());
    let layers = state.layers.iter().map(|layer| vec![path(&layer.mountpoint), Cell::text(&layer.fstype)]);
    let skipped =
        state.skipped.iter().map(|one| vec![path(&one.mountpoint), Cell::text(&one.fstype), Cell::text(&one.why)]);
    let hidden = details.hidden.iter().map(|one| vec![path(&one.path), Cell::text(one.how), Cell::text(one.what)]);
    vec![
        ("Layers", "layers", &LAYERS, layers.collect()),
        ("Mounts of the host that are not followed", "skipped", &SKIPPED, skipped.collect()),
        ("Not as in the tree beneath", "hidden", &HIDDEN, hidden.collect()),
    ]
}

fn text(details: &Details) -> String {
    let mut text = lines(&facts(details));
    let unit = unit_facts(details);
    if !unit.is_empty() {
        text.push('\n');
        text.push_str(&lines(&unit));
    }
    for (title, _, columns, rows) in sections(details).iter().filter(|section| !section.3.is_empty()) {
        text.push_str(&format!("\n{title}:\n"));
        text.push_str(&table::render(columns, rows));
    }
    text
}

/// What is unknown takes no line.
fn lines(facts: &[(&'static str, &'static str, Cell)]) -> String {
    let known = facts.iter().filter(|(_, _, cell)| !cell.is_empty());
    table::pairs(&known.map(|(title, _, cell)| (*title, cell)).collect::<Vec<_>>())
}

fn json(details: &Details) -> String {
    let mut json = Writer::new();
    json.begin_object();
    write_facts(&mut json, &facts(details));
    json.key("unit").begin_object();
    write_facts(&mut json, &unit_facts(details));
    json.end_object();
    for (_, key, columns, rows) in sections(details) {
        table::write_rows(json.key(key), columns, &rows);
    }
    json.end_object();
    json.finish()
}

fn write_facts(json: &mut Writer, facts: &[(&'static str, &'static str, Cell)]) {
    for (_, key, cell) in facts {
        cell.write(json.key(key));
    }
}
