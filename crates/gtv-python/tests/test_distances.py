"""Distances against SciPy, POT and NumPy on the same samples."""

import numpy as np
import ot
import pytest
from scipy import stats

import gtv

RNG = np.random.default_rng(3)


def test_w1_and_energy_on_a_line_are_scipys():
    for n, m in [(500, 500), (313, 1000), (1, 7)]:
        a, b = RNG.normal(size=n), RNG.standard_t(3, size=m) + 0.3
        assert gtv.w1(a, b) == pytest.approx(stats.wasserstein_distance(a, b), rel=1e-9)
        assert gtv.energy_distance(a, b) == pytest.approx(stats.energy_distance(a, b) ** 2, rel=1e-9)


def test_energy_in_two_dimensions_is_the_sum_over_all_pairs():
    a, b = RNG.normal(size=(200, 2)), RNG.normal(size=(300, 2)) * 1.5
    mean = lambda x, y: np.linalg.norm(x[:, None] - y[None], axis=-1).mean()
    assert gtv.energy_distance(a, b) == pytest.approx(2 * mean(a, b) - mean(a, a) - mean(b, b), rel=1e-9)


def test_sliced_w2_is_pots():
    for n, m in [(400, 400), (300, 500)]:
        a, b = RNG.normal(size=(n, 3)), RNG.normal(size=(m, 3)) + [0.5, 0, 0]
        directions = gtv.directions(3, 50, seed=4)
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-12)
        theirs = ot.sliced_wasserstein_distance(a, b, projections=directions.T)
        assert gtv.sliced_w2(a, b, 50, seed=4) == pytest.approx(theirs, rel=1e-9)


def test_distance_has_intervals_and_floors():
    a, b = RNG.normal(size=(20, 400)), RNG.normal(size=(20, 400)) + 0.5
    found = gtv.distance(list(a), list(b), bins=60, bootstrap=50, seed=1)
    assert set(found) == {"w1", "energy", "kl", "js"}
    assert found["w1"].value == pytest.approx(stats.wasserstein_distance(a.ravel(), b.ravel()), rel=0.01)
    assert found["w1"].lo < 0.5 < found["w1"].hi and found["w1"].floor < 0.1
    # Groups of equal size: (N, n, D) is the same as a list, and the same seed gives the same numbers.
    again = gtv.distance(a[:, :, None], b[:, :, None], bins=60, bootstrap=50, seed=1)
    assert again == found


def test_wrong_input():
    with pytest.raises(ValueError, match="columns"):
        gtv.distance(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="compare.metrics"):
        gtv.distance([0.0, 1.0], [0.0], metrics=["w3"])
    with pytest.raises(ValueError, match="finite"):
        gtv.w1([np.inf], [0.0])
    with pytest.raises(ValueError, match="line"):
        gtv.w1(np.zeros((3, 2)), [0.0])
