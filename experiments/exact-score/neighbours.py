"""Beside `exact_score_timing`: NumPy's plain score in f32, and scikit-learn's BallTree for the nearest two alone.

    python neighbours.py images.npz 0.1,0.5,1,2,4      (array `images`, uint8, scaled to [-1, 1])

Queries are digits plus sigma times noise, 1,024 of them; the smallest of three times is printed, in seconds.
"""
import sys
import time

import numpy as np
from sklearn.neighbors import BallTree


def shortest(work, repeats=3):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def score(x, points, half, sigma):
    logits = x @ points.T
    logits -= half
    logits /= sigma**2
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(1, keepdims=True)
    return (logits @ points - x) / sigma**2


images = np.load(sys.argv[1])["images"]
points = images.reshape(len(images), -1) / 127.5 - 1
rng = np.random.default_rng(1)
start = time.perf_counter()
tree = BallTree(points)
print(f"# tree built in {time.perf_counter() - start:.2f} s", file=sys.stderr)
single = points.astype(np.float32)
half = (single**2).sum(1) / 2
print("sigma,numpy_f32_s,balltree_nearest_two_s")
for sigma in map(float, sys.argv[2].split(",")):
    x = points[rng.integers(len(points), size=1024)] + sigma * rng.normal(size=(1024, points.shape[1]))
    plain = shortest(lambda: score(x.astype(np.float32), single, half, np.float32(sigma)))
    near = shortest(lambda: tree.query(x, k=2), repeats=1)
    print(f"{sigma},{plain:.3f},{near:.3f}")
