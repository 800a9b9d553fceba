"""How strongly networks answer to a part of their data: python3 replaced.py [--samples 1024] [--activation silu] (needs jax).

Independent of gtv: the setting of silu-64.toml, written anew. One network is trained on P triples, others from the same start through the
same batches with a share f of the triples drawn anew; V_f = E out^2 |F_f - F|^2/(2 f) over t < 0.3 would not depend on f if networks were
linear in what their triples pull.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--samples", type=int, default=1024)
parser.add_argument("--activation", default="silu")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--networks", type=int, default=8, help="for each share")
options = parser.parse_args()

SAMPLES, STEPS, WARMUP, BATCH, WIDTH, RATE = options.samples, 800, 40, 128, 64, 0.005
T_MIN, DATA_VAR = 0.01, 2 / 3
SHARES = [1 / 256, 1 / 64, 1 / 16, 1 / 4, 1]
activation = {"silu": jax.nn.silu, "relu": jax.nn.relu}[options.activation]
rng = np.random.default_rng(options.seed)


def signal(t):
    return np.exp(-t * (0.1 + 0.5 * 19.9 * t))


def clock(t):
    a = signal(t) ** 2
    return np.clip(np.log(a / (1 - a)), -20, 20)


def inputs(x, t):
    a, ends = signal(t) ** 2, clock(np.array([T_MIN, 1.0]))
    u = 2 * (clock(t) - ends[0]) / (ends[1] - ends[0]) - 1
    waves = [f(0.5 * np.pi * 2**k * u) for k in range(4) for f in (np.cos, np.sin)]
    return np.stack([x / np.sqrt(a * DATA_VAR + 1 - a), *waves], -1)


def triples(count):
    """Inputs, label of F, weight w out^2, t and out^2."""
    x0, t = rng.integers(-1, 2, count), T_MIN + (1 - T_MIN) * rng.random(count)
    a = signal(t)
    noise = 1 - a**2
    x, total = a * x0 + np.sqrt(noise) * rng.standard_normal(count), a**2 * DATA_VAR + noise
    out = noise * DATA_VAR / total
    label = (x0 - a * DATA_VAR / total * x) / np.sqrt(out)
    return inputs(x, t), label, a**2 / noise * out, t, out


def network(parameters, z):
    w0, b0, w1, b1, w2 = parameters
    return (activation(activation(z @ w0 + b0) @ w1 + b1) @ w2)[..., 0]


def loss(parameters, z, label, weight):
    return 0.5 * jnp.mean(weight * (label - network(parameters, z)) ** 2)


def start():
    normal = rng.standard_normal
    wide, shift = np.sqrt(2 / WIDTH), np.sqrt(0.1)
    w0 = normal((9, WIDTH)) * np.sqrt(2 / 9)
    return [w0, normal(WIDTH) * shift, normal((WIDTH, WIDTH)) * wide, normal(WIDTH) * shift, normal((WIDTH, 1)) / np.sqrt(WIDTH)]


@jax.jit
@jax.vmap
def trained(z, label, weight):
    def step(state, k):
        theta, mean, second = state
        rows = order[k]
        g = jax.grad(loss)(theta, z[rows], label[rows], weight[rows])
        mean = [0.9 * m + 0.1 * g for m, g in zip(mean, g)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, g)]
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * (k - WARMUP) / (STEPS - WARMUP)))
        rate = RATE * jnp.where(k < WARMUP, (k + 1) / WARMUP, cosine)
        unbiased = [m / (1 - 0.9 ** (k + 1.0)) for m in mean]
        root = [jnp.sqrt(v / (1 - 0.999 ** (k + 1.0))) + 1e-8 for v in second]
        return ([p - rate * m / r for p, m, r in zip(theta, unbiased, root)], mean, second), None

    zero = [jnp.zeros_like(p) for p in initial]
    (theta, _, _), _ = jax.lax.scan(step, (initial, zero, zero), jnp.arange(STEPS))
    return network(theta, probes)


initial = [jnp.array(p, jnp.float32) for p in start()]
passes = [rng.permutation(SAMPLES) for _ in range(-(-STEPS * BATCH // SAMPLES))]
order = jnp.array(np.concatenate(passes)[: STEPS * BATCH].reshape(STEPS, BATCH))
base = triples(SAMPLES)[:3]
at = triples(4000)
early = at[3] - T_MIN < 0.3 * (1 - T_MIN)
probes, out = jnp.array(at[0][early], jnp.float32), at[4][early]

sets = [base]
for share in SHARES:
    for _ in range(options.networks):
        chosen = rng.permutation(SAMPLES) < max(round(share * SAMPLES), 1)
        sets.append([np.where(chosen.reshape(-1, *[1] * (b.ndim - 1)), a, b) for a, b in zip(triples(SAMPLES), base)])
learned = np.array(trained(*(jnp.array(np.stack(part), jnp.float32) for part in zip(*sets))))
change = (out * (learned[1:] - learned[0]) ** 2).mean(1).reshape(len(SHARES), -1)
for share, values in zip(SHARES, change):
    values = values / (2 * share)
    print(f"share {share:.4f}: V_f = {values.mean():.4f} ± {values.std() / np.sqrt(len(values)):.4f}")
