//! Numbers without a pattern, but the same in each run: all servers are asked for the same ranges.

/// Steele, Lea and Flood's SplitMix64.
pub struct Chance(u64);

impl Chance {
    /// Numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One below `bound`, which is not 0. It is not quite as likely as any other, which nobody notices here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().unwrap_or_default() % bound
    }
}

impl Iterator for Chance {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let one = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(two ^ (two >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_numbers() {
        // As in the reference implementation, of 1234567.
        let numbers: Vec<u64> = Chance::new(1_234_567).take(2).collect();
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
