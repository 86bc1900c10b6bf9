//! `-h`, `--help`, `--version`: for everyone, anywhere.

use crate::sandbox::Sandbox;

#[test]
fn help_goes_to_standard_output_and_needs_no_root() {
    let sandbox = Sandbox::new("help");
    for words in [&["-h"][..], &["--help"], &["exec", "-h"], &["new", "--help"], &["config", "-h"], &["ps", "-h", "x"]]
    {
        let ran = sandbox.run_as_nobody(words);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(ran.out.contains("usage: sdme"), "{words:?}");
    }
}

#[test]
fn the_long_help_says_more_than_the_short_one() {
    let sandbox = Sandbox::new("help-long");
    for verb in ["exec", "new", "start", "rm"] {
        let (short, long) = (sandbox.run(&[verb, "-h"]).out, sandbox.run(&[verb, "--help"]).out);
        assert!(long.len() > short.len() * 3 / 2, "{verb}");
        assert!(long.contains("Examples:") && long.contains("Exit status:") && !short.contains("Examples:"), "{verb}");
    }
    assert!(sandbox.run(&["exec", "--help"]).out.contains("125"));
}

#[test]
fn help_before_a_verb_is_its_long_help() {
    let sandbox = Sandbox::new("help-before");
    for command in sdme::cmd::table() {
        let words: Vec<&str> = command.name.split(' ').collect();
        let before = sandbox.run_as_nobody(&[&["help"], &words[..]].concat());
        let after = sandbox.run_as_nobody(&[&words[..], &["--help"]].concat());
        assert_eq!((before.code, &before.out), (Some(0), &after.out), "{}", command.name);
    }
    assert_eq!(sandbox.run(&["help", "fs"]).out, sandbox.run(&["fs", "--help"]).out);
    assert_eq!(sandbox.run(&["help"]).out, sandbox.run(&["--help"]).out);
}

#[test]
fn the_version_is_one_line() {
    let ran = Sandbox::new("version").run_as_nobody(&["--version"]);
    assert_eq!(ran.out, format!("sdme {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn without_a_word_the_help_comes_as_an_error() {
    let ran = Sandbox::new("nothing").run_as_nobody(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("Commands:"));
}
