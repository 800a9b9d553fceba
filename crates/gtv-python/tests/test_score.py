"""Exact scores and schedules against a few lines of NumPy, and arrays of every kind."""

import numpy as np
import pytest

import gtv

RNG = np.random.default_rng(7)
SCHEDULE = gtv.Schedule.vp_linear()


def plain(data, weights, x, t, schedule):
    """Score, log-density, posterior mean and covariances, as the formulas say."""
    alpha, var = schedule.signal(t)[:, None, None], schedule.noise_var(t)[:, None, None]
    difference = alpha * data[None] - x[:, None]
    log_terms = np.log(weights)[None] - 0.5 * (difference**2 / var).sum(-1)
    log_terms -= 0.5 * data.shape[1] * np.log(2 * np.pi * var[:, 0])
    most = log_terms.max(1, keepdims=True)
    log_density = most[:, 0] + np.log(np.exp(log_terms - most).sum(1))
    posterior = np.exp(log_terms - log_density[:, None])
    mean = posterior @ data
    centred = data[None] - mean[:, None]
    cov = np.einsum("qm,qmi,qmj->qij", posterior, centred, centred)
    score = (alpha[:, 0] * mean - x) / var[:, 0]
    return score, log_density, mean, cov, (alpha / var) ** 2 * cov


@pytest.mark.parametrize("points, dim", [(3, 1), (40, 2), (200, 12)])
def test_exact_score_is_that_of_numpy(points, dim):
    data = RNG.normal(size=(points, dim))
    weights = RNG.dirichlet(np.ones(points))
    x, t = RNG.normal(size=(60, dim)), RNG.choice([0.02, 0.1, 0.4, 1.0], 60)
    found = gtv.exact_score(data, x, t, SCHEDULE, weights=weights, cov="full")
    score, log_density, mean, cov, proxy = plain(data, weights, x, t, SCHEDULE)
    for ours, theirs in [
        (found.score, score),
        (found.log_density, log_density),
        (found.posterior_mean, mean),
        (found.posterior_cov, cov),
        (found.proxy_score_cov, proxy),
    ]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10 * np.abs(theirs).max())
    trace = gtv.exact_score(data, x, t, SCHEDULE, weights=weights, cov="trace")
    np.testing.assert_allclose(trace.posterior_cov, np.trace(cov, axis1=1, axis2=2), rtol=1e-10, atol=1e-12)
    assert gtv.exact_score(data, x, t, SCHEDULE).posterior_cov is None


def test_arrays_of_every_kind_give_the_same():
    data, x = RNG.normal(size=(5, 3)), RNG.normal(size=(9, 3))
    expected = gtv.exact_score(data, x, 0.3, SCHEDULE).score

    class HasArray:
        def __array__(self, dtype=None, copy=None):
            return x

    class HasDLPack:
        def __dlpack__(self, **kwargs):
            return x.__dlpack__(**kwargs)

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    strided = np.repeat(x, 2, axis=0)[::2]
    for other in [np.asfortranarray(x), strided, x[::-1][::-1], x.tolist(), HasArray(), HasDLPack()]:
        np.testing.assert_array_equal(gtv.exact_score(data, other, 0.3, SCHEDULE).score, expected)
    single = gtv.exact_score(data, x.astype(np.float32), 0.3, SCHEDULE)
    assert single.score.dtype == np.float32 and single.log_density.dtype == np.float32
    np.testing.assert_allclose(single.score, expected, rtol=1e-4, atol=1e-4)
    line = gtv.exact_score([-1.0, 1.0], [0.1, 0.2], 0.3, SCHEDULE)
    assert line.score.shape == (2,) and line.posterior_mean.shape == (2,)


@pytest.mark.parametrize(
    "make, alpha, sigma",
    [
        (gtv.Schedule.vp_linear, lambda t: np.exp(-(0.1 * t + 19.9 * t**2 / 2)), None),
        (gtv.Schedule.vp_song, lambda t: np.exp(-(0.1 * t + 19.9 * t**2 / 2) / 2), None),
        (gtv.Schedule.vp_cosine, lambda t: np.cos(np.pi / 2 * (t + 0.008) / 1.008) / np.cos(np.pi / 2 * 0.008 / 1.008), None),
        (gtv.Schedule.ve, lambda t: np.ones_like(t), lambda t: 0.01 * np.sqrt(5000.0 ** (2 * t) - 1)),
        (gtv.Schedule.edm, lambda t: np.ones_like(t), lambda t: t),
        (gtv.Schedule.sqrt, lambda t: np.sqrt(1 - t), lambda t: np.sqrt(t)),
        (gtv.Schedule.flow, lambda t: 1 - t, lambda t: t),
    ],
)
def test_schedules_are_their_formulas(make, alpha, sigma):
    schedule = make()
    t = np.linspace(schedule.t_min, min(schedule.t_max, 0.98), 7)
    np.testing.assert_allclose(schedule.signal(t), alpha(t), rtol=1e-12)
    std = np.sqrt(1 - alpha(t) ** 2) if sigma is None else sigma(t)
    np.testing.assert_allclose(schedule.noise_std(t), std, rtol=1e-9)
    np.testing.assert_allclose(schedule.time_at_log_snr(schedule.log_snr(t)), t, rtol=1e-6)
    # dσ²/dt = −2βσ² + 2D by central differences, whose error is of second order in h.
    h = 1e-5
    slope = (schedule.noise_var(t + h) - schedule.noise_var(t - h)) / (2 * h)
    expected = 2 * schedule.diffusion(t) - 2 * schedule.drift_rate(t) * schedule.noise_var(t)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-4)
    grid = schedule.grid(5, "edm-rho", rho=7)
    assert grid[0] == schedule.t_max and grid[-1] == schedule.t_min and (np.diff(grid) < 0).all()
    assert schedule == make() and schedule != make(t_min=0.5 * schedule.t_min)


