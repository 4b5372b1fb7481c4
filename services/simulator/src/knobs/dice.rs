//! Chance that can be repeated.

/// A generator of pseudo-random numbers (SplitMix64): small, fast and the same on every machine.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Whether chance has it, when it does so with this share. Certainty takes no throw, so that turning one knob
    /// does not change what another does.
    pub(super) fn fall(&mut self, share: f64) -> bool {
        if share <= 0.0 {
            return false;
        }
        1.0 <= share || self.unit() < share
    }

    /// A number from 0, included, to 1, excluded.
    pub(super) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits are what a float holds exactly.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution (the Box-Muller transform).
    pub(super) fn normal(&mut self) -> f64 {
        // The logarithm of 0 is none.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}
