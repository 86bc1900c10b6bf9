//! `sdme config get` and `sdme config set`.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Image, Operands, Tail};
use crate::cmd::{Context, flags};
use crate::config;
use crate::error::{Context as _, Error, Result};
use crate::store::record;
use crate::sys::dir::Dir;
use crate::text::json::Writer;
use crate::ui::out;
use std::path::Path;

/// Everyone may read the config; it holds no secrets.
const MODE: u32 = 0o644;

pub const GET: Command = Command {
    name: "config get",
    about: "print the config, or one key of it",
    long: &["Prints every key with its value, defaults included; with KEY, the value alone."],
    flags: &[flags::JSON],
    operands: Operands { usage: "[KEY]", least: 0, most: 1, tail: Tail::Nothing },
    examples: &[("sdme config get", "all keys"), ("sdme config get datadir", "one value")],
    payload: false,
    root: false,
    image: Image::Works,
};

pub const SET: Command = Command {
    name: "config set",
    about: "set a key of the config",
    long: &["Writes the key into the config file; comments and all other lines stay as they are."],
    flags: &[],
    operands: Operands { usage: "KEY VALUE", least: 2, most: 2, tail: Tail::Nothing },
    examples: &[("sdme config set boot_timeout 3min", "gives boots more time")],
    payload: false,
    root: true,
    image: Image::Works,
};

/// Prints one key or all of them.
pub fn get(cx: &Context, args: &Args) -> Result<u8> {
    let text = match (args.operand(0)?, args.flag("json")) {
        (Some(name), false) => line(cx.config.text(config::key(name)?)),
        (Some(name), true) => json_string(cx.config.text(config::key(name)?)),
        (None, false) => {
            config::KEYS.iter().map(|key| line(&format!("{}={}", key.name, cx.config.text(key)))).collect()
        }
        (None, true) => json_object(cx),
    };
    out::print(&text)?;
    Ok(0)
}

/// Writes one key.
pub fn set(cx: &Context, args: &Args) -> Result<u8> {
    let (Some(name), Some(value)) = (args.operand(0)?, args.operand(1)?) else {
        return Err(args.usage("KEY and VALUE are needed"));
    };
    let key = config::key(name)?;
    write(cx.paths.config(), |text| config::edit(text, key, value))
        .with_context(|| format!("config {:?}", cx.paths.shown_config()))?;
    cx.note(&format!("{}: {name}={value}", cx.paths.shown_config().display()));
    Ok(0)
}

/// Replaces the file by what `edit` makes of its text; of no text when there is no file.
fn write(file: &Path, edit: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(Error::usage("it is no file"));
    };
    let dir = Dir::open(parent)?;
    let bytes = record::read_limited(&dir, name, config::CONFIG_MAX)?.unwrap_or_default();
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::invalid("not UTF-8"))?;
    record::write(&dir, name, edit(text)?.as_bytes(), MODE)
}

fn line(text: &str) -> String {
    format!("{text}\n")
}

fn json_string(text: &str) -> String {
    let mut json = Writer::new();
    json.string(text);
    json.finish()
}

fn json_object(cx: &Context) -> String {
    let mut json = Writer::new();
    json.begin_object();
    for key in &config::KEYS {
        json.key(key.name).string(cx.config.text(key));
    }
    json.end_object();
    json.finish()
}
