//! The sequences of a zstd block (RFC 8878, 3.1.1.3.2): literals to be added, and matches behind them.

use super::Corrupt;
use super::bits::{Backward, Masks, SEEN, masks};
use super::fse::{Probabilities, STATES};
use super::recent::Recent;
use super::window::{Sequence, Window};
use crate::copy::SPARE;

const CUT: Corrupt = Corrupt("sequences are cut short");

/// What a state of one of the three tables means: a value, to which so many bits are added, and the next state.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    value: u32,
    base: u16,
    bits: u8,
    extra: u8,
}

/// One of the tables; none was there yet where there is no `log`. All have room for the largest.
struct Table {
    log: Option<u32>,
    states: [State; STATES],
}

/// What distinguishes the tables.
struct Field {
    log_most: u32,
    /// The value of each symbol and the bits that are added.
    values: &'static [(u32, u8)],
    predefined: (u32, &'static [i16]),
}

const LITERALS: Field = Field {
    log_most: 9,
    values: &LITERAL_VALUES,
    predefined: (
        6,
        &[
            4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1,
            -1,
        ],
    ),
};

const OFFSETS: Field = Field {
    log_most: 8,
    values: &OFFSET_VALUES,
    predefined: (5, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
};

const MATCHES: Field = Field {
    log_most: 9,
    values: &MATCH_VALUES,
    predefined: (
        6,
        &[
            1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
        ],
    ),
};

static LITERAL_VALUES: [(u32, u8); 36] = values(
    0,
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);

static MATCH_VALUES: [(u32, u8); 53] = values(
    3,
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2,
        2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ],
);

/// Each a power of two.
static OFFSET_VALUES: [(u32, u8); 32] = {
    let mut values = [(0, 0); 32];
    let mut symbol = 0;
    while symbol < 32 {
        values[symbol] = (1 << symbol, symbol as u8);
        symbol += 1;
    }
    values
};

/// Each symbol's value begins where the one before ends, but where the numbers of bits leap: there at a power of two.
const fn values<const N: usize>(least: u32, bits: [u8; N]) -> [(u32, u8); N] {
    let mut values = [(0, 0); N];
    let (mut at, mut value) = (0, least);
    while at < N {
        if at > 0 && bits[at] > bits[at - 1] + 1 {
            value = (1 << bits[at]) + if least > 0 { least } else { 0 };
        }
        values[at] = (value, bits[at]);
        value += 1 << bits[at];
        at += 1;
    }
    values
}

impl Table {
    fn none() -> Table {
        Table { log: None, states: [State::default(); STATES] }
    }

    /// The table of a block, in one of four ways.
    fn read(&mut self, field: &Field, mode: u8, rest: &mut &[u8]) -> Result<(), Corrupt> {
        match mode {
            0 => self.predefined(field),
            1 => self.single(field, byte(rest)?),
            2 => {
                let (probabilities, taken) = Probabilities::parse(rest, field.log_most, field.values.len())?;
                *rest = rest.get(taken..).unwrap_or_default();
                self.fill(field, &probabilities)
            }
            _ => self.log.map(drop).ok_or(NO_TABLE),
        }
    }

    fn fill(&mut self, field: &Field, probabilities: &Probabilities) -> Result<(), Corrupt> {
        self.log = None;
        probabilities.states(&mut self.states, |state| {
            let (value, extra) = *field.values.get(usize::from(state.symbol))?;
            Some(State { value, base: state.base, bits: state.bits, extra })
        })?;
        self.log = Some(probabilities.log);
        Ok(())
    }

    fn predefined(&mut self, field: &Field) -> Result<(), Corrupt> {
        let (log, of) = field.predefined;
        self.fill(field, &Probabilities::new(log, of))
    }

    /// Its one state means one symbol.
    fn single(&mut self, field: &Field, symbol: u8) -> Result<(), Corrupt> {
        let value = field.values.get(usize::from(symbol));
        let (value, extra) = *value.ok_or(Corrupt("a symbol that does not exist"))?;
        self.states[0] = State { value, base: 0, bits: 0, extra };
        self.log = Some(0);
        Ok(())
    }

    /// The first state.
    fn begin(&self, bits: &mut Backward<'_>) -> Result<usize, Corrupt> {
        Ok(bits.take(self.log.ok_or(NO_TABLE)?) as usize)
    }

