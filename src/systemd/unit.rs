//! Units as we hand them to systemd: the text of the template, and transient units as properties; pure.

use crate::dbus::message::Message;
use crate::dbus::signature::Type;
use crate::dbus::value::Value;
use crate::error::{Error, Result};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The file name of the template.
pub const TEMPLATE: &str = "sdme@.service";

/// The text of `sdme@.service` for the program at `binary`, an absolute path.
///
/// `--keep-unit` leaves to the unit what systemd-nspawn@.service has in it; the reasons:
/// - `DevicePolicy`, `DeviceAllow`: else a guest's root makes a node of a block device of the host and reads it.
/// - `TimeoutStartSec=infinity`: how long a boot may take is for the caller who waits to say; a limit here would kill a
///   guest that has one hanging job.
/// - `StartLimitIntervalSec=0`: stopping and starting twenty times in a row is not a crash loop; nothing restarts it on its own
///   but a reboot inside.
/// - `RestartForceExitStatus=133`, `SuccessExitStatus=133`: the guest has asked for a reboot.
///
/// Errors: `Invalid` for a path that systemd would not run.
pub fn template(binary: &Path) -> Result<String> {
    let program = executable(binary)?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!(
        "# Written by sdme {version}; another version of sdme replaces it where it stands under /run.\n\
         [Unit]\n\
         Description=Container %i\n\
         Documentation=man:sdme(1)\n\
         PartOf=machines.target\n\
         Before=machines.target\n\
         After=network.target\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=notify\n\
         ExecStart=:{program} boot %i\n\
         TimeoutStartSec=infinity\n\
         KillMode=mixed\n\
         RestartForceExitStatus=133\n\
         SuccessExitStatus=133\n\
         Slice=machine.slice\n\
         Delegate=yes\n\
         TasksMax=16384\n\
         DevicePolicy=closed\n\
         DeviceAllow=/dev/net/tun rwm\n\
         DeviceAllow=char-pts rw\n\
         \n\
         [Install]\n\
         WantedBy=machines.target\n"
    ))
}

/// The path as the first word of `ExecStart=`: quoted, and `%` doubled; `$` needs nothing after the `:` there.
fn executable(binary: &Path) -> Result<String> {
    let refused = |why: &str| Error::invalid(format!("systemd does not run {binary:?}: {why}; put sdme elsewhere"));
    let path = binary.to_str().ok_or_else(|| refused("the path is not UTF-8"))?;
    if !path.starts_with('/') {
        return Err(refused("the path is not absolute"));
    }
    if path.contains(|c: char| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\')) {
        return Err(refused("the path holds quotes, backslashes or control characters"));
    }
    Ok(format!("\"{}\"", path.replace('%', "%%")))
}

/// A unit without a file: a name, properties, and the descriptors that some of them name.
#[derive(Debug)]
pub struct Transient {
    name: String,
    properties: Vec<(String, Value)>,
    fds: Vec<OwnedFd>,
}

impl Transient {
    pub fn new(name: impl Into<String>) -> Transient {
        Transient { name: name.into(), properties: Vec::new(), fds: Vec::new() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn set(mut self, property: &str, value: impl Into<Value>) -> Transient {
        self.properties.push((property.to_string(), value.into()));
        self
    }

    /// Hands over a descriptor as a property: "StandardInputFileDescriptor" and its like.
    pub fn pass(mut self, property: &str, fd: OwnedFd) -> Transient {
        let index = Value::Fd(self.fds.len() as u32);
        self.fds.push(fd);
        self.set(property, index)
    }

    /// What it runs: the program's path, all arguments from the zeroth on, not one of them expanded in any way.
    pub fn run(self, program: &str, arguments: &[String]) -> Transient {
        let command = vec![program.into(), Value::strings(arguments), Value::strings(["no-env-expand"])];
        let of = Type::Struct([Type::String, Type::array(Type::String), Type::array(Type::String)].into());
        self.set("ExecStartEx", Value::Array(of, vec![Value::Struct(command)]))
    }

    /// The arguments of StartTransientUnit: name, mode, properties, and no other units. A unit of that name that is
    /// there already makes it fail.
    pub(super) fn into_call(self, method: Message) -> Message {
        let pair = Type::Struct([Type::String, Type::Variant].into());
        let other = Type::Struct([Type::String, Type::array(pair.clone())].into());
        let properties = self.properties.into_iter();
        let properties =
            properties.map(|(name, value)| Value::Struct(vec![name.into(), Value::variant(value)])).collect();
        let mut call = method.with(self.name).with("fail").with(Value::Array(pair, properties));
        call = call.with(Value::Array(other, Vec::new()));
        call.fds = self.fds;
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec_start(binary: &str) -> String {
        let text = template(Path::new(binary)).unwrap();
        text.lines().find(|line| line.starts_with("ExecStart=")).unwrap().to_string()
    }

    #[test]
    fn the_path_of_the_binary_is_one_word_and_stays_as_it_is() {
        assert_eq!(exec_start("/usr/bin/sdme"), "ExecStart=:\"/usr/bin/sdme\" boot %i");
        assert_eq!(exec_start("/opt/my dir/100% $HOME/sdme"), "ExecStart=:\"/opt/my dir/100%% $HOME/sdme\" boot %i");
    }

    #[test]
    fn a_path_that_systemd_would_not_run_is_refused() {
        for path in ["sdme", "/a\nb", "/a\"b", "/a'b", "/a\\b", "/a\x7f"] {
            assert!(template(Path::new(path)).is_err(), "{path:?}");
        }
    }

    #[test]
    fn arguments_of_a_transient_unit() {
        let fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        let unit = Transient::new("a.service").set("Type", "exec").pass("StandardInputFileDescriptor", fd);
        let call = unit.run("/bin/true", &["true".into(), "$x%n".into()]).into_call(Message::call("/a", "b.c", "D"));
        let types: String = call.body.iter().map(|value| value.kind().to_string()).collect();
        assert_eq!(types, "ssa(sv)a(sa(sv))");
        let command = call.body[2].items()[2].items()[1].inner();
        assert_eq!(command.kind().to_string(), "a(sasas)");
        assert_eq!(command.items()[0].items()[1], Value::strings(["true", "$x%n"]));
        assert_eq!(call.fds.len(), 1);
    }
}
