//! From what was typed to a name that exists: the name itself, or a beginning that only one name has. Pure.

use crate::error::{Error, Kind, Result};
use crate::store::name::Name;

/// At most this many candidates are listed for an ambiguous beginning.
const CANDIDATES_MAX: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    Exact(Name),
    /// Only the beginning was typed.
    Prefix(Name),
}

impl Match {
    pub fn into_name(self) -> Name {
        match self {
            Match::Exact(name) | Match::Prefix(name) => name,
        }
    }
}

/// Errors: `Usage` for what can never be a name, `NotFound`, and `Failed` listing the candidates.
pub fn resolve(names: &[Name], typed: &str) -> Result<Match> {
    if let Some(name) = names.iter().find(|name| name.as_str() == typed) {
        return Ok(Match::Exact(name.clone()));
    }
    let mut candidates: Vec<&Name> = names.iter().filter(|name| name.as_str().starts_with(typed)).collect();
    candidates.sort();
    match candidates.as_slice() {
        _ if typed.is_empty() => Err(unknown(typed)),
        [] => Err(unknown(typed)),
        [name] => Ok(Match::Prefix((*name).clone())),
        several => Err(Error::failed(format!("{typed:?} is ambiguous: {}", listed(several)))),
    }
}

fn unknown(typed: &str) -> Error {
    match Name::parse(typed) {
        Ok(name) => {
            Error::new(Kind::NotFound, format!("there is no container {:?}; 'sdme ps' lists them", name.as_str()))
        }
        Err(error) => error,
    }
}

fn listed(names: &[&Name]) -> String {
    let mut text: Vec<&str> = names.iter().take(CANDIDATES_MAX).map(|name| name.as_str()).collect();
    if names.len() > CANDIDATES_MAX {
        text.push("...");
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<Name> {
        words.iter().map(|word| Name::parse(word).unwrap()).collect()
    }

    #[test]
    fn an_exact_name_wins_over_longer_ones() {
        let known = names(&["web2", "web", "web1"]);
        assert_eq!(resolve(&known, "web").unwrap(), Match::Exact(Name::parse("web").unwrap()));
    }

    #[test]
    fn a_unique_beginning_is_enough() {
        let known = names(&["web-1", "db"]);
        for typed in ["w", "web", "web-"] {
            assert_eq!(resolve(&known, typed).unwrap(), Match::Prefix(Name::parse("web-1").unwrap()), "{typed}");
        }
    }

    #[test]
    fn an_ambiguous_one_lists_the_candidates() {
        let error = resolve(&names(&["web2", "db", "web1"]), "we").unwrap_err();
        assert_eq!(error.to_string(), "\"we\" is ambiguous: web1, web2");
        let many: Vec<String> = (0..20).map(|number| format!("x{number:02}")).collect();
        let many = names(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(resolve(&many, "x").unwrap_err().to_string().ends_with("x07, ..."));
    }

    #[test]
    fn what_does_not_exist_and_what_cannot() {
        let known = names(&["web"]);
        assert_eq!(*resolve(&known, "db").unwrap_err().kind(), Kind::NotFound);
        for typed in ["", "../web", "WEB", "web\n"] {
            assert_eq!(*resolve(&known, typed).unwrap_err().kind(), Kind::Usage, "{typed:?}");
        }
    }
}
