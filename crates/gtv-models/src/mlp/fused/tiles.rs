//! Memory that blocks are worked on in, one piece for each thread.

use crate::mlp::kernels::PerThread;

/// The buffers of one thread.
#[derive(Default)]
pub(super) struct Tile {
    buffers: [Vec<f32>; 3],
}

impl Tile {
    /// Three buffers of the given lengths, with any content.
    pub(super) fn buffers(&mut self, lens: [usize; 3]) -> [&mut [f32]; 3] {
        let mut lens = lens.into_iter();
        self.buffers.each_mut().map(|buffer| {
            let len = lens.next().unwrap_or(0);
            if buffer.len() < len {
                buffer.resize(len, 0.0);
            }
            &mut buffer[..len]
        })
    }
}

/// The tiles of all threads.
pub(super) type Tiles = PerThread<Tile>;
