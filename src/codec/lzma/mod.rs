//! LZMA (the 7-Zip SDK's `lzma-specification.txt`): literals and matches under adaptive models, through a range coder.
//!
//! What frames it is the caller's: chunks (LZMA2) or one stream to its end (.lzma).

mod dictionary;
mod input;
mod model;
mod range;
mod symbols;

use crate::Corrupt;
use dictionary::{BLOCK, Dictionary};
use input::Input;
use model::Model;
use range::Range;

pub use input::CAPACITY;
pub use model::Properties;
pub use symbols::Stop;

pub const CORRUPT: Corrupt = Corrupt("the compressed data is corrupt");

/// A decoder with its dictionary. What it unpacks must be given out before it unpacks more.
pub struct Decoder {
    dictionary: Dictionary,
    input: Input,
    model: Option<Model>,
}

impl Decoder {
    /// For a dictionary of so many bytes. The memory comes with what is unpacked.
    pub fn new(dictionary: u32) -> Decoder {
        Decoder { dictionary: Dictionary::new(dictionary), input: Input::default(), model: None }
    }

    /// Begins anew with a dictionary of so many bytes, in the memory of the one before.
    pub fn renew(&mut self, dictionary: u32) {
        self.dictionary.renew(dictionary);
    }

    pub fn reset_dictionary(&mut self) {
        self.dictionary.reset();
    }

    /// Begins with new properties.
    pub fn set_properties(&mut self, properties: Properties) {
        self.model = Some(Model::new(properties));
    }

    /// Forgets what was learnt, and goes on with the same properties.
    pub fn reset_model(&mut self) {
        if let Some(model) = &mut self.model {
            model.reset();
        }
    }

    /// A place for bytes that are not compressed. It may be shorter than asked for.
    pub fn stored(&mut self, length: usize) -> &mut [u8] {
        self.dictionary.room(length)
    }

    /// A place for a whole stream, of at most `CAPACITY` bytes.
    pub fn whole(&mut self, length: usize) -> &mut [u8] {
        self.input.replace(length)
    }

    /// Whether a stream of unknown length must be gone on with.
    pub fn is_hungry(&self) -> bool {
        self.input.is_hungry()
    }

    /// Whether more of the stream was needed than there is.
    pub fn is_cut(&self) -> bool {
        self.input.is_cut()
    }

    /// A place for what follows of a stream.
    pub fn room(&mut self) -> &mut [u8] {
        self.input.room()
    }

    /// So many bytes were put there; none when the stream has no more.
    pub fn add(&mut self, length: usize) {
        self.input.add(length);
    }

    /// The bytes behind the stream.
    pub fn rest(&self) -> &[u8] {
        self.input.rest()
    }

    /// Takes the beginning of a stream.
    pub fn begin(&mut self) -> Result<(), Corrupt> {
        self.input.begin()
    }

    /// Unpacks some, at most `most` bytes; more is an error. Says how many.
    pub fn unpack(&mut self, most: u64) -> Result<(usize, Stop), Corrupt> {
        let Some(model) = &mut self.model else { return Err(CORRUPT) };
        let block = most.min(BLOCK as u64) as usize;
        let stop = symbols::decode(model, &mut self.input, &mut self.dictionary, block)?;
        let length = self.dictionary.ungiven();
        if length as u64 > most { Err(CORRUPT) } else { Ok((length, stop)) }
    }

    /// Whether the stream can end here: all of it must have been needed.
    pub fn is_at_end(&mut self) -> bool {
        let mut range = Range::resume(self.input.bytes(), self.input.registers);
        range.refill();
        range.normalize();
        self.input.registers = range.pause();
        self.input.registers.code == 0 && !self.input.is_cut()
    }

    /// Gives out what was unpacked, as much as there is room for; zero when all was given.
    pub fn give(&mut self, buffer: &mut [u8]) -> usize {
        self.dictionary.give(buffer)
    }
}