def test_ntk_of_one_hidden_relu_layer():
    a, b = RNG.normal(size=(6, 3)), RNG.normal(size=(4, 3))
    found = gtv.ntk(a, b, depth=1, weight_var=2.0, bias_var=0.5)
    sigma = lambda p, q: 2.0 * p @ q.T / 3 + 0.5
    norms = np.sqrt(np.diag(sigma(a, a))[:, None] * np.diag(sigma(b, b))[None])
    angle = np.arccos(np.clip(sigma(a, b) / norms, -1, 1))
    nngp = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    tangent = nngp + (np.pi - angle) / (2 * np.pi) * sigma(a, b)
    np.testing.assert_allclose(found.nngp, nngp, rtol=1e-12)
    np.testing.assert_allclose(found.ntk, tangent, rtol=1e-12)
    np.testing.assert_allclose(gtv.ntk(a).ntk, gtv.ntk(a, a).ntk, rtol=1e-12)


def test_wrong_input_says_which_and_what():
    x = np.zeros((4, 2))
    cases = [
        (ValueError, "x has shape", lambda: gtv.exact_score(x, np.zeros((4, 3)), 0.1, SCHEDULE)),
        (ValueError, "t has shape", lambda: gtv.exact_score(x + np.eye(4, 2), x, np.ones(3), SCHEDULE)),
        (ValueError, "data holds nan at index \\[1, 0\\]", lambda: gtv.exact_score([[0.0], [np.nan]], [0.0], 0.1, SCHEDULE)),
        (ValueError, "x holds inf", lambda: gtv.exact_score([0.0], [np.inf], 0.1, SCHEDULE)),
        (ValueError, "t holds 2.0 at index 0; expected 0.0 to 1.0", lambda: gtv.exact_score([0.0], [0.0], 2.0, SCHEDULE)),
        (ValueError, "cov is", lambda: gtv.exact_score([0.0], [0.0], 0.1, SCHEDULE, cov="all")),
        (ValueError, "t", lambda: gtv.exact_score([0.0], [0.0], -1.0, SCHEDULE)),
        (ValueError, "weights", lambda: gtv.exact_score([0.0, 1.0], [0.0], 0.1, SCHEDULE, weights=[0.5, 0.6])),
        (TypeError, "complex", lambda: gtv.exact_score([0.0], [0.0 + 1j], 0.1, SCHEDULE)),
        (TypeError, "data holds", lambda: gtv.exact_score(["a"], [0.0], 0.1, SCHEDULE)),
        (ValueError, "empty", lambda: gtv.exact_score([], [0.0], 0.1, SCHEDULE)),
        (ValueError, "schedule.beta_min", lambda: gtv.Schedule.vp_linear(-1.0)),
        (ValueError, "did you mean `vp-linear`", lambda: gtv.Schedule("vp-linaer")),
        (TypeError, "schedule.t_min", lambda: gtv.Schedule.vp_linear(t_min="small")),
        (ValueError, "activation", lambda: gtv.ntk([[1.0]], activation="rleu")),
    ]
    for kind, text, call in cases:
        with pytest.raises(kind, match=text):
            call()


def test_a_schedule_of_ones_own_is_read_from_its_file(tmp_path):
    t = np.linspace(0.01, 1.0, 200)
    np.savez(tmp_path / "schedule.npz", t=t, alpha=SCHEDULE.signal(t), sigma=SCHEDULE.noise_std(t))
    table = gtv.Schedule.table(tmp_path / "schedule.npz", t_min=0.01, t_max=1.0)
    np.testing.assert_allclose(table.signal(t), SCHEDULE.signal(t), rtol=1e-12)
    # Between them cubics of times 0.005 apart.
    np.testing.assert_allclose(table.diffusion(0.5031), SCHEDULE.diffusion(0.5031), rtol=1e-3)
