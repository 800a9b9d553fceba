# %% [markdown]
# # Networks in JAX
#
# Five small networks are trained here in JAX on denoising score matching. gtv sees them as functions f(x, t); the theory predicts from
# their own tangent features, ∂y/∂θ at initialisation. A network of Flax goes in the same way: only `initial` and `predict` differ.

# %%
import os

import numpy as np

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    print("JAX is not installed: pip install jax")
    raise SystemExit(0)

import gtv

small = bool(os.environ.get("GTV_SMALL"))
data = np.array([-1.0, 0.0, 1.0])
schedule = gtv.Schedule.vp_linear(t_min=0.01)
width, samples, steps = (64, 256, 300) if small else (256, 1024, 4000)
jax.config.update("jax_enable_x64", True)


# %% [markdown]
# One hidden layer in the NTK parameterisation, of z: x, and the log-SNR on the scale of one. It predicts the noise.

# %%
def initial(key):
    shapes = {"W": (2, width), "b": (width,), "v": (width,)}
    return {name: jax.random.normal(k, shapes[name]) for name, k in zip(shapes, jax.random.split(key, 3))}


def predict(theta, z):
    return jnp.tanh(z @ theta["W"] + theta["b"]) @ theta["v"] / jnp.sqrt(width)


def inputs(x, t):
    return np.concatenate([x, schedule.log_snr(t)[:, None] / 4], axis=1)


start = initial(jax.random.key(0))

# %% [markdown]
# The tangent features: the gradient of y to every parameter, one row a point.

# %%
gradient = jax.jit(jax.vmap(jax.grad(predict), (None, 0)))


def features(x, t):
    return np.concatenate([g.reshape(len(x), -1) for g in gradient(start, inputs(x, t)).values()], axis=1)


# %% [markdown]
# Full-batch gradient descent from that start, each network on a training set of its own. The function at initialisation is
# subtracted, so that training starts from 0.

# %%
def training_set(seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(schedule.t_min, schedule.t_max, samples)
    x0, noise = rng.choice(data, (samples, 1)), rng.normal(size=(samples, 1))
    return schedule.signal(t)[:, None] * x0 + schedule.noise_std(t)[:, None] * noise, t, noise


phi = features(*training_set(0)[:2])
rate = 1 / np.linalg.eigvalsh(phi.T @ phi / samples)[-1]


def learned(theta, z):
    return predict(theta, z) - predict(start, z)


@jax.jit
def descend(z, noise):
    def step(theta, _):
        pull = jax.grad(lambda theta: 0.5 * jnp.mean((learned(theta, z) - noise) ** 2))(theta)
        return jax.tree.map(lambda p, g: p - rate * g, theta, pull), None

    return jax.lax.scan(step, start, length=steps)[0]


answer = jax.jit(learned)


def train(seed):
    x, t, noise = training_set(seed)
    theta = descend(inputs(x, t), noise[:, 0])
    return lambda x, t: answer(theta, inputs(x, t))


networks = [train(seed) for seed in range(1, 6)]

# %% [markdown]
# The comparison: kernel numbers, levels and distances, as for models that gtv trains. A ridge stands for the time of training: gradient
# descent in so many steps learns about what a ridge of 1/(rate · steps) leaves.

# %%
coarse = {"times": 24, "noise_spacing": 0.25} if small else {}
config = {
    "model": {"prediction": "noise", "samples": samples, "ridge": float(1 / (rate * steps))},
    "sampling": {"paths": 200 if small else 5_000},
    "theory": {"closures": ["leading"], "models": 5 if small else 50, "paths": 200 if small else 5_000, **coarse},
    "compare": {"bootstrap": 20 if small else 200},
}
result = gtv.compare(config, data=data, ensemble=networks, prediction="noise", features=features)
print(result)

# %%
result