    #[inline(always)]
    fn at(&self, state: usize) -> State {
        self.states[state % STATES]
    }
}

/// What goes on from one block of a frame to the next.
pub struct Sequences {
    tables: Box<Tables>,
    recent: Recent,
}

/// Side by side: the loop over the sequences has one address for them.
struct Tables {
    literals: Table,
    offsets: Table,
    matches: Table,
    masks: Masks,
}

impl Sequences {
    pub fn new() -> Sequences {
        let (literals, offsets, matches) = (Table::none(), Table::none(), Table::none());
        Sequences { tables: Box::new(Tables { literals, offsets, matches, masks: masks() }), recent: Recent::FIRST }
    }

    /// A frame begins.
    pub fn reset(&mut self) {
        let Tables { literals, offsets, matches, .. } = &mut *self.tables;
        (literals.log, offsets.log, matches.log) = (None, None, None);
        self.recent = Recent::FIRST;
    }

    /// Unpacks a block whose sequences are at `start..end` of `bytes`. `SPARE` bytes stand behind its literals.
    pub fn unpack(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        literals: &[u8],
        window: &mut Window,
        begin: usize,
    ) -> Result<(), Corrupt> {
        let (count, taken) = count(bytes.get(start..end).unwrap_or_default())?;
        let at = start + taken;
        if count > 0 {
            let at = self.tables(bytes, at, end)?;
            return self.execute(count, Backward::new(bytes, at, end)?, literals, window, begin);
        }
        if at != end {
            return Err(Corrupt("garbage follows a block's literals"));
        }
        window.add(begin, literals.get(..literals.len().saturating_sub(SPARE)).unwrap_or_default())
    }

    fn tables(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<usize, Corrupt> {
        let mut rest = bytes.get(start..end).unwrap_or_default();
        let modes = byte(&mut rest)?;
        if modes & 3 != 0 {
            return Err(Corrupt("unknown modes of tables"));
        }
        self.tables.literals.read(&LITERALS, modes >> 6, &mut rest)?;
        self.tables.offsets.read(&OFFSETS, modes >> 4 & 3, &mut rest)?;
        self.tables.matches.read(&MATCHES, modes >> 2 & 3, &mut rest)?;
        Ok(end - rest.len())
    }

    /// In batches: reading sequences, and doing what they say, are loops that the processor's registers are enough for each.
    fn execute(
        &mut self,
        count: usize,
        bits: Backward<'_>,
        literals: &[u8],
        window: &mut Window,
        begin: usize,
    ) -> Result<(), Corrupt> {
        let mut source = Source::new(&self.tables, bits)?;
        let mut writer = window.writer(begin, literals);
        let mut batch = [Sequence::default(); BATCH];
        let mut left = count;
        while left > 0 {
            let batch = batch.get_mut(..left.min(BATCH)).unwrap_or_default();
            source.fill(batch)?;
            writer.add(batch, &mut self.recent)?;
            left -= batch.len();
            if left > 0 {
                source.go_on();
            }
        }
        if !source.bits.is_at_front() {
            return Err(Corrupt("sequences are left over"));
        }
        let rest = writer.finish();
        window.add(begin, rest)
    }
}

const BATCH: usize = 64;

/// Where sequences are read from.
#[derive(Clone, Copy)]
struct Source<'a> {
    tables: &'a Tables,
    bits: Backward<'a>,
    literal: usize,
    offset: usize,
    repeat: usize,
}

impl<'a> Source<'a> {
    fn new(tables: &'a Tables, mut bits: Backward<'a>) -> Result<Source<'a>, Corrupt> {
        let literal = tables.literals.begin(&mut bits)?;
        let offset = tables.offsets.begin(&mut bits)?;
        let repeat = tables.matches.begin(&mut bits)?;
        Ok(Source { tables, bits, literal, offset, repeat })
    }

