# %% [markdown]
# # The paper's experiment
#
# Three points on a line, 256 Gaussian features, denoising score matching by ridge regression. Models that are trained on fewer samples
# generalise more: their learned scores vary from training set to training set, and sampling turns that variance into new samples.
# How much of it does the theory predict?

# %%
import os

import gtv

# Set GTV_SMALL=1 for a run of a few seconds, as the tests do.
small = bool(os.environ.get("GTV_SMALL"))
members, paths = (10, 500) if small else (100, 10_000)
config = {
    "data": {"kind": "three-points"},
    "ensemble": {"members": members},
    "sampling": {"paths": paths},
    "theory": {"models": members, "paths": paths, "closures": ["leading", "finite-p", "shot-noise"]},
    "compare": {"bootstrap": 50},
}

# %% [markdown]
# The variance of the learned score, theory over ensemble, and the W1 distance from each level to the trained ensemble, for three sizes
# of the training set.

# %%
levels = ["pf_ode", "mean_score", "theory_leading", "theory_finite-p", "theory_shot-noise"]
results = {}
print(f"{'P':>6} {'ratio':>7}  " + "  ".join(f"{level:>18}" for level in levels))
for samples in [256, 1024, 4096]:
    results[samples] = gtv.compare(config, set={"model.samples": samples})
    summary = results[samples].summary
    ratio = summary["kernel"]["finite-p"]["variance_ratio"]
    w1 = [summary["distances"][level]["ensemble"]["w1"]["value"] for level in levels]
    print(f"{samples:6d} {ratio:7.2f}  " + "  ".join(f"{value:18.4f}" for value in w1))

# %% [markdown]
# The whole report of one of them: in a notebook, a result shows itself.

# %%
results[1024]
