//! The manager against a real systemd: a user's one, started for the test in namespaces of its own. Its private socket
//! speaks as PID 1's does.

use crate::peers::{Bus, LIMIT, Systemd, limit as wait, pipe};
use sdme::error::{Error, Kind};
use sdme::sys::poll::{For, Wait, poll_one};
use sdme::systemd::machine;
use sdme::systemd::manager::{Ended, JobResult, Manager, NO_SUCH_UNIT};
use sdme::systemd::unit::{Transient, template};
use std::io::{Read, Write};
use std::time::Duration;

/// What systemd is to run, collected as soon as it has ended.
fn shell(name: &str, script: &str) -> Transient {
    let arguments = ["sh", "-c", script].map(String::from);
    Transient::new(name).set("Type", "exec").set("CollectMode", "inactive-or-failed").run("/bin/sh", &arguments)
}

fn run(manager: &mut Manager, unit: Transient) -> (JobResult, Ended) {
    let name = unit.name().to_string();
    let job = manager.start_transient(unit).unwrap();
    let result = manager.wait_job(&job, wait()).unwrap();
    (result, manager.wait_ended(&name, wait()).unwrap())
}

fn exit_status_is_exact(manager: &mut Manager) {
    for status in [0, 1, 7, 199, 255] {
        let (_, ended) = run(manager, shell(&format!("status-{status}.service"), &format!("exit {status}")));
        assert_eq!((ended.code, ended.status), (1, status));
    }
    let (_, ended) = run(manager, shell("killed.service", "kill -9 $$"));
    assert_eq!((ended.code, ended.status, &*ended.result), (2, 9, "signal"));
}

#[test]
fn the_exit_status_of_a_transient_unit_is_exact() {
    let Some(systemd) = Systemd::start("manager: exit status") else { return };
    exit_status_is_exact(&mut systemd.manager());
}

#[test]
fn the_same_over_a_bus() {
    let Some(systemd) = Systemd::start_on_bus("manager: exit status over a bus") else { return };
    let mut manager = systemd.manager_on_bus();
    assert!(manager.is_on_bus());
    exit_status_is_exact(&mut manager);
}

#[test]
fn a_program_that_is_not_there_is_told_from_one_that_fails() {
    let Some(systemd) = Systemd::start("manager: no program") else { return };
    let mut manager = systemd.manager();
    let unit = Transient::new("none.service").set("Type", "exec").set("CollectMode", "inactive-or-failed");
    let (job, ended) = run(&mut manager, unit.run("/nonexistent", &["x".into()]));
    assert_eq!((&*job, ended.code, ended.status), ("failed", 1, 203));
}

#[test]
fn descriptors_are_handed_over_and_arguments_are_not_expanded() {
    let Some(systemd) = Systemd::start("manager: descriptors") else { return };
    let mut manager = systemd.manager();
    let (stdin, mut input) = pipe();
    let (mut output, stdout) = pipe();
    let (mut errors, stderr) = pipe();
    let script = "cat; printf %s \"$1\" >&2";
    let arguments = ["sh", "-c", script, "-", "$HOME ${X} %n %% \\x41 \u{e4}\n'\""].map(String::from);
    let unit = Transient::new("pipes.service")
        .set("Type", "exec")
        .pass("StandardInputFileDescriptor", stdin.into())
        .pass("StandardOutputFileDescriptor", stdout.into())
        .pass("StandardErrorFileDescriptor", stderr.into())
        .run("/bin/sh", &arguments);
    let job = manager.start_transient(unit).unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "done");
    let bytes: Vec<u8> = (0..=255).collect();
    input.write_all(&bytes).unwrap();
    drop(input);
    let (mut out, mut err) = (Vec::new(), String::new());
    output.read_to_end(&mut out).unwrap();
    errors.read_to_string(&mut err).unwrap();
    assert_eq!((out, err.as_str()), (bytes, arguments[4].as_str()));
    assert_eq!(manager.wait_ended("pipes.service", wait()).unwrap().status, 0);
}

#[test]
fn a_long_argument_arrives_whole() {
    let Some(systemd) = Systemd::start("manager: long argument") else { return };
    let mut manager = systemd.manager();
    let arguments = ["sh".into(), "-c".into(), "test ${#1} = 100000".into(), "-".into(), "x".repeat(100_000)];
    let unit = Transient::new("long.service").set("Type", "exec").set("CollectMode", "inactive-or-failed");
    assert_eq!(run(&mut manager, unit.run("/bin/sh", &arguments)).1.status, 0);
}

