"""The steps of `sampling.rs` as a plain NumPy loop over time, float64. Prints millions of path-steps a second.

    python sampling_numpy.py [--paths 100000] [--repeats 5]
"""

import argparse
import time

import numpy as np

LO, HI, LEN, STEPS, T_MIN = -1.5, 1.5, 16, 30, 0.01


def gaussians(z, lo, hi):
    width = 0.5 * (hi - lo) / (LEN - 1)
    u = (z[:, None] - np.linspace(lo, hi, LEN)) / width
    return np.exp(-0.5 * u * u) / (width * np.sqrt(2 * np.pi))


def sample(x, weights):
    times = np.linspace(1.0, T_MIN, STEPS + 1)
    for t, after in zip(times[:-1], times[1:]):
        rate = 0.1 + 19.9 * t
        signal = np.exp(-0.1 * t - 0.5 * 19.9 * t * t)
        denoised = gaussians(x, LO, HI) @ (weights @ gaussians(np.array([t]), T_MIN, 1.0)[0])
        score = (signal * denoised - x) / (1.0 - signal * signal)
        x = x - (after - t) * rate * (x + score)
    return x


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--paths", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    weights = 0.02 * (np.arange(256).reshape(16, 16) / 16.0 - 7.5) / 7.5
    clock, processor = [], []
    for _ in range(args.repeats):
        start, used = time.perf_counter(), time.process_time()
        sample(rng.standard_normal(args.paths), weights)
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    work = args.paths * STEPS / 1e6
    print(f"{work / min(clock):.1f} by the clock, {work / min(processor):.1f} by processor time")
