"""Error bars from one training run: against closed forms, and what goes wrong."""

import numpy as np
import pytest

import gtv

SAMPLES = 400
CONFIG = {"model": {"samples": SAMPLES, "prediction": "noise"}, "schedule": {"t_min": 0.01}}
SCHEDULE = gtv.Schedule.vp_linear(t_min=0.01)


def zero(x, t):
    return 0 * x


def ones(x, t):
    return np.ones((len(x), 1, 1))


def on_score(t):
    """The score of a noise prediction is -1/sigma times it."""
    return -1 / SCHEDULE.noise_std(t)


@pytest.mark.parametrize(
    ("filter", "phi"),
    [
        ({"ridge": 1.0}, 1 / (1 + 1.0)),
        ({"flow": 0.7}, 1 - np.exp(-0.7)),
        ({"gd": [0.1] * 7}, 1 - 0.9**7),
    ],
)
def test_a_network_of_one_number_varies_as_the_mean_of_its_labels(filter, phi):
    # y = c, curvature 1, pulls n: Cov c = phi^2 Var n/P, where the variance of 12,288 normals has a relative error of sqrt(2/12288).
    law = gtv.one_run(CONFIG, network=zero, features=ones, filter=filter, prediction="noise")
    assert law.closure == "one-run" and law.dim == 1
    points = (np.array([0.2, -1.0]), np.array([0.3, 0.8]))
    cov = law.cov(points, (np.array([0.5, 0.0]), np.array([0.6, 0.1])))[:, 0, 0]
    expected = on_score(points[1]) * on_score(np.array([0.6, 0.1])) * phi**2 / SAMPLES
    np.testing.assert_allclose(cov, expected, rtol=5 * np.sqrt(2 / 12_288))
    np.testing.assert_array_equal(law.mean(*points), 0.0)


def test_what_the_network_answers_is_converted():
    # The same network as a denoiser: x0 = (x - sigma n)/alpha.
    def denoiser(x, t):
        return x / SCHEDULE.signal(t)[:, None]

    def tangents(x, t):
        return (-SCHEDULE.noise_std(t) / SCHEDULE.signal(t)).reshape(-1, 1, 1)

    laws = [
        gtv.one_run(CONFIG, network=zero, features=ones, filter={"ridge": 1.0}, prediction="noise"),
        gtv.one_run(CONFIG, network=denoiser, features=tangents, filter={"ridge": 1.0}, prediction="denoiser"),
    ]
    at = (np.array([0.2, -1.0]), np.array([0.3, 0.8]))
    np.testing.assert_allclose(laws[0].cov(at), laws[1].cov(at), rtol=1e-9)
    np.testing.assert_allclose(laws[0].mean(*at), laws[1].mean(*at), atol=1e-9)
    # A draw is the mean moved along the one direction: the same change of the prediction everywhere.
    moved = (laws[0].sample_field(3)(*at) - laws[0].mean(*at)) / on_score(at[1])
    assert moved[0] == pytest.approx(moved[1], rel=1e-9) and moved[0] != 0


def test_batches_add_their_share():
    cov = [
        gtv.one_run(CONFIG, network=zero, features=ones, filter={"gd": [0.5] * 30, "batch": batch}, prediction="noise").cov(([0.0], 0.5))
        for batch in (SAMPLES, 4)
    ]
    # Whole passes of all triples add nothing; of batches of 4 the last steps' noise is left, sum c_k^2/B less what passes hold.
    kicks = 0.5 * 0.5 ** np.arange(30)[::-1]
    passes = [kicks[i : i + 100].sum() for i in range(0, 30, 100)]
    added = (kicks**2).sum() / 4 - np.square(passes).sum() / SAMPLES
    assert cov[1][0, 0, 0] / cov[0][0, 0, 0] == pytest.approx(1 + added * SAMPLES / kicks.sum() ** 2, rel=1e-6)


def triples(shift=0.0):
    """A training set (x0, t, x), and its noise."""
    rng = np.random.default_rng(5)
    x0, t, noise = rng.choice([-1.0, 0.0, 1.0], SAMPLES), rng.uniform(0.01, 1.0, SAMPLES), rng.normal(size=SAMPLES) + shift
    return (x0, t, SCHEDULE.signal(t) * x0 + SCHEDULE.noise_std(t) * noise), noise


