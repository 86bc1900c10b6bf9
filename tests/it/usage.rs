//! Wrong command lines: their exit codes and their one line.

use crate::sandbox::Sandbox;

#[test]
fn a_wrong_line_is_2_and_125_where_a_payloads_status_is_handed_on() {
    let sandbox = Sandbox::new("usage");
    for (words, code) in [
        (&["frobnicate"][..], 2),
        (&["-v"], 2),
        (&["config"], 2),
        (&["ps", "--bogus"], 2),
        (&["ps", "word"], 2),
        (&["start", "--timeout"], 2),
        (&["show"], 2),
        (&["--bogus", "exec"], 2),
        (&["exec", "web"], 125),
        (&["exec", "web", "--bogus"], 125),
        (&["join"], 125),
        (&["join", "--usr", "x"], 125),
        (&["new", "web", "ls"], 125),
    ] {
        let ran = sandbox.run_as_nobody(words);
        assert_eq!(ran.code, Some(code), "{words:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{words:?}");
        assert!(ran.err.starts_with("sdme: ") && ran.err.lines().count() == 1, "{words:?}: {}", ran.err);
    }
}

#[test]
fn root_is_asked_for_in_words() {
    let sandbox = Sandbox::new("root");
    if sandbox.run_as_nobody(&["ps"]).code == Some(0) {
        panic!("nobody may list containers");
    }
    let ran = sandbox.run_as_nobody(&["ps"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), "sdme: must be run as root: sudo sdme ps ...\n"));
    assert_eq!(sandbox.run_as_nobody(&["exec", "web", "true"]).code, Some(125));
}

#[test]
fn a_word_with_escapes_cannot_write_on_the_terminal() {
    let ran = Sandbox::new("escapes").run(&["\x1b[2Jps\n"]);
    assert_eq!(ran.code, Some(2));
    assert!(!ran.err.trim_end().contains(|c: char| c.is_control()), "{:?}", ran.err);
}

#[test]
fn a_near_miss_is_answered_with_what_was_meant() {
    let sandbox = Sandbox::new("meant");
    assert!(sandbox.run(&["strat"]).err.contains("did you mean 'start'?"));
    assert!(sandbox.run(&["ls"]).err.contains("did you mean 'ps'?"));
    assert!(sandbox.run(&["start", "--tiemout", "3"]).err.contains("did you mean '--timeout'?"));
}
