//! The last three distances, which a sequence can name (RFC 8878, 3.1.1.5).

/// The latest first.
#[derive(Clone, Copy)]
pub struct Recent([u32; 3]);

impl Recent {
    /// Those of a frame's beginning.
    pub const FIRST: Recent = Recent([1, 4, 8]);

    /// The distance that a value, which is not 0, means: one of these, or a new one. 0 is none.
    #[inline(always)]
    pub fn distance(&mut self, value: u32, no_literals: bool) -> u32 {
        let [first, second, third] = self.0;
        if value > 3 {
            self.0 = [value - 3, first, second];
            return value - 3;
        }
        // Which one it is cannot be foreseen: no branch depends on it.
        let which = value + u32::from(no_literals);
        let old = if which == 2 { second } else { third };
        let distance = if which > 3 { first.wrapping_sub(1) } else { old };
        let distance = if which == 1 { first } else { distance };
        self.0 = [distance, if which == 1 { second } else { first }, if which < 3 { third } else { second }];
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_distances() {
        let mut recent = Recent::FIRST;
        let mut distance = |value, no_literals| (recent.distance(value, no_literals), recent.0);
        assert_eq!(distance(103, false), (100, [100, 1, 4]));
        assert_eq!(distance(1, false), (100, [100, 1, 4]));
        assert_eq!(distance(2, false), (1, [1, 100, 4]));
        assert_eq!(distance(3, false), (4, [4, 1, 100]));
        assert_eq!(distance(1, true), (1, [1, 4, 100]));
        assert_eq!(distance(2, true), (100, [100, 1, 4]));
        assert_eq!(distance(3, true), (99, [99, 100, 1]));
        assert_eq!(Recent([1, 2, 3]).distance(3, true), 0);
    }
}