def test_residuals_of_its_own_triples_are_those_of_a_network_without_them():
    own, noise = triples()
    law = gtv.one_run(
        CONFIG, network=zero, features=ones, filter={"ridge": 1.0}, prediction="noise", triples=own, residuals="training"
    )
    # phi = 1/2 of curvature 1; left out, each residual is n/(1 - phi/P).
    expected = 0.5**2 * noise.var() / (1 - 0.5 / SAMPLES) ** 2 / SAMPLES * on_score(np.array([0.3])) ** 2
    np.testing.assert_allclose(law.cov(([0.2], [0.3]))[:, 0, 0], expected, rtol=1e-9)


def test_the_deviation_of_its_own_triples_is_undone():
    own, noise = triples(shift=0.5)
    law = gtv.one_run(CONFIG, network=zero, features=ones, filter={"ridge": 1.0}, prediction="noise", triples=own)
    # Trained on all it would have ended at c = phi (E n - mean of its own n), where 12,288 normals have a mean of 0 within 1/sqrt(12288).
    c = law.mean([0.2], [0.3])[0] / on_score(np.array([0.3]))[0]
    assert c == pytest.approx(-0.5 * noise.mean(), abs=0.5 * 5 / np.sqrt(12_288))


def test_weight_decay_and_averages_are_part_of_the_steps():
    rate, decay, steps = 0.1, 0.5, 12
    theta, average, past = 0.0, 0.0, 0.8
    for _ in range(steps):
        theta += rate * (1 - (1 + decay) * theta)
        average = past * average + (1 - past) * theta
    for given, end in [({"decay": decay}, theta), ({"decay": decay, "average": past}, average)]:
        law = gtv.one_run(CONFIG, network=zero, features=ones, filter={"gd": [rate] * steps, **given}, prediction="noise")
        found = law.cov(([0.2], [0.3]))[0, 0, 0] / on_score(0.3) ** 2
        assert found == pytest.approx(end**2 / SAMPLES, rel=5 * np.sqrt(2 / 12_288))


def test_functions_are_asked_for_many_points_at_a_time():
    rows = []

    def counted(x, t):
        rows.append(len(x))
        return ones(x, t)

    law = gtv.one_run(CONFIG, network=lambda x, t: rows.append(len(x)) or 0 * x, features=counted, filter={"ridge": 1.0}, prediction="noise")
    # Once for the number of directions; residuals and tangents of 12,288 triples, 512 at a time.
    assert sorted(rows) == [1] + [512] * 48
    rows.clear()
    x, t = np.linspace(-1, 1, 1000), np.linspace(0.01, 1, 1000)
    law.cov((x, t))
    law.mean(x, t)
    # The network's answers and its tangents, each once: what they were at a point is remembered.
    assert sum(rows) == 2000 and len(rows) <= 9
    law.cov((x, t))
    law.mean(x, t)
    assert sum(rows) == 2000


def test_a_function_that_raises_later_raises_each_time_and_then_works_again():
    broken = [False]

    def features(x, t):
        if broken[0]:
            raise KeyError("gone")
        return ones(x, t)

    law = gtv.one_run(CONFIG, network=zero, features=features, filter={"ridge": 1.0}, prediction="noise")
    field, at, other = law.sample_field(0), (np.array([0.2]), np.array([0.3])), (np.array([0.5]), np.array([0.3]))
    before = law.cov(at)
    broken[0] = True
    for call in [lambda: law.cov(other), lambda: field(*other), lambda: gtv.sample(field, 10), lambda: law.cov(other)]:
        with pytest.raises(KeyError, match="gone"):
            call()
    # What was answered before is known, and a failure is not taken for an answer.
    np.testing.assert_array_equal(law.cov(at), before)
    broken[0] = False
    # One number everywhere, and so one variance at one time.
    np.testing.assert_array_equal(law.cov(other), before)


