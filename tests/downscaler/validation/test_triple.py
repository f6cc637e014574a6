"""Triple collocation: against pytesmo, against known errors, and refused where it would mislead."""

import numpy as np
import pytest
from pytesmo.metrics import tcol_metrics

from downscaler.errors import TripletError
from downscaler.validation.bootstrap import make_draws
from downscaler.validation.triple import Source, _medians, require_independent, triplet

ERRORS = {"stations": 0.02, "product": 0.03, "radar": 0.05}


def triple(sites=6, days=3000, seed=0):
    rng = np.random.default_rng(seed)
    truth = 0.25 + 0.06 * rng.standard_normal((sites, days))
    scale = {"stations": (0.0, 1.0), "product": (0.04, 0.8), "radar": (-0.1, 1.5)}
    return {n: scale[n][0] + scale[n][1] * (truth + ERRORS[n] * rng.standard_normal(truth.shape)) for n in ERRORS}


def draws_of(values, count=100):
    errors = values["product"] - values["stations"]
    return make_draws(errors, np.array([f"n{k}" for k in range(len(errors))]), count=count)


def test_it_equals_pytesmo_at_one_site():
    values = triple(sites=1)
    found = triplet(values, draws_of(values))
    snr, err_std, _ = tcol_metrics(*(v[0] for v in values.values()))
    of_population = np.sqrt(1 - 1 / values["product"].size)  # pytesmo divides by n - 1
    for number, name in enumerate(values):
        assert found.error[name].value == pytest.approx(err_std[number] * of_population, rel=1e-9)
        ratio = 10 ** (snr[number] / 10)
        assert found.r[name].value == pytest.approx(np.sqrt(ratio / (1 + ratio)), rel=1e-9)


def test_known_errors_lie_in_their_intervals():
    values = triple()
    found = triplet(values, draws_of(values, 300))
    assert found.sites == 6
    for name, size in ERRORS.items():
        assert found.error[name].low < size < found.error[name].high
        assert found.error[name].value == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("third", "said"),
    [
        (Source(name="swarm", inputs=("SMAP",)), "both made from SMAP"),
        (Source(name="hydroblocks", inputs=("Sentinel-1", "SMAP L-band")), "both made from SMAP"),
        (Source(name="run", inputs=("parflow clm",)), "both made from parflow clm"),
        (Source(name="silent", inputs=()), "not stated"),
    ],
)
def test_dependent_sources_are_refused(third, said):
    known = [Source(name="stations", inputs=("in situ",)), Source(name="product", inputs=("SMAP", "ParFlow-CLM"))]
    with pytest.raises(TripletError, match=said):
        require_independent([*known, third])
    with pytest.raises(TripletError, match="three sources"):
        require_independent(known)
    require_independent([*known, Source(name="radar", inputs=("ASCAT",))])


def test_too_few_or_unrelated_triplets_are_refused():
    values = triple(days=50)
    with pytest.raises(TripletError, match="50 triplets at most"):
        triplet(values, draws_of(values))
    values = triple()
    values["radar"] = np.random.default_rng(5).standard_normal(values["radar"].shape)
    with pytest.raises(TripletError, match="correlated above"):
        triplet(values, draws_of(values))


def test_medians_of_draws_are_those_of_the_sites_repeated():
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((5, 40))
    samples[1, ::3] = np.nan
    counts = rng.integers(0, 3, (40, 5)).astype(float)
    counts[7] = 0
    found = _medians(samples, counts)
    for draw in range(40):
        drawn = np.repeat(samples[:, draw], counts[draw].astype(int))
        drawn = drawn[np.isfinite(drawn)]
        assert found[draw] == pytest.approx(np.median(drawn) if drawn.size else np.nan, nan_ok=True)


def test_intervals_hold_the_difference_between_networks():
    """Of networks with unlike errors the median is uncertain, however long the series are."""
    values = triple(days=4000)
    random = np.random.default_rng(8)
    values["product"] += np.linspace(0, 0.1, 6)[:, None] * random.standard_normal(values["product"].shape)
    entry = triplet(values, draws_of(values, 300)).error["product"]
    assert entry.high - entry.low > 0.03
