//! Independent random streams: one user seed, one stream for each (purpose, member, chunk).
//!
//! A stream is a ChaCha8 counter-mode generator whose 256-bit key *is* the tuple
//! (seed, name and purpose, member, chunk), so streams never overlap, need no shared state, and give the same
//! numbers whatever the number of threads or the order in which work is scheduled.

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;

/// What a stream is for. The number is part of the key and therefore of every saved result: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Built-in random data sets.
    Data = 1,
    /// Training triples (x0, t, x).
    Training = 2,
    /// Initial states x_T of sampling.
    Initial = 3,
    /// Noise along sampling paths.
    PathNoise = 4,
    /// Draws of a model from the theory's law (weights W, shot noise).
    TheoryModel = 5,
    /// Randomised quasi-Monte-Carlo shifts.
    Quadrature = 6,
    /// Bootstrap resamples.
    Bootstrap = 7,
    /// Random features (frequencies and phases).
    Features = 8,
    /// Random projections of sliced distances.
    Projections = 9,
    /// Network initialisation.
    Init = 10,
    /// Test and probe points.
    Probe = 11,
    /// Fresh noise of a training step.
    Steps = 12,
    /// The order of a pass over a training set.
    Batches = 13,
}

/// The family of streams that derives from one user seed.
///
/// ```
/// use gtv_theory::rng::{Purpose, Streams};
/// use rand::Rng;
/// let streams = Streams::new(7);
/// let a = streams.stream(Purpose::Training, 3, 0).next_u64();
/// let b = streams.stream(Purpose::Training, 3, 0).next_u64();
/// let c = streams.stream(Purpose::Training, 4, 0).next_u64();
/// assert_eq!(a, b);
/// assert_ne!(a, c);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
    /// Of a name, 56 bits; 0 for none.
    scope: u64,
}

impl Streams {
    /// The streams of a user seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, scope: 0 }
    }

    /// The same family for work of a name of its own, such as a level of a comparison: names that differ share no stream.
    ///
    /// The scope is the name's FNV-1a hash folded to 56 bits.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self { scope: (hash >> 56) ^ (hash & (u64::MAX >> 8)), ..self }
    }

    /// The user seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The stream of one piece of work: `member` counts models, `chunk` counts pieces within a model.
    pub fn stream(&self, purpose: Purpose, member: u64, chunk: u64) -> ChaCha8Rng {
        let mut key = [0u8; 32];
        for (slot, word) in
            key.chunks_exact_mut(8).zip([self.seed, self.scope << 8 | purpose as u64, member, chunk])
        {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}
