//! Which containers a verb takes: names, beginnings of names, all.

use crate::sandbox::{Sandbox, root_or_skip};
use std::fs;

fn with_containers(test: &str, names: &[&str]) -> Option<Sandbox> {
    if !root_or_skip(test) {
        return None;
    }
    let sandbox = Sandbox::new(test);
    for name in names {
        fs::create_dir_all(sandbox.dir.join("data/containers").join(name)).unwrap();
    }
    Some(sandbox)
}

#[test]
fn where_nobody_can_be_asked_a_beginning_is_not_enough_to_destroy() {
    let Some(sandbox) = with_containers("select-prefix", &["web-one", "db"]) else { return };
    for verb in ["stop", "rm"] {
        let ran = sandbox.run(&[verb, "web"]);
        assert_eq!(ran.code, Some(1), "{verb}");
        assert_eq!(ran.err, "sdme: \"web\" is only the beginning of \"web-one\": type the whole name\n", "{verb}");
    }
    assert!(sandbox.dir.join("data/containers/web-one").exists());
}

#[test]
fn names_and_all_exclude_each_other_and_one_of_them_is_needed() {
    let Some(sandbox) = with_containers("select-all", &["web"]) else { return };
    for verb in ["start", "stop", "rm"] {
        for words in [&[verb][..], &[verb, "--all", "web"]] {
            let ran = sandbox.run(words);
            assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.err);
        }
    }
}

#[test]
fn a_batch_tells_each_failure() {
    let Some(sandbox) = with_containers("select-batch", &["web-one", "web-two", "db"]) else { return };
    let ran = sandbox.run(&["stop", "web", "nope", "NOPE"]);
    assert_eq!(ran.code, Some(1));
    for told in ["\"web\" is ambiguous: web-one, web-two", "there is no container \"nope\"", "\"NOPE\" is not a name"] {
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    assert_eq!(ran.err.lines().count(), 3);
}
