//! Prefix codes (RFC 1951, 3.2.2) as tables that the next bits are looked up in; pure.
//!
//! The first table has a place for every value of the next `BITS` bits. Codes that are longer go on in a second one behind it,
//! which the entry there links to.

use super::Corrupt;
use super::bits::mask;

/// What the next bits mean. From the lowest bit: six with the length of the code and its extra bits together, four (from bit 8)
/// with the length of the code alone, two that tell exceptions apart, two flags, and 16 with the value: a literal, what a
/// distance begins with, a symbol; of a length nine with what it begins with, and in the highest five the mask of its extra bits.
#[derive(Clone, Copy, Default)]
pub struct Entry(u32);

const LITERAL: u32 = 1 << 15;
const EXCEPTION: u32 = 1 << 14;
const END: u32 = EXCEPTION | 1 << 13;
/// To a second table at `value`, which the next `taken` bits behind those of the first are looked up in.
const LINK: u32 = EXCEPTION | 1 << 12;

impl Entry {
    /// Bits that mean nothing.
    const WRONG: Entry = Entry(EXCEPTION);

    const fn symbol(flags: u32, value: u32, extra: u32) -> Entry {
        Entry(value << 16 | flags | extra)
    }

    /// The same with the length of its code.
    fn with_code(self, length: u32) -> Entry {
        Entry(self.0 + (length << 8 | length))
    }

    #[inline(always)]
    pub fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    /// Neither a literal, nor a length or distance.
    #[inline(always)]
    pub fn is_exception(self) -> bool {
        self.0 & EXCEPTION != 0
    }

    #[inline(always)]
    pub fn is_end(self) -> bool {
        self.0 & END == END
    }

    #[inline(always)]
    pub fn is_link(self) -> bool {
        self.0 & LINK == LINK
    }

    #[inline(always)]
    pub fn value(self) -> usize {
        (self.0 >> 16) as usize
    }

    /// How many bits it takes; for `Bits::drop`, which looks at the lowest ones only.
    #[inline(always)]
    pub fn raw(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub fn taken(self) -> u32 {
        self.0 & 63
    }

    #[inline(always)]
    pub fn literal(self) -> u8 {
        self.value() as u8
    }

    /// The length, with its extra bits, which stand behind its code in `word`.
    #[inline(always)]
    pub fn length(self, word: u64) -> usize {
        (self.value() & 511) + ((word >> (self.0 >> 8 & 15)) as usize & (self.0 >> 27) as usize)
    }

    /// The same of a distance.
    #[inline(always)]
    pub fn distance(self, word: u64) -> usize {
        let code = self.0 >> 8 & 15;
        let extra = EXTRA[(self.taken().wrapping_sub(code) & 15) as usize];
        self.value() + (word >> code & extra) as usize
    }
}

/// Masks of so many bits: looked up, as making one takes longer where the processor has no instruction for it.
static EXTRA: [u64; 16] = {
    let (mut masks, mut bits) = ([0; 16], 0);
    while bits < 16 {
        masks[bits] = (1 << bits) - 1;
        bits += 1;
    }
    masks
};

/// Literals, the end of a block, and lengths (3.2.5).
pub static LITERALS_AND_LENGTHS: [Entry; 288] = {
    // 286 and 287 have codes, and mean nothing.
    let mut entries = [Entry::WRONG; 288];
    let mut symbol = 0;
    while symbol < 256 {
        entries[symbol] = Entry::symbol(LITERAL, symbol as u32, 0);
        symbol += 1;
    }
    entries[256] = Entry(END);
    let mut length = 3;
    symbol = 257;
    while symbol < 285 {
        let step = symbol as u32 - 257;
        let extra = if step < 8 { 0 } else { step / 4 - 1 };
        entries[symbol] = Entry::symbol(0, ((1 << extra) - 1) << 11 | length, extra);
        length += 1 << extra;
        symbol += 1;
    }
    entries[285] = Entry::symbol(0, 258, 0);
    entries
};

/// 30 and 31 mean nothing.
pub static DISTANCES: [Entry; 32] = {
    let mut entries = [Entry::WRONG; 32];
    let (mut symbol, mut distance) = (0, 1);
    while symbol < 30 {
        let extra = if symbol < 4 { 0 } else { symbol as u32 / 2 - 1 };
        entries[symbol] = Entry::symbol(0, distance, extra);
        distance += 1 << extra;
        symbol += 1;
    }
    entries
};

/// The symbols that lengths of codes are encoded with (3.2.7), as they are.
pub static LENGTHS: [Entry; 19] = {
    let (mut entries, mut symbol) = ([Entry::WRONG; 19], 0);
    while symbol < 19 {
        entries[symbol] = Entry::symbol(0, symbol as u32, 0);
        symbol += 1;
    }
    entries
};

/// The longest code.
const LONGEST: usize = 15;

/// A code whose first table takes `BITS` bits; `SIZE`, a power of two, is room for all tables of any code.
pub struct Code<const BITS: u32, const SIZE: usize>([Entry; SIZE]);

impl<const BITS: u32, const SIZE: usize> Code<BITS, SIZE> {
    pub const fn new() -> Self {
        Code([Entry::WRONG; SIZE])
    }

    /// Makes it anew, from the length of each symbol's code. Says whether every run of bits has a meaning: otherwise there is
    /// one code, of one bit, or none. Errors: anything else between, and too many codes.
    pub fn build(&mut self, lengths: &[u8], symbols: &[Entry]) -> Result<bool, Corrupt> {
        build(&mut self.0, BITS, lengths, symbols)
    }

