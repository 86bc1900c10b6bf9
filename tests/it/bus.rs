//! The connection against a real broker: dbus-daemon, started for each test.

use crate::peers::{Bus, Systemd, connect, limit as wait, pipe, until_some};
use sdme::dbus::Limits;
use sdme::dbus::connection::Connection;
use sdme::dbus::header::Kind;
use sdme::dbus::message::Message;
use sdme::dbus::rule::Rule;
use sdme::dbus::signature::Type;
use sdme::dbus::value::Value;
use sdme::error;
use sdme::sys::poll::Wait;
use std::fs;
use std::io::Read;
use std::time::Duration;

fn broker(member: &str) -> Message {
    Message::call("/org/freedesktop/DBus", "org.freedesktop.DBus", member).to("org.freedesktop.DBus")
}

fn signal(member: &str) -> Message {
    let mut message = Message::call("/a", "b.C", member);
    message.header.kind = Kind::Signal;
    message
}

#[test]
fn hello_gives_a_name_and_the_broker_answers() {
    let Some(bus) = Bus::start("bus: hello") else { return };
    let mut connection = bus.connection();
    connection.hello(wait()).unwrap();
    let name = connection.unique_name().unwrap().to_string();
    let reply = connection.call(broker("ListNames"), wait()).unwrap();
    assert!(reply.body[0].items().contains(&Value::from(name)), "{reply:?}");
    assert_eq!(reply.header.sender.as_deref(), Some("org.freedesktop.DBus"));
}

#[test]
fn an_error_of_a_peer_is_its_name_and_its_text() {
    let Some(bus) = Bus::start("bus: error") else { return };
    let mut connection = bus.connection();
    connection.hello(wait()).unwrap();
    let error = connection.call(broker("GetNameOwner").with("no.such.Name"), wait()).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::Dbus("org.freedesktop.DBus.Error.NameHasNoOwner".into()));
    assert!(error.to_string().contains("no.such.Name"), "{error}");
}

#[test]
fn everything_passes_through_a_broker_unchanged() {
    let Some(bus) = Bus::start("bus: signal") else { return };
    let (mut here, mut there) = (bus.connection(), bus.connection());
    here.hello(wait()).unwrap();
    there.hello(wait()).unwrap();
    let rule = Rule::signal(here.unique_name().unwrap(), "b.C", "Wanted").at("/a");
    there.watch(rule.clone(), wait()).unwrap();

    let (mut output, input) = pipe();
    let mut wanted = signal("Wanted");
    wanted.body = vec![
        Value::Byte(1),
        Value::Double(-0.5),
        Value::Bytes(vec![0; 200_000]),
        Value::Dict((Type::String, Type::Variant).into(), vec![("x".into(), Value::variant(Value::Int64(-9)))]),
    ];
    let fd = wanted.attach(input.into());
    let wanted = wanted.with(fd);
    let body = wanted.body.clone();
    here.send(signal("Other"), wait()).unwrap();
    here.send(wanted, wait()).unwrap();
    let came = there.next_signal(wait()).unwrap();
    assert_eq!(came.body, body);
    assert_eq!(came.header.sender.as_deref(), here.unique_name());
    drop(came);
    assert_eq!(output.read(&mut [0]).unwrap(), 0, "the descriptor came, and went with its message");

    there.unwatch(&rule, wait()).unwrap();
    here.send(signal("Wanted"), wait()).unwrap();
    let error = there.next_signal(Wait::at_most(Duration::from_millis(50))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut);
}

/// Case 31: the bus gone at any moment.
#[test]
fn a_bus_that_goes_away_ends_a_call_and_a_wait() {
    let Some(mut bus) = Bus::start("bus: gone") else { return };
    let mut connection = bus.connection();
    connection.hello(wait()).unwrap();
    bus.kill();
    assert_eq!(*connection.next_signal(wait()).unwrap_err().kind(), error::Kind::Unavailable);
    assert_eq!(*connection.call(broker("ListNames"), wait()).unwrap_err().kind(), error::Kind::Unavailable);
}

