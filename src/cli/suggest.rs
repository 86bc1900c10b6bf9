//! "Did you mean": the nearest verb or flag to a mistyped one.

use crate::cli::spec::{Command, Flag, GLOBAL};

/// Longer words than this are not compared: nothing of ours is that long.
const WORD_MAX: usize = 24;

/// Words of other tools for our verbs.
const SYNONYMS: &[(&str, &str)] = &[
    ("ls", "ps"),
    ("list", "ps"),
    ("status", "show"),
    ("inspect", "show"),
    ("remove", "rm"),
    ("delete", "rm"),
    ("run", "new"),
    ("shell", "join"),
    ("enter", "join"),
    ("login", "join"),
    ("attach", "join"),
    ("kill", "stop"),
    ("log", "logs"),
    ("journal", "logs"),
];

/// The verb that was probably meant.
pub fn verb(typed: &str, table: &[&'static Command]) -> Option<String> {
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == typed).map(|(_, verb)| *verb);
    let known = table.iter().map(|command| command.name);
    synonym.or_else(|| nearest(typed, known)).map(str::to_string)
}

/// The flag that was probably meant; `typed` and the answer with their dashes.
pub fn flag(typed: &str, own: &[Flag]) -> Option<String> {
    let typed = typed.strip_prefix("--")?;
    let known = own.iter().chain(GLOBAL).map(|flag| flag.long);
    nearest(typed, known).map(|long| format!("--{long}"))
}

/// The candidate that differs least, if it differs little: by a third of its letters, at least by one.
fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > WORD_MAX || typed.is_empty() {
        return None;
    }
    let scored = candidates.filter_map(|word| {
        let prefix = typed.len() >= 2 && word.starts_with(typed);
        let distance = if prefix { 1 } else { distance(typed.as_bytes(), word.as_bytes()) };
        (distance <= (word.len() / 3).max(1)).then_some((distance, word))
    });
    scored.min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = row[j] + usize::from(a != b);
            let mut best = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            let swapped = i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b;
            if swapped {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_step() {
        assert_eq!(distance(b"start", b"start"), 0);
        assert_eq!(distance(b"strat", b"start"), 1);
        assert_eq!(distance(b"stat", b"start"), 1);
        assert_eq!(distance(b"", b"ps"), 2);
        assert_eq!(distance(b"join", b""), 4);
    }

    #[test]
    fn the_nearest_word_wins_and_a_far_one_does_not() {
        let verbs = ["start", "stop", "show", "ps"];
        assert_eq!(nearest("strat", verbs.into_iter()), Some("start"));
        assert_eq!(nearest("stp", verbs.into_iter()), Some("stop"));
        assert_eq!(nearest("sta", verbs.into_iter()), Some("start"));
        assert_eq!(nearest("frobnicate", verbs.into_iter()), None);
        assert_eq!(nearest("", verbs.into_iter()), None);
        assert_eq!(nearest(&"s".repeat(10_000), verbs.into_iter()), None);
    }

    #[test]
    fn a_flag_is_named_with_its_dashes() {
        assert_eq!(flag("--verbos", &[]), Some("--verbose".to_string()));
        assert_eq!(flag("-x", &[]), None);
    }
}