#[test]
fn a_unit_is_killed_and_its_end_is_seen_without_waiting() {
    let Some(systemd) = Systemd::start("manager: kill") else { return };
    let mut manager = systemd.manager();
    let job = manager.start_transient(shell("sleep.service", "exec sleep 1000")).unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "done");
    assert_eq!(manager.ended("sleep.service").unwrap(), None);
    manager.kill_unit("sleep.service", "main", 15).unwrap();
    let ended = loop {
        match manager.ended("sleep.service").unwrap() {
            Some(ended) => break ended,
            None => poll_one(manager.fd(), For::Input, wait()).unwrap(),
        }
    };
    assert_eq!((ended.code, ended.status, &*ended.result), (2, 15, "success"));
}

#[test]
fn the_end_of_a_unit_that_somebody_else_started_is_seen() {
    let Some(systemd) = Systemd::start("manager: other unit") else { return };
    let mut starter = systemd.manager();
    let job = starter.start_transient(shell("other.service", "sleep 0.2; exit 3")).unwrap();
    starter.wait_job(&job, wait()).unwrap();
    assert_eq!(systemd.manager().wait_ended("other.service", wait()).unwrap().status, 3);
}

#[test]
fn units_from_files_their_jobs_and_how_they_are() {
    let Some(systemd) = Systemd::start("manager: unit files") else { return };
    systemd.unit("sdme@.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n");
    systemd.unit("hang@.service", "[Service]\nType=notify\nExecStart=/bin/sleep 1000\n");
    systemd.unit("fail.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"exit 5\"\n");
    systemd
        .unit("needy.service", "[Unit]\nRequires=fail.service\nAfter=fail.service\n[Service]\nExecStart=/bin/true\n");
    let mut manager = systemd.manager();
    manager.reload().unwrap();

    let jobs = ["sdme@a.service", "sdme@b.service"].map(|unit| manager.start_unit(unit).unwrap());
    for job in jobs.iter().rev() {
        assert_eq!(manager.wait_job(job, wait()).unwrap(), "done", "in any order");
    }
    let names: Vec<String> = manager.statuses("sdme@*.service").unwrap().into_iter().map(|unit| unit.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let status = manager.status("sdme@a.service").unwrap();
    assert_eq!(
        (&*status.load, &*status.active, &*status.sub, &*status.result),
        ("loaded", "active", "exited", "success")
    );
    assert_eq!((status.exec_main_code, status.exec_main_status, &status.job), (1, 0, &None));
    assert_eq!(status.invocation_id.len(), 32);
    assert!(status.fragment.ends_with("units/sdme@.service") && status.active_since > 0, "{status:?}");
    let job = manager.stop_unit("sdme@a.service").unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "done");

    let job = manager.start_unit("needy.service").unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "dependency");
    let status = manager.status("fail.service").unwrap();
    assert_eq!((&*status.active, &*status.result, status.exec_main_status), ("failed", "exit-code", 5));
    manager.reset_failed("fail.service").unwrap();
    assert_eq!(manager.status("fail.service").unwrap().active, "inactive");
    manager.reset_failed("never-loaded.service").unwrap();

    let job = manager.start_unit("hang@x.service").unwrap();
    let error = manager.wait_job(&job, Wait::at_most(Duration::from_millis(100))).unwrap_err();
    assert_eq!(*error.kind(), Kind::TimedOut);
    let queued = manager.jobs().unwrap();
    assert!(queued.iter().any(|job| job.unit == "hang@x.service" && job.kind == "start" && job.state == "running"));
    assert_eq!(manager.job_result(&job).unwrap(), None);
    let status = manager.status("hang@x.service").unwrap();
    assert_eq!((&*status.active, status.job.unwrap().id), ("activating", job.id));
    assert!(status.main_pid > 1);
    let stop = manager.stop_unit("hang@x.service").unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "canceled");
    assert_eq!(manager.wait_job(&stop, wait()).unwrap(), "done");
}

fn is_no_such_unit(error: &Error) -> bool {
    *error.kind() == Kind::Dbus(NO_SUCH_UNIT.into())
}