/// Case 31: escaped and abstract addresses.
#[test]
fn escaped_and_abstract_addresses_lead_to_the_bus() {
    let name = format!("sdme it,{}", std::process::id());
    let escaped = name.replace(' ', "%20").replace(',', "%2c");
    let Some(bus) = Bus::start_at("bus: addresses", |folder| format!("unix:path={}/a%20b%25", folder.display())) else {
        return;
    };
    let by_path = format!("unix:path=/nonexistent;unix:path={}/a%20b%25", bus.folder().display());
    let open = |address: &str| Connection::open_address(address, Limits::TRUSTED, wait());
    connect(&bus.folder().join("a b%"));
    open(&by_path).unwrap().hello(wait()).unwrap();
    assert_eq!(*open("unix:path=/nonexistent").err().unwrap().kind(), error::Kind::Unavailable);
    assert_eq!(*open("tcp:host=localhost").err().unwrap().kind(), error::Kind::Unavailable);

    let Some(_bus) = Bus::start_at("bus: addresses", |_| format!("unix:abstract={escaped}")) else { return };
    let address = format!("unix:abstract={escaped}");
    let mut connection = until_some("nobody listens", || open(&address).ok());
    connection.hello(wait()).unwrap();
}

#[test]
fn a_call_starts_no_program() {
    let Some(bus) = Bus::start("bus: no activation") else { return };
    let marker = bus.folder().join("started");
    let text = format!("[D-BUS Service]\nName=x.y.Z\nExec=/bin/touch {}\n", marker.display());
    fs::write(bus.folder().join("services/x.y.Z.service"), text).unwrap();
    let mut connection = bus.connection();
    connection.hello(wait()).unwrap();
    connection.call(broker("ReloadConfig"), wait()).unwrap();
    let names = connection.call(broker("ListActivatableNames"), wait()).unwrap();
    assert!(names.body[0].items().contains(&"x.y.Z".into()), "{names:?}");
    let error = connection.call(Message::call("/a", "x.y.Z", "M").to("x.y.Z"), wait()).unwrap_err();
    assert!(matches!(error.kind(), error::Kind::Dbus(_)), "{error}");
    assert!(!marker.exists());
}

/// Any user of a bus may send any other a signal; only the manager's own are believed.
#[test]
fn the_end_of_a_job_cannot_be_forged() {
    let Some(systemd) = Systemd::start_on_bus("bus: forged signals") else { return };
    systemd.unit("hang.service", "[Service]\nType=notify\nExecStart=/bin/sleep 1000\n");
    let mut manager = systemd.manager_on_bus();
    manager.reload().unwrap();
    let job = manager.start_unit("hang.service").unwrap();
    let mut attacker = systemd.bus();
    attacker.hello(wait()).unwrap();
    let names = attacker.call(broker("ListNames"), wait()).unwrap();
    for name in names.body[0].items().iter().filter_map(Value::as_str).filter(|name| name.starts_with(':')) {
        let mut forged =
            Message::call("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved").to(name);
        forged.header.kind = Kind::Signal;
        forged.body = vec![job.id.into(), Value::path(&*job.path), "hang.service".into(), "done".into()];
        attacker.send(forged, wait()).unwrap();
        let mut forged = Message::call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged").to(name);
        forged.header.kind = Kind::Signal;
        forged.body = vec!["org.freedesktop.systemd1".into(), ":1.1".into(), attacker.unique_name().unwrap().into()];
        attacker.send(forged, wait()).unwrap();
    }
    attacker.call(broker("ListNames"), wait()).unwrap();
    let error = manager.wait_job(&job, Wait::at_most(Duration::from_millis(100))).unwrap_err();
    assert_eq!(*error.kind(), error::Kind::TimedOut, "{error}");
}
