"""time.png from time.csv: python plot.py"""
import csv

import matplotlib.pyplot as plt

COLOURS = {"f64": "#0072B2", "f32": "#D55E00"}
rows = list(csv.DictReader(open("time.csv")))
figure, axes = plt.subplots(figsize=(5.5, 3.6))
for precision, colour in COLOURS.items():
    points = [(float(r["sigma"]), float(r["ratio"])) for r in rows if r["precision"] == precision]
    axes.plot(*zip(*points), "o-", color=colour, label=precision)
axes.axhline(1, color="0.5", linewidth=1)
axes.text(0.06, 1.02, "the two bare matrix products", color="0.4", fontsize=8)
axes.set_xscale("log")
axes.set_ylim(0, 1.15)
axes.set_xlabel("noise sigma (units of the pixels, -1 to 1)")
axes.set_ylabel("time / time of the products")
axes.legend(frameon=False)
figure.tight_layout()
figure.savefig("time.png", dpi=150)
