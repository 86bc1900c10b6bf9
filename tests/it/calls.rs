//! How many system calls an import takes: what it costs, without the noise of a clock.

use crate::sandbox::{Sandbox, root_or_skip};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

/// An entry: as many as a file takes that is made, written, dated and closed, and one for all else.
const AN_ENTRY: usize = 5;
const DIRECTORIES: usize = 400;
const FILES: usize = 10;

/// About as a distribution's tree is made up: one entry in ten a directory, one in fifteen a symlink. Gives the number of entries.
fn make_tree(top: &Path) -> usize {
    fs::create_dir_all(top.join("usr")).unwrap();
    fs::create_dir(top.join("etc")).unwrap();
    for directory in 0..DIRECTORIES {
        let path = top.join(format!("usr/{}/{directory}", directory % 20));
        fs::create_dir_all(&path).unwrap();
        for file in 0..FILES {
            fs::write(path.join(format!("file{file}")), vec![7; 700 * file]).unwrap();
        }
        symlink("file1", path.join("link")).unwrap();
    }
    // And the top, usr, etc, twenty.
    DIRECTORIES * (FILES + 2) + 23
}

/// Of these there is any number: threads wait for one another, or not; and std looks at each descriptor before it closes it (fcntl)
/// where assertions are compiled in. The others are what strace's table has beside the calls.
const NOT_COUNTED: [&str; 4] = ["futex", "fcntl", "total", "syscall"];

/// All calls of a command and its threads.
fn count(command: &mut Command, table: &Path) -> usize {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    let lines = fs::read_to_string(table).unwrap();
    let rows = lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 4 && !NOT_COUNTED.contains(row.last().unwrap()))
        .filter_map(|row| row[3].parse::<usize>().ok())
        .sum()
}

fn traced(table: &Path, program: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(table).arg(program);
    command
}

#[test]
fn an_entry_of_a_tar_costs_no_more_calls_than_it_needs() {
    if !root_or_skip("system calls of an import") {
        return;
    }
    if Command::new("strace").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: system calls of an import: there is no strace");
        return;
    }
    let sandbox = Sandbox::new("calls");
    let (tree, archive, table) = (sandbox.dir.join("tree"), sandbox.dir.join("tree.tar"), sandbox.dir.join("table"));
    let entries = make_tree(&tree);
    let pack = ["--format=posix", "-cf"].map(String::from);
    assert!(Command::new("tar").args(pack).arg(&archive).arg("-C").arg(&tree).arg(".").status().unwrap().success());

    let mut ours = traced(&table, env!("CARGO_BIN_EXE_sdme"));
    ours.args(["--datadir"]).arg(sandbox.dir.join("data")).args(["fs", "import", "one"]).arg(&archive);
    let ours = count(&mut ours, &table);
    let out = sandbox.dir.join("out");
    fs::create_dir(&out).unwrap();
    let theirs = count(traced(&table, "tar").arg("-C").arg(&out).arg("-xpf").arg(&archive), &table);
    println!("{entries} entries: {ours} calls; GNU tar: {theirs}");
    assert!(ours <= AN_ENTRY * entries, "{ours} calls for {entries} entries");
    assert!(ours < theirs);
}
