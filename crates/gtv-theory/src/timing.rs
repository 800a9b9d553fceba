//! Seconds of pieces of work, from which those of the whole are foretold.

use std::time::Instant;

/// Seconds in which a piece that is short is repeated.
const SETTLED: f64 = 0.1;

/// What a piece of work makes, and its seconds by the clock.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let started = Instant::now();
    let made = work();
    (made, started.elapsed().as_secs_f64())
}

/// The same for work that goes on as one part of much: it is repeated for a tenth of a second, and the least time counts. The first time
/// also pays for threads that wake and memory that is new.
pub fn settled<T>(mut work: impl FnMut() -> T) -> (T, f64) {
    let (mut made, mut least) = timed(&mut work);
    let mut spent = least;
    while spent < SETTLED {
        let seconds;
        (made, seconds) = timed(&mut work);
        (least, spent) = (least.min(seconds), spent + seconds);
    }
    (made, least)
}
