"""The kernel of `ntk.rs` in neural-tangents on the CPU, float64. Prints minima and medians in seconds.

    pip install "jax[cpu]==0.4.30" neural-tangents==0.6.5 "numpy<2" "scipy<1.14"
    python ntk_neural_tangents.py [--seconds 20] [--size 4096]
"""

import argparse
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import neural_tangents as nt
import numpy as np
from neural_tangents import stax


def network(activation, depth=3, weight_var=2.0, bias_var=0.01):
    layers = []
    for _ in range(depth):
        layers += [stax.Dense(1, W_std=weight_var**0.5, b_std=bias_var**0.5), activation()]
    return stax.serial(*layers, stax.Dense(1, W_std=1.0))[2]


def measure(name, work, seconds):
    work()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(f"{name}: min {min(times):.3f}, median {np.median(times):.3f} ({len(times)} runs)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--size", type=int, default=4096)
    args = parser.parse_args()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(args.size, 3)))
    for name, activation in [("relu", stax.Relu), ("erf", stax.Erf)]:
        kernel = jax.jit(network(activation), static_argnames="get")
        for sets, arguments in [("two_sets", (x, x + 0)), ("symmetric", (x, None))]:
            work = lambda: kernel(*arguments, get="ntk").block_until_ready()
            measure(f"ntk/{name}/{sets}", work, args.seconds)