    #[inline(always)]
    pub fn first(&self, word: u64) -> Entry {
        self.0[word as usize & ((1 << BITS) - 1)]
    }

    /// Follows a link.
    #[inline(always)]
    pub fn second(&self, link: Entry, word: u64) -> Entry {
        let offset = (word >> BITS & mask(link.taken())) as usize;
        self.0[(link.value() + offset) & (SIZE - 1)]
    }

    pub fn find(&self, word: u64) -> Entry {
        let entry = self.first(word);
        if entry.is_link() { self.second(entry, word) } else { entry }
    }
}

/// How many codes there are of each length.
struct Counts([u16; LONGEST + 1]);

impl Counts {
    fn new(lengths: &[u8]) -> Counts {
        let mut counts = [0; LONGEST + 1];
        lengths.iter().for_each(|length| counts[usize::from(length & 15)] += 1);
        counts[0] = 0;
        Counts(counts)
    }

    fn of(&self, length: u32) -> usize {
        self.0.get(length as usize).copied().unwrap_or_default().into()
    }

    fn longest(&self) -> u32 {
        self.0.iter().rposition(|count| *count > 0).unwrap_or_default() as u32
    }

    /// Whether the codes take all that there is.
    fn is_whole(&self) -> Result<bool, Corrupt> {
        let mut left = 1i32;
        for count in &self.0[1..] {
            left = left * 2 - i32::from(*count);
            if left < 0 {
                return Err(TOO_MANY);
            }
        }
        Ok(left == 0)
    }

    /// The symbols that have a code, by its length.
    fn sort(&self, lengths: &[u8]) -> [u16; 288] {
        let mut places = [0u16; LONGEST + 2];
        for length in 1..=LONGEST {
            places[length + 1] = places[length] + self.0[length];
        }
        let mut sorted = [0; 288];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length & 15)];
            if let Some(free) = sorted.get_mut(usize::from(*place)) {
                *free = symbol as u16;
            }
            *place += 1;
        }
        sorted
    }
}

/// The bits of the next code in order: they are stored reversed, so it is counted from the highest.
fn next(code: usize, length: u32) -> usize {
    match code ^ ((1 << length) - 1) {
        0 => code,
        zeros => {
            let highest = 1 << zeros.ilog2();
            code & (highest - 1) | highest
        }
    }
}

#[inline(never)]
fn build(table: &mut [Entry], bits: u32, lengths: &[u8], symbols: &[Entry]) -> Result<bool, Corrupt> {
    let counts = Counts::new(lengths);
    let sorted = counts.sort(lengths);
    let mut entries = sorted.iter().map(|symbol| symbols.get(usize::from(*symbol)).copied().unwrap_or(Entry::WRONG));
    if !counts.is_whole()? {
        if counts.longest() > 1 {
            return Err(TOO_FEW);
        }
        fill_incomplete(table, bits, entries.next().filter(|_| counts.longest() == 1));
        return Ok(false);
    }
    let code = fill_first(table, bits, &counts, &mut entries);
    fill_second(table, bits, &counts, &mut entries, code);
    Ok(true)
}

/// With a code of one bit, or none.
fn fill_incomplete(table: &mut [Entry], bits: u32, only: Option<Entry>) {
    table[0] = only.map_or(Entry::WRONG, |entry| entry.with_code(1));
    table[1] = Entry::WRONG;
    for length in 1..bits {
        table.copy_within(..1 << length, 1 << length);
    }
}

/// The codes that fit into the first table, which doubles with each bit; then the first one that does not.
fn fill_first(table: &mut [Entry], bits: u32, counts: &Counts, entries: &mut impl Iterator<Item = Entry>) -> usize {
    let mut code = 0;
    for length in 1..=bits {
        let half = 1 << (length - 1);
        table.copy_within(..half, half);
        for entry in entries.take(counts.of(length)) {
            table[code] = entry.with_code(length);
            code = next(code, length);
        }
    }
    code
}

/// The longer ones, from that code on.
fn fill_second(
    table: &mut [Entry],
    bits: u32,
    counts: &Counts,
    entries: &mut impl Iterator<Item = Entry>,
    mut code: usize,
) {
    let (mut prefix, mut start, mut end) = (usize::MAX, 0, 1 << bits);
    for length in bits + 1..=counts.longest() {
        let mut left = counts.of(length);
        for entry in entries.take(left) {
            if code & ((1 << bits) - 1) != prefix {
                prefix = code & ((1 << bits) - 1);
                start = end;
                let log = second_log(bits, length, left, counts);
                end += 1 << log;
                table[prefix] = Entry::symbol(LINK, start as u32, log);
            }
            let places = table.iter_mut().take(end).skip(start + (code >> bits));
            places.step_by(1 << (length - bits)).for_each(|place| *place = entry.with_code(length));
            left -= 1;
            code = next(code, length);
        }
    }
}

/// The bits of a second table that begins with `left` codes of that length: as many as the codes need that fill it.
fn second_log(bits: u32, length: u32, left: usize, counts: &Counts) -> u32 {
    let (mut log, mut taken) = (length - bits, left);
    while taken < 1 << log && bits + log < counts.longest() {
        log += 1;
        taken = taken * 2 + counts.of(bits + log);
    }
    log
}

const TOO_MANY: Corrupt = Corrupt("a code has more words than there can be");
const TOO_FEW: Corrupt = Corrupt("a code lacks words");
