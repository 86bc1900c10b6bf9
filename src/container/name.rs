//! Made-up names: syllables of a consonant and a vowel, that can be said aloud and typed without looking.

use crate::error::{Error, Result};
use crate::store::name::Name;
use crate::sys::kernel;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aeio";
/// Six bits a syllable: 30 bits are a thousand million names.
const SYLLABLES: usize = 5;
/// Made-up names that are tried; with a thousand million of them more than one is hardly ever needed.
const ATTEMPTS: usize = 100;

/// A name for which `is_taken` says no.
pub fn make_up(is_taken: impl Fn(&Name) -> bool) -> Result<Name> {
    for _ in 0..ATTEMPTS {
        let name = spell(kernel::random()?)?;
        if !is_taken(&name) {
            return Ok(name);
        }
    }
    Err(Error::failed("no free name was found: give one"))
}

fn spell(random: [u8; SYLLABLES]) -> Result<Name> {
    let syllable = |byte: u8| {
        let consonant = CONSONANTS[usize::from(byte >> 2) % CONSONANTS.len()];
        let vowel = VOWELS[usize::from(byte) % VOWELS.len()];
        [char::from(consonant), char::from(vowel)]
    };
    Name::parse(&random.into_iter().flat_map(syllable).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn names_are_pairs_of_consonant_and_vowel() {
        let name = make_up(|_| false).unwrap();
        assert_eq!(name.as_str().len(), 2 * SYLLABLES);
        for pair in name.as_str().as_bytes().chunks(2) {
            assert!(CONSONANTS.contains(&pair[0]) && VOWELS.contains(&pair[1]), "{name}");
        }
    }

    #[test]
    fn every_byte_makes_a_syllable_and_they_are_all_used() {
        let all: std::collections::BTreeSet<Name> = (0..=255).map(|byte| spell([byte; SYLLABLES]).unwrap()).collect();
        assert_eq!(all.len(), CONSONANTS.len() * VOWELS.len());
    }

    #[test]
    fn a_taken_name_is_not_given() {
        let asked = Cell::new(0);
        make_up(|_| asked.replace(asked.get() + 1) < 5).unwrap();
        assert_eq!(asked.get(), 6);
        assert!(make_up(|_| true).is_err());
    }
}