#[test]
fn units_that_are_not_there() {
    let Some(systemd) = Systemd::start("manager: no unit") else { return };
    let mut manager = systemd.manager();
    assert_eq!(manager.status("none.service").unwrap().load, "not-found");
    assert_eq!(manager.statuses("none@*.service").unwrap(), []);
    let error = manager.start_unit("none.service").unwrap_err();
    assert!(is_no_such_unit(&error), "{error}");
    assert!(error.to_string().contains("none.service"), "{error}");
    assert!(is_no_such_unit(&manager.kill_unit("none.service", "all", 9).unwrap_err()));
    assert!(manager.start_unit("no unit name").is_err());
}

#[test]
fn a_unit_is_enabled_until_it_is_disabled() {
    let Some(systemd) = Systemd::start("manager: disable") else { return };
    let mut manager = systemd.manager();
    systemd.unit("sdme@.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=default.target\n");
    manager.reload().unwrap();
    assert_eq!(manager.unit_file_state("sdme@a.service").unwrap(), "disabled");
    let wants = systemd.folder.path().join("config/systemd/user/default.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    std::os::unix::fs::symlink(systemd.folder.path().join("units/sdme@.service"), wants.join("sdme@a.service"))
        .unwrap();
    manager.reload().unwrap();
    assert_eq!(manager.unit_file_state("sdme@a.service").unwrap(), "enabled");
    manager.disable_unit_files(&["sdme@a.service"]).unwrap();
    assert!(!wants.join("sdme@a.service").exists());
}

/// Case 31: the peer gone at any moment, and the name owner lost while a job is waited for.
#[test]
fn a_manager_that_goes_away_ends_the_waiting() {
    let Some(mut systemd) = Systemd::start("manager: gone") else { return };
    let mut manager = systemd.manager();
    manager.start_transient(shell("sleep.service", "exec sleep 1000")).unwrap();
    systemd.peer.kill();
    let error = manager.wait_ended("sleep.service", wait()).unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(*manager.status("sleep.service").unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn a_manager_that_loses_its_name_ends_the_waiting() {
    let Some(mut systemd) = Systemd::start_on_bus("manager: name lost") else { return };
    let mut manager = systemd.manager_on_bus();
    manager.start_transient(shell("sleep.service", "exec sleep 1000")).unwrap();
    systemd.peer.kill();
    let error = manager.wait_ended("sleep.service", wait()).unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
    let error = manager.status("sleep.service").unwrap_err();
    assert!(matches!(error.kind(), Kind::Dbus(_)), "nobody has the name: {error}");
}

#[test]
fn a_bus_without_a_manager_is_no_way_to_it() {
    let Some(bus) = Bus::start("manager: bare bus") else { return };
    let mut connection = bus.connection();
    connection.hello(wait()).unwrap();
    let error = Manager::on_bus(connection, LIMIT).err().unwrap();
    assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
    drop(bus);
}

#[test]
fn a_machined_that_does_not_run_has_no_machines_and_is_not_started() {
    let Some(systemd) = Systemd::start_on_bus("machined: not running") else { return };
    let mut manager = systemd.manager_on_bus();
    assert_eq!(machine::list(&mut manager).unwrap(), []);
    assert!(!machine::exists(&mut manager, "web").unwrap());
    machine::wait_gone(&mut manager, "web", wait()).unwrap();
}

/// Case 21: a path of the program with all that a unit file could take for something else.
#[test]
fn the_template_runs_the_program_wherever_it_is() {
    let Some(systemd) = Systemd::start("manager: template") else { return };
    let folder = systemd.folder.path().join("a b %i %% $HOME ${X} ;#: \u{e4}");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("sdme");
    let record = systemd.folder.path().join("record");
    let script = format!("#!/bin/sh\nprintf '%s|' \"$0\" \"$@\" >{}\n", record.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    systemd.unit("sdme@.service", &template(&program).unwrap());

    let mut manager = systemd.manager();
    manager.reload().unwrap();
    let job = manager.start_unit("sdme@web.service").unwrap();
    assert_eq!(manager.wait_job(&job, wait()).unwrap(), "failed", "the script says no READY=1");
    assert_eq!(std::fs::read_to_string(&record).unwrap(), format!("{}|boot|web|", program.display()));
    let status = manager.status("sdme@web.service").unwrap();
    assert_eq!((&*status.load, &*status.result), ("loaded", "protocol"));
}
