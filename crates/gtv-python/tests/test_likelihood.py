"""Log-likelihoods against SciPy's densities of mixtures, and what goes wrong."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import gtv

SCHEDULE = gtv.Schedule.vp_linear()
RNG = np.random.default_rng(3)
# A mixture of three normal distributions in the plane with mean 0: at T its flow starts from N(0, σ_T² I) to 1e-9 nats.
WEIGHTS = np.array([0.5, 0.25, 0.25])
MEANS = np.array([[0.6, -0.2], [-0.8, 0.9], [-0.4, -0.5]])
VARIANCES = np.array([0.05, 0.2, 0.1])
POINTS = np.concatenate([RNG.normal(size=(20, 2)), MEANS])


def density(x, t):
    """ln p(x | t) of the noised mixture, by SciPy."""
    alpha, var = SCHEDULE.signal(t), SCHEDULE.noise_var(t)
    terms = [
        np.log(w) + multivariate_normal(alpha * m, alpha**2 * v + var).logpdf(x)
        for w, m, v in zip(WEIGHTS, MEANS, VARIANCES)
    ]
    return logsumexp(terms, axis=0)


def score(x, t):
    """The gradient of `density`."""
    alpha, var = SCHEDULE.signal(t.astype(float)), SCHEDULE.noise_var(t.astype(float))
    total = alpha[:, None] ** 2 * VARIANCES + var[:, None]
    apart = alpha[:, None, None] * MEANS - x[:, None]
    logs = np.log(WEIGHTS) - np.log(total) - 0.5 * (apart**2).sum(-1) / total
    share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    return ((share / total)[:, :, None] * apart).sum(1).astype(x.dtype)


def denoiser(x, t):
    alpha, var = SCHEDULE.signal(t)[:, None], SCHEDULE.noise_var(t)[:, None]
    return (x + var * score(x, t)) / alpha


def noise(x, t):
    return -SCHEDULE.noise_std(t)[:, None] * score(x, t)


@pytest.mark.parametrize("t", [0.01, 0.2])
def test_a_function_gives_the_density_that_scipy_has(t):
    expected = density(POINTS, t)
    for prediction, function in [("score", score), ("denoiser", denoiser), ("noise", noise)]:
        found = gtv.log_likelihood(function, POINTS, SCHEDULE, t=t, prediction=prediction)
        np.testing.assert_allclose(found.nats, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.bits_per_dimension, -found.nats / (2 * np.log(2)))
    assert (found.standard_error == 0).all()
    np.testing.assert_allclose(found.average, found.nats, rtol=1e-12)
    single = gtv.log_likelihood(score, POINTS, SCHEDULE, t=t, dtype="float32")
    # Differences over 5e-3 of the width are off by a share of their square, 2.5e-5, and answers in 32 bits by 6e-8/5e-3 of it: at each
    # of the five or so e-folds of the noise.
    np.testing.assert_allclose(single.nats, expected, rtol=1e-4, atol=5 * 4e-5)


def test_the_exact_field_gives_the_density_of_the_noised_points():
    data, weights = RNG.normal(size=(6, 2)), np.full(6, 1 / 6)
    data -= data.mean(0)
    field = gtv.exact_field(data, SCHEDULE)
    alpha, std = SCHEDULE.signal(0.01), SCHEDULE.noise_std(0.01)
    x = alpha * np.repeat(data, 3, axis=0) + std * RNG.normal(size=(18, 2))
    logs = [np.log(w) + multivariate_normal(alpha * m, std**2).logpdf(x) for w, m in zip(weights, data)]
    found = gtv.log_likelihood(field, x)
    np.testing.assert_allclose(found.nats, logsumexp(logs, axis=0), rtol=0, atol=1e-4)
    np.testing.assert_allclose(gtv.exact_score(data, x, 0.01, SCHEDULE).score, field(x, 0.01))
    # One point in one dimension, float32 in and out, by weight.
    line = gtv.log_likelihood(gtv.exact_field([-1.0, 0.5], SCHEDULE, weights=[1 / 3, 2 / 3]), np.float32([0.1]), t=0.5)
    assert line.nats.shape == (1,) and line.nats.dtype == np.float32


def test_members_have_likelihoods_of_their_own_and_an_average_law():
    kernel = gtv.v_kernel({"model": {"samples": 1024}}, "leading", set={"theory.times": 24, "theory.noise_spacing": 0.25})
    members = [kernel.sample_field(i) for i in range(3)]
    x = np.array([-1.0, -0.4, 0.0, 0.9])
    found = gtv.log_likelihood(members, x)
    assert found.nats.shape == (3, 4) and np.isfinite(found.nats).all()
    np.testing.assert_allclose(found.average, logsumexp(found.nats, axis=0) - np.log(3), rtol=1e-12)
    alone = gtv.log_likelihood(members[1], x)
    np.testing.assert_array_equal(alone.nats, found.nats[1])
    # The same members as functions, whose points are carried together.
    functions = gtv.log_likelihood([lambda x, t, f=f: f(x, t) for f in members], x, members[0].schedule)
    np.testing.assert_allclose(functions.nats, found.nats, rtol=0, atol=1e-4)
    assert np.isfinite(gtv.log_likelihood(kernel.mean_field(), x).nats).all()


def test_functions_are_called_for_all_points_at_once():
    calls = []

    def counted(x, t):
        calls.append(len(x))
        return score(x, t)

    x = RNG.normal(size=(500, 2))
    gtv.log_likelihood(counted, x, SCHEDULE)
    # A slope is two calls: the points, and both sides of them along both axes.
    assert sorted(set(calls)) == [500, 2000] and calls.count(500) == calls.count(2000)


def test_above_64_dimensions_the_divergence_is_estimated():
    dim, var = 70, 0.3

    def normal(x, t):
        return -x / (SCHEDULE.signal(t) ** 2 * var + SCHEDULE.noise_var(t))[:, None]

    x = RNG.normal(size=(3, dim))
    total = SCHEDULE.signal(0.01) ** 2 * var + SCHEDULE.noise_var(0.01)
    expected = multivariate_normal(np.zeros(dim), total).logpdf(x)
    found = gtv.log_likelihood(normal, x, SCHEDULE)
    # The Jacobian is a multiple of 1, of which every direction of signs has the trace.
    np.testing.assert_allclose(found.nats, expected, rtol=0, atol=1e-3)
    assert (found.standard_error < 1e-3).all()


def test_wrong_input_is_named():
    class Own(Exception):
        pass

    def raises(x, t):
        raise Own("no weights")

    x = POINTS
    field = gtv.exact_field(MEANS, SCHEDULE)
    cases = [
        (TypeError, "schedule is needed", lambda: gtv.log_likelihood(score, x)),
        (ValueError, "schedule is not that of the field", lambda: gtv.log_likelihood(field, x, gtv.Schedule.edm())),
        (ValueError, "x has shape", lambda: gtv.log_likelihood(field, x[:, :1])),
        (ValueError, "t has shape", lambda: gtv.log_likelihood(field, x, t=[0.1, 0.2])),
        (ValueError, "t holds 3.0", lambda: gtv.log_likelihood(field, x, t=3.0)),
        (ValueError, "finite|NaN", lambda: gtv.log_likelihood(field, x * np.nan)),
        (ValueError, "empty list", lambda: gtv.log_likelihood([], x, SCHEDULE)),
        (TypeError, "model\\[1\\] is int", lambda: gtv.log_likelihood([score, 3], x, SCHEDULE)),
        (ValueError, "the answer of model has shape", lambda: gtv.log_likelihood(lambda x, t: x[:-1], x, SCHEDULE)),
        (TypeError, "the answer of model", lambda: gtv.log_likelihood(lambda x, t: x.astype(str), x, SCHEDULE)),
        (ValueError, "prediction", lambda: gtv.log_likelihood(score, x, SCHEDULE, prediction="x0")),
        (Own, "no weights", lambda: gtv.log_likelihood(raises, x, SCHEDULE)),
        (ValueError, "weights", lambda: gtv.exact_field(MEANS, SCHEDULE, weights=[1.0])),
    ]
    for kind, text, call in cases:
        with pytest.raises(kind, match=text):
            call()
    # A point that the model has no answer for costs the others nothing.
    lost = gtv.log_likelihood(lambda x, t: np.where(np.abs(x) > 30, np.nan, score(x, t)), np.append(x, [[40.0, 0.0]], axis=0), SCHEDULE)
    assert np.isnan(lost.nats[-1])
    np.testing.assert_allclose(lost.nats[:-1], density(x, 0.01), rtol=0, atol=1e-4)
