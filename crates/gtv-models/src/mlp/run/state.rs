//! What a group of networks in training must not lose, as bytes: the steps done, the lines of the log, and arrays.
//!
//! All little endian: steps (u64), sums of the line in hand (4 × f64), count and values of the log (f64), count of arrays,
//! and for each its name (length, UTF-8) and values (count, f32).

use std::io::{self, Write};

/// The state of a group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Sums since the last line of the log.
    pub sums: [f64; 4],
    /// The group's lines of the log.
    pub log: Vec<f64>,
    /// Parameters, and what the optimizer keeps of them.
    pub arrays: Vec<(String, Vec<f32>)>,
}

/// Values converted at a time: bounds what a large array needs beside itself.
const PIECE: usize = 1 << 14;

impl State {
    /// Bytes that [`State::encode`] writes.
    pub fn len(&self) -> usize {
        let arrays = self.arrays.iter().map(|(name, values)| 16 + name.len() + 4 * values.len());
        8 * (1 + self.sums.len() + 1 + self.log.len() + 1) + arrays.sum::<usize>()
    }

    /// Writes everything.
    ///
    /// # Errors
    /// The sink's.
    pub fn encode(&self, sink: &mut dyn Write) -> io::Result<()> {
        sink.write_all(&self.step.to_le_bytes())?;
        doubles(sink, &self.sums)?;
        sink.write_all(&(self.log.len() as u64).to_le_bytes())?;
        doubles(sink, &self.log)?;
        sink.write_all(&(self.arrays.len() as u64).to_le_bytes())?;
        for (name, values) in &self.arrays {
            sink.write_all(&(name.len() as u64).to_le_bytes())?;
            sink.write_all(name.as_bytes())?;
            sink.write_all(&(values.len() as u64).to_le_bytes())?;
            for piece in values.chunks(PIECE) {
                let bytes: Vec<u8> = piece.iter().flat_map(|v| v.to_le_bytes()).collect();
                sink.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// Reads what [`State::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let step = rest.number()?;
        let sums: [f64; 4] = rest.doubles(4)?.try_into().ok()?;
        let count = rest.number()?;
        let log = rest.doubles(count)?;
        let count = rest.number()?;
        let mut arrays = Vec::new();
        for _ in 0..count {
            let len = rest.number()?;
            let name = String::from_utf8(rest.take(len)?.to_vec()).ok()?;
            let len = rest.number()?;
            let values = rest.take(len.checked_mul(4)?)?.as_chunks::<4>().0.iter();
            arrays.push((name, values.map(|v| f32::from_le_bytes(*v)).collect()));
        }
        rest.0.is_empty().then_some(Self { step, sums, log, arrays })
    }

    /// Whether every parameter is a number: a run that has just diverged must not be saved.
    pub fn is_finite(&self) -> bool {
        self.arrays.iter().all(|(_, values)| values.iter().all(|v| v.is_finite()))
    }
}

fn doubles(sink: &mut dyn Write, values: &[f64]) -> io::Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    sink.write_all(&bytes)
}

/// Bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn doubles(&mut self, count: u64) -> Option<Vec<f64>> {
        let bytes = self.take(count.checked_mul(8)?)?;
        Some(bytes.as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_a_state_reads_back_bit_for_bit() {
        let state = State {
            step: 7,
            sums: [0.1, f64::MAX, -0.0, 3.0],
            log: vec![1.0, 5e-324],
            arrays: vec![
                ("0.weight.value".to_owned(), (0..PIECE + 3).map(|i| (i as f32).sqrt()).collect()),
                (String::new(), vec![]),
            ],
        };
        let mut bytes = Vec::new();
        state.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), state.len());
        assert_eq!(State::decode(&bytes).unwrap(), state);
        for cut in [0, 7, 40, 60, bytes.len() - 1] {
            assert_eq!(State::decode(&bytes[..cut]), None, "{cut}");
        }
        bytes.push(0);
        assert_eq!(State::decode(&bytes), None);
        // A length beyond the address space.
        assert_eq!(State::decode(&[0xff; 64]), None);
        let bad = State { arrays: vec![("a".to_owned(), vec![f32::NAN])], ..State::default() };
        assert!(state.is_finite() && !bad.is_finite());
    }
}