@pytest.mark.filterwarnings("ignore:.*(outside compare.range|far from the exact)")
def test_members_from_outside_are_compared_with_what_one_of_them_says():
    # Networks of one number that other trainings gave: c of variance phi^2/P, as the law has it.
    size, phi = 40, 0.5
    numbers = phi * np.random.default_rng(3).normal(size=size) / np.sqrt(SAMPLES)
    members = [lambda x, t, c=c: np.full_like(x, c) for c in numbers]
    law = gtv.one_run(CONFIG, network=zero, features=ones, filter={"ridge": 1.0}, prediction="noise")
    small = {"sampling.paths": 100, "theory.paths": 100, "theory.models": 10, "compare.bootstrap": 20}
    summary = gtv.compare(CONFIG, ensemble=members, prediction="noise", law=law, set=small, seed=1).summary
    assert list(summary["kernel"]) == ["one-run"] and "theory_one-run" in summary["levels"]
    # A variance from 40 numbers and one from 12,288 triples.
    own = summary["one_run"]
    expected = phi**2 / SAMPLES / numbers.var(ddof=1)
    assert (own["anchors"], own["directions"]) == (1, 1)
    assert summary["kernel"]["one-run"]["variance_ratio"] == pytest.approx(expected, rel=5 * np.sqrt(2 / 12_288))
    assert own["fidelity"]["single"][0]["variance_ratio"] == pytest.approx(expected, rel=5 * np.sqrt(2 / 12_288))

    for match, given in [
        ("another model.samples", {"law": law, "set": {**small, "model.samples": 300}}),
        ("another schedule", {"law": law, "set": {**small, "schedule.t_min": 0.02}}),
        ("features and law are both given", {"law": law, "features": lambda x, t: np.ones((len(x), 1))}),
        ('closure "leading"', {"law": gtv.v_kernel(CONFIG, "leading")}),
    ]:
        with pytest.raises(ValueError, match=match):
            gtv.compare(CONFIG, ensemble=members, prediction="noise", **given)
    with pytest.raises(ValueError, match="ensemble, which is not given"):
        gtv.compare(CONFIG, law=law)
    with pytest.raises(TypeError, match="law is int"):
        gtv.compare(CONFIG, ensemble=members, law=3)


def test_wrong_input_is_named():
    own, _ = triples()
    def raises(x, t):
        raise KeyError("no weights")

    def law(network=zero, features=ones, filter={"ridge": 1.0}, **more):  # noqa: B006
        return gtv.one_run(CONFIG, network=network, features=features, filter=filter, prediction="noise", **more)

    for error, match, call in [
        (ValueError, "filter has 'sgd'", lambda: law(filter={"sgd": [0.1]})),
        (ValueError, "filter: ridge is -1", lambda: law(filter={"ridge": -1})),
        (ValueError, "batch is 1000", lambda: law(filter={"gd": [0.1], "batch": 1000})),
        (ValueError, "filter has 'gd', 'share'", lambda: law(filter={"gd": [0.1], "share": 0.5})),
        (TypeError, "filter: decay holds", lambda: law(filter={"gd": [0.1], "decay": "much"})),
        (ValueError, r"filter: average has shape \(2,\)", lambda: law(filter={"gd": [0.1], "average": [0.5, 0.5]})),
        (ValueError, "steps", lambda: law(filter={"gd": [3.0] * 50})),
        (ValueError, "residuals is 'training'", lambda: law(residuals="training")),
        (ValueError, "residuals: unknown variant", lambda: law(residuals="own")),
        (ValueError, "3 of them; expected model.samples = 400", lambda: law(triples=tuple(a[:3] for a in own))),
        (ValueError, r"triples: x0 has shape \(400, 1\) and x has \(399, 1\)", lambda: law(triples=(own[0], own[1], own[2][1:]))),
        (ValueError, "triples: t = 2", lambda: law(triples=(own[0], np.full(SAMPLES, 2.0), own[2]))),
        (ValueError, "triples: x holds nan", lambda: law(triples=(own[0], own[1], own[2] * np.nan))),
        (ValueError, "the answer of features holds nan", lambda: law(features=lambda x, t: np.nan * ones(x, t))),
        (ValueError, "rate", lambda: law(filter={"adam": [-0.1]})),
        (ValueError, "momentum", lambda: law(filter={"momentum": [0.1], "share": 1.5})),
        (ValueError, "the answer of features", lambda: law(features=lambda x, t: np.ones((len(x), 2)))),
        (ValueError, "the answer of network", lambda: law(network=lambda x, t: x[:1])),
        (KeyError, "no weights", lambda: law(network=raises)),
        (KeyError, "no weights", lambda: law(features=raises)),
        (TypeError, "network is int", lambda: law(network=3)),
    ]:
        with pytest.raises(error, match=match):
            call()