    /// Reads the next sequences. At the end the states are still those of the last one.
    ///
    /// In one piece with its own variables: out of smaller functions, rustc 1.95 makes a loop that is a sixth longer.
    #[inline(never)]
    fn fill(&mut self, batch: &mut [Sequence]) -> Result<(), Corrupt> {
        let mut bits = self.bits;
        let tables = self.tables;
        let masks = &tables.masks;
        let (mut literal, mut offset, mut repeat) = (self.literal, self.offset, self.repeat);
        let mut left = batch.len();
        for place in batch {
            let (o, m, l) = (tables.offsets.at(offset), tables.matches.at(repeat), tables.literals.at(literal));
            let extras = u32::from(o.extra) + u32::from(m.extra) + u32::from(l.extra);
            let mut look = bits.look();
            let value = o.value.wrapping_add(look.take(o.extra, masks));
            // 31, 16 and 16 bits at most, and 26 for the three states.
            if extras > SEEN as u32 - 26 {
                let mut behind = bits;
                behind.drop(o.extra.into());
                look = behind.look();
            }
            let length = m.value + look.take(m.extra, masks);
            let literals = l.value + look.take(l.extra, masks);
            bits.drop(extras);
            left -= 1;
            if left > 0 {
                literal = usize::from(l.base) + look.take(l.bits, masks) as usize;
                repeat = usize::from(m.base) + look.take(m.bits, masks) as usize;
                offset = usize::from(o.base) + look.take(o.bits, masks) as usize;
                bits.drop(u32::from(l.bits) + u32::from(m.bits) + u32::from(o.bits));
            }
            *place = Sequence { literals, length, value };
        }
        (self.bits, self.literal, self.offset, self.repeat) = (bits, literal, offset, repeat);
        if self.bits.is_over() { Err(CUT) } else { Ok(()) }
    }

    /// To the states behind those of a batch's last sequence.
    fn go_on(&mut self) {
        let Tables { literals, offsets, matches, .. } = self.tables;
        let (l, o, m) = (literals.at(self.literal), offsets.at(self.offset), matches.at(self.repeat));
        self.literal = usize::from(l.base) + self.bits.take(l.bits.into()) as usize;
        self.repeat = usize::from(m.base) + self.bits.take(m.bits.into()) as usize;
        self.offset = usize::from(o.base) + self.bits.take(o.bits.into()) as usize;
    }
}

const NO_TABLE: Corrupt = Corrupt("a table that was never there");

/// How many sequences; and the bytes that this takes.
fn count(bytes: &[u8]) -> Result<(usize, usize), Corrupt> {
    match *bytes {
        [few @ 0..128, ..] => Ok((few.into(), 1)),
        [255, low, high, ..] => Ok((usize::from(u16::from_le_bytes([low, high])) + 0x7f00, 3)),
        [high @ 128..=254, low, ..] => Ok((usize::from(high - 128) << 8 | usize::from(low), 2)),
        _ => Err(CUT),
    }
}

fn byte(rest: &mut &[u8]) -> Result<u8, Corrupt> {
    let (byte, after) = rest.split_first().ok_or(CUT)?;
    *rest = after;
    Ok(*byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_specification() {
        let literals = |symbol: usize| LITERAL_VALUES[symbol];
        assert_eq!([literals(0), literals(15), literals(16), literals(19)], [(0, 0), (15, 0), (16, 1), (22, 1)]);
        assert_eq!([literals(20), literals(22), literals(24), literals(25)], [(24, 2), (32, 3), (48, 4), (64, 6)]);
        assert_eq!([literals(26), literals(34), literals(35)], [(128, 7), (32768, 15), (65536, 16)]);
        let matches = |symbol: usize| MATCH_VALUES[symbol];
        assert_eq!([matches(0), matches(31), matches(32), matches(36)], [(3, 0), (34, 0), (35, 1), (43, 2)]);
        assert_eq!([matches(38), matches(40), matches(42), matches(43)], [(51, 3), (67, 4), (99, 5), (131, 7)]);
        assert_eq!([matches(44), matches(51), matches(52)], [(259, 8), (32771, 15), (65539, 16)]);
        for field in [LITERALS, OFFSETS, MATCHES] {
            assert!(Table::none().predefined(&field).is_ok());
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count(&[0]).unwrap(), (0, 1));
        assert_eq!(count(&[127]).unwrap(), (127, 1));
        assert_eq!(count(&[129, 2]).unwrap(), (258, 2));
        assert_eq!(count(&[255, 1, 2]).unwrap(), (0x7f00 + 513, 3));
        assert!(count(&[128]).is_err() && count(&[255, 1]).is_err() && count(&[]).is_err());
    }
}
