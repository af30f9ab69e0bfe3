//! [`Dice`]: numbers that follow from a seed.

/// Numbers that follow from a seed: splitmix64.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.any() % (end.max(1) as u64)) as usize
    }

    /// Any byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.any() as u8
    }

    /// One of them; none where there are none.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// A small number, at least 1: each more is half as likely.
    pub(crate) fn few(&mut self) -> usize {
        1 + (self.any() | 1 << 7).trailing_zeros() as usize
    }
}
