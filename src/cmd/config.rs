//! `sdme config get` and `sdme config set`.

use crate::cli::parse::Args;
use crate::cli::spec::{Command, Operands, Tail};
use crate::cmd::{Context, flags};
use crate::error::{Error, Result};

pub const GET: Command = Command {
    name: "config get",
    about: "print the config, or one key of it",
    long: &["Prints every key with its value, defaults included; with KEY, the value alone."],
    flags: &[flags::JSON],
    operands: Operands { usage: "[KEY]", least: 0, most: 1, tail: Tail::Nothing },
    examples: &[("sdme config get", "all keys"), ("sdme config get datadir", "one value")],
    payload: false,
    root: false,
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
};

pub fn get(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}

pub fn set(_cx: &Context, _args: &Args) -> Result<u8> {
    Err(Error::failed("not written yet"))
}
