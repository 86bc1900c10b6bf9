//! The compiler's coverage counters (SanitizerCoverage, inline 8-bit counters), where the build has them.

use std::sync::Mutex;

/// The counters of each object file: where they begin, how many they are.
static REGIONS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Called before main for each instrumented object file.
///
/// # Safety
/// `start..stop` are counters that live as long as the process: the compiler's promise.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let length = stop as usize - start as usize;
    let mut regions = REGIONS.lock().unwrap();
    if length > 0 && !regions.contains(&(start as usize, length)) {
        regions.push((start as usize, length));
    }
}

/// What was reached so far, by how often: one set of count classes a counter.
#[derive(Default)]
pub struct Seen(Vec<u8>);

/// What one input reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    Known,
    /// Known code, as often as never before.
    MoreOften,
    /// Code that nothing reached before.
    New,
}

impl Ground {
    pub fn more_often(self) -> bool {
        self != Ground::Known
    }
}

impl Seen {
    /// Whether this build counts at all.
    pub fn is_counting() -> bool {
        !REGIONS.lock().unwrap().is_empty()
    }

    /// Takes the counters in and sets them back.
    pub fn take(&mut self) -> Ground {
        let mut ground = Ground::Known;
        let mut base = 0;
        for (start, length) in REGIONS.lock().unwrap().iter() {
            // SAFETY: the region was announced by the compiler's own start-up code and is never freed; other threads
            // that count at the same time can only make a count wrong.
            let counters = unsafe { std::slice::from_raw_parts_mut(*start as *mut u8, *length) };
            for (number, some) in counters.chunks_mut(64).enumerate() {
                if some.iter().any(|counter| *counter != 0) {
                    ground = ground.max(self.add(base + number * 64, some));
                    some.fill(0);
                }
            }
            base += length;
        }
        ground
    }

    fn add(&mut self, base: usize, counters: &[u8]) -> Ground {
        if self.0.len() < base + counters.len() {
            self.0.resize(base + counters.len(), 0);
        }
        let mut ground = Ground::Known;
        for (seen, count) in self.0[base..].iter_mut().zip(counters).filter(|(_, count)| **count != 0) {
            let class = class(*count);
            ground = ground.max(match (*seen, *seen & class) {
                (0, _) => Ground::New,
                (_, 0) => Ground::MoreOften,
                _ => Ground::Known,
            });
            *seen |= class;
        }
        ground
    }
}

/// Once, twice, thrice, a few, many, very many.
fn class(count: u8) -> u8 {
    match count {
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=31 => 16,
        _ => 32,
    }
}
