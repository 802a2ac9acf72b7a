"""Finishing touches: what each changes, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from glassnet.digits.finish import calibrated, centred, expecting, restricted, sharpened
from glassnet.errors import OptionError
from glassnet.network import Dense, Network, committee

GENERATOR = np.random.default_rng(4)
LABELS = (0, 1, 2, "none")


def network() -> Network:
    weights = GENERATOR.standard_normal((6, 4), dtype=np.float32)
    return Network([Dense(weights, np.ones(4, np.float32), "softmax")], labels=LABELS)


X = GENERATOR.standard_normal((500, 6)).astype(np.float32)


def test_centred_scores_give_the_same_probabilities() -> None:
    before = network()
    after = centred(before)
    np.testing.assert_allclose(after(X), before(X), atol=1e-6)
    assert np.abs(after.layers[-1].weights.mean(axis=1)).max() < 1e-6


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_calibration_finds_how_sure_to_be(factor: float) -> None:
    """Labels are drawn as the network's own probabilities say; whatever it is sharpened by, it is sharpened back."""
    true = network()
    drawn = np.array([GENERATOR.choice(4, p=np.float64(p) / np.float64(p).sum()) for p in true(X)])
    labels = np.array(LABELS, dtype=object)[drawn]
    found = calibrated(sharpened(true, factor), X, labels)
    ratio = found.layers[-1].weights / true.layers[-1].weights
    assert 0.8 < ratio.mean() < 1.25
    assert np.ptp(ratio) < 1e-3
    np.testing.assert_array_equal(found.predict(X), true.predict(X))


def test_a_committee_is_finished_as_a_whole() -> None:
    members = [network(), network()]
    np.testing.assert_allclose(
        sharpened(committee(members), 2.0)(X), committee([sharpened(m, 2.0) for m in members])(X), atol=1e-6
    )


def test_what_is_expected_changes_the_odds() -> None:
    before = network()
    after = expecting(before, "none", 0.01, trained_with=0.1)
    odds = [p[:, 3] / (1 - p[:, 3]) for p in (before(X), after(X))]
    np.testing.assert_allclose(odds[0] / odds[1], (0.1 / 0.9) / (0.01 / 0.99), rtol=0.01)


def test_without_some_answers() -> None:
    before = network()
    after = restricted(before, (0, 1, 2))
    kept = before(X)[:, :3]
    np.testing.assert_allclose(after(X), kept / kept.sum(axis=1, keepdims=True), atol=1e-6)
    assert after.labels == (0, 1, 2)
    assert restricted(before, LABELS) is before
    with pytest.raises(OptionError, match="the network does not answer 7, only"):
        restricted(before, (0, 7))
