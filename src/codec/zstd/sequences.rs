//! The sequences of a zstd block (RFC 8878, 3.1.1.3.2): literals to be added, and matches behind them.

use super::Corrupt;
use super::bits::{Backward, top};
use super::fse::Probabilities;
use super::window::Window;

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
#[derive(Clone)]
struct Table {
    log: Option<u32>,
    states: [State; STATES],
}

const STATES: usize = 1 << 9;

/// What distinguishes the tables.
struct Field {
    log_most: u32,
    /// The value of each symbol and the bits that are added.
    values: fn(u8) -> Option<(u32, u8)>,
    symbols: usize,
    predefined: (u32, &'static [i16]),
}

const LITERALS: Field = Field {
    log_most: 9,
    values: |symbol| LITERAL_VALUES.get(usize::from(symbol)).copied(),
    symbols: LITERAL_VALUES.len(),
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
    values: |symbol| (symbol < 32).then(|| (1 << symbol, symbol)),
    symbols: 32,
    predefined: (5, &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
};

const MATCHES: Field = Field {
    log_most: 9,
    values: |symbol| MATCH_VALUES.get(usize::from(symbol)).copied(),
    symbols: MATCH_VALUES.len(),
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
    const NONE: Table = Table { log: None, states: [State { value: 0, base: 0, bits: 0, extra: 0 }; STATES] };

    fn fill(&mut self, field: &Field, probabilities: &Probabilities) -> Result<(), Corrupt> {
        self.log = None;
        for (place, state) in self.states.iter_mut().zip(probabilities.states()?) {
            let (value, extra) = (field.values)(state.symbol).ok_or(CUT)?;
            *place = State { value, base: state.base, bits: state.bits, extra };
        }
        self.log = Some(probabilities.log);
        Ok(())
    }

    fn predefined(&mut self, field: &Field) -> Result<(), Corrupt> {
        let (log, of) = field.predefined;
        self.fill(field, &Probabilities { log, of: of.to_vec() })
    }

    /// Its one state means one symbol.
    fn single(&mut self, field: &Field, symbol: u8) -> Result<(), Corrupt> {
        let (value, extra) = (field.values)(symbol).ok_or(Corrupt("a symbol that does not exist"))?;
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
    recent: [u32; 3],
}

/// Side by side: the loop over the sequences has one address for them.
struct Tables {
    literals: Table,
    offsets: Table,
    matches: Table,
}

/// The literals of a block, with spare bytes behind them.
pub struct Literals<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub end: usize,
}

impl Sequences {
    pub fn new() -> Sequences {
        let tables = Tables { literals: Table::NONE, offsets: Table::NONE, matches: Table::NONE };
        Sequences { tables: Box::new(tables), recent: FIRST_RECENT }
    }

    /// A frame begins.
    pub fn reset(&mut self) {
        let Tables { literals, offsets, matches } = &mut *self.tables;
        (literals.log, offsets.log, matches.log) = (None, None, None);
        self.recent = FIRST_RECENT;
    }

    /// Unpacks a block whose sequences are at `start..end` of `bytes`.
    pub fn unpack(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        literals: &mut Literals<'_>,
        window: &mut Window,
        begin: usize,
    ) -> Result<(), Corrupt> {
        let (count, taken) = count(bytes.get(start..end).unwrap_or_default())?;
        let at = start + taken;
        if count == 0 && at != end {
            return Err(Corrupt("garbage follows a block's literals"));
        }
        if count > 0 {
            let at = self.tables(bytes, at, end)?;
            self.execute(count, Backward::new(bytes, at, end)?, literals, window, begin)?;
        }
        window.add(begin, literals.bytes.get(literals.at..literals.end).unwrap_or_default())
    }

    fn tables(&mut self, bytes: &[u8], start: usize, end: usize) -> Result<usize, Corrupt> {
        let mut rest = bytes.get(start..end).unwrap_or_default();
        let modes = byte(&mut rest)?;
        if modes & 3 != 0 {
            return Err(Corrupt("unknown modes of tables"));
        }
        table(&mut self.tables.literals, &LITERALS, modes >> 6, &mut rest)?;
        table(&mut self.tables.offsets, &OFFSETS, modes >> 4 & 3, &mut rest)?;
        table(&mut self.tables.matches, &MATCHES, modes >> 2 & 3, &mut rest)?;
        Ok(end - rest.len())
    }

    fn execute(
        &mut self,
        count: usize,
        mut bits: Backward<'_>,
        literals: &mut Literals<'_>,
        window: &mut Window,
        begin: usize,
    ) -> Result<(), Corrupt> {
        let tables = &*self.tables;
        let mut literal = tables.literals.begin(&mut bits)?;
        let mut offset = tables.offsets.begin(&mut bits)?;
        let mut repeat = tables.matches.begin(&mut bits)?;
        let mut recent = self.recent;
        let mut writer = window.writer(begin, literals.bytes);
        for left in (0..count).rev() {
            let (o, m, l) = (tables.offsets.at(offset), tables.matches.at(repeat), tables.literals.at(literal));
            // 31 and 16 bits at most, of the 57 that there are.
            let mut word = bits.word();
            let value = o.value.wrapping_add(top(word, o.extra.into()));
            let length = (m.value + top(word << o.extra, m.extra.into())) as usize;
            let mut taken = u32::from(o.extra) + u32::from(m.extra);
            // 16 bits more, and 26 for the three states.
            if taken + u32::from(l.extra) > 57 - 26 {
                bits.drop(taken);
                word = bits.word();
                taken = 0;
            }
            let before = (l.value + top(word << taken, l.extra.into())) as usize;
            taken += u32::from(l.extra);
            if left > 0 {
                literal = usize::from(l.base) + top(word << taken, l.bits.into()) as usize;
                taken += u32::from(l.bits);
                repeat = usize::from(m.base) + top(word << taken, m.bits.into()) as usize;
                taken += u32::from(m.bits);
                offset = usize::from(o.base) + top(word << taken, o.bits.into()) as usize;
                taken += u32::from(o.bits);
            }
            bits.drop(taken);
            if bits.is_over() || before > literals.end - literals.at {
                return Err(CUT);
            }
            let distance = distance(&mut recent, value, before == 0);
            writer.add(literals.at, before, distance as usize, length)?;
            literals.at += before;
        }
        writer.finish();
        self.recent = recent;
        if bits.is_at_front() { Ok(()) } else { Err(Corrupt("sequences are left over")) }
    }
}

const FIRST_RECENT: [u32; 3] = [1, 4, 8];
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

/// The table of a block, in one of four ways.
fn table(table: &mut Table, field: &Field, mode: u8, rest: &mut &[u8]) -> Result<(), Corrupt> {
    match mode {
        0 => table.predefined(field),
        1 => table.single(field, byte(rest)?),
        2 => {
            let (probabilities, taken) = Probabilities::parse(rest, field.log_most, field.symbols)?;
            *rest = rest.get(taken..).unwrap_or_default();
            table.fill(field, &probabilities)
        }
        _ => table.log.map(drop).ok_or(NO_TABLE),
    }
}

fn byte(rest: &mut &[u8]) -> Result<u8, Corrupt> {
    let (byte, after) = rest.split_first().ok_or(CUT)?;
    *rest = after;
    Ok(*byte)
}

/// The distance that a value means: one of the last three, or a new one. 0 is none.
#[inline(always)]
fn distance(recent: &mut [u32; 3], value: u32, no_literals: bool) -> u32 {
    let [first, second, third] = *recent;
    let distance = match (value, no_literals) {
        (4.., _) => value - 3,
        (1, false) => return first,
        (2, false) | (1, true) => {
            *recent = [second, first, third];
            return second;
        }
        (3, false) | (2, true) => third,
        _ => first.wrapping_sub(1),
    };
    *recent = [distance, first, second];
    distance
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
            assert!(Table::NONE.predefined(&field).is_ok());
        }
    }

    #[test]
    fn recent_distances() {
        let mut recent = [1, 4, 8];
        assert_eq!((distance(&mut recent, 103, false), recent), (100, [100, 1, 4]));
        assert_eq!((distance(&mut recent, 1, false), recent), (100, [100, 1, 4]));
        assert_eq!((distance(&mut recent, 2, false), recent), (1, [1, 100, 4]));
        assert_eq!((distance(&mut recent, 3, false), recent), (4, [4, 1, 100]));
        assert_eq!((distance(&mut recent, 1, true), recent), (1, [1, 4, 100]));
        assert_eq!((distance(&mut recent, 2, true), recent), (100, [100, 1, 4]));
        assert_eq!((distance(&mut recent, 3, true), recent), (99, [99, 100, 1]));
        assert_eq!(distance(&mut [1, 2, 3], 3, true), 0);
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
