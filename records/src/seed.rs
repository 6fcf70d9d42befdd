//! Randomness is counted, not consumed: every draw is a function of (seed, record, turn, purpose) on ChaCha8, so neighbours,
//! batch size, threads and earlier draws cannot shift it.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// The seed of an episode. Members of a GRPO group share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed after this one in a slot that resets itself: a mix, so that neighbouring slots do not run into each other.
    pub fn next(self) -> Seed {
        Seed(Draw::new(self, b"next episode", 0, Purpose::Case).next_u64())
    }
}

/// What a draw is for. Each purpose has a stream of its own; numbers are frozen, new ones are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    Persona = 1,
    Opening = 2,
    Select = 3,
    Voice = 4,
    Repair = 5,
    Policy = 6,
    Case = 7,
    Bootstrap = 8,
    Record = 9,
}

/// A stream of draws for one purpose at one turn.
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// `context` separates worlds that share a seed (the record's content hash, a policy's name).
    pub fn new(seed: Seed, context: &[u8], turn: u32, purpose: Purpose) -> Draw {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.0.to_le_bytes());
        let n = context.len().min(24);
        if context.len() > 24 {
            key[8..].copy_from_slice(&blake3::hash(context).as_bytes()[..24]);
        } else {
            key[8..8 + n].copy_from_slice(context);
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(((turn as u64) << 8) | purpose as u64);
        Draw(rng)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..n` by widening multiplication; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.0.next_u32() as u64 * n as u64) >> 32) as usize
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `percent` / 100.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent as usize
    }

    /// One of the items; `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_nothing_but_its_coordinates() {
        let one = |turn, purpose| Draw::new(Seed(7), b"case", turn, purpose).next_u64();
        let alone = one(3, Purpose::Voice);
        let _ = (one(2, Purpose::Voice), one(3, Purpose::Select));
        assert_eq!(alone, one(3, Purpose::Voice));
        assert_ne!(alone, one(4, Purpose::Voice));
        assert_ne!(alone, one(3, Purpose::Select));
    }
}
