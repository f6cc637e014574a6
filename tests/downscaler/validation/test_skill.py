"""Averages, paired differences and strata against cases whose answer is known."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from downscaler import product
from downscaler.errors import ValidationError
from downscaler.ground.cells import bounds_of
from downscaler.ground.grid import M09
from downscaler.report.validation import cell, page
from downscaler.sources.insitu.series import FileReport, Sensor
from downscaler.validation.matchups import Matchups
from downscaler.validation.sites import sites_of
from downscaler.validation.skill import against, contest, within
from downscaler.validation.strata import pair_masks, site_labels, texture
from downscaler.validation.summary import Extras, summarise
from downscaler.validation.triple import Source

DAYS = 400


def make_matchups(networks=6, per_network=3, seed=0, better=0.03, worse=0.05, days=DAYS, domain=product.DEMO):
    """Stations with a known truth; the product's error is ``better``, SMAP's ``worse``, the prior's in between."""
    rng = np.random.default_rng(seed)
    west, south, east, north = bounds_of(domain)
    sensors = [
        Sensor(
            network=f"NET-{n}",
            station=f"{n}-{k}",
            name="probe",
            depth_from=0.05,
            depth_to=0.05,
            lat=south + (n + 0.5) * (north - south) / networks,
            lon=west + (k + 0.5) * (east - west) / per_network,
            land_cover="cropland" if k else "forest",
            clay=0.1 + 0.2 * (k % 3),
            sand=0.7 - 0.2 * (k % 3),
        )
        for n in range(networks)
        for k in range(per_network)
    ]
    sites = tuple(sites_of(sensors, domain, M09))
    shape = (len(sites), days)
    truth = 0.25 + 0.06 * rng.standard_normal(shape)
    errors = {"product": better, "smap": worse, "prior": (better + worse) / 2}
    outside = np.zeros(shape, bool)
    outside[0] = True
    return Matchups(
        sites=sites,
        dates=tuple(dt.date(2023, 1, 1) + dt.timedelta(days=n) for n in range(days)),
        stations=truth,
        estimates={name: truth + size * rng.standard_normal(shape) for name, size in errors.items()},
        outside=outside,
        simulated=True,
    )


@pytest.fixture(scope="module")
def held():
    return contest(make_matchups(), count=300)


def test_averages_and_gains_are_those_put_in(held):
    figures, gains = held.averages(), held.average_gains("smap")
    for name, size in (("product", 0.03), ("smap", 0.05), ("prior", 0.04)):
        entry = figures[name]["ubrmsd"]
        assert entry.low < size < entry.high
        assert entry.value == pytest.approx(size, rel=0.02)
    assert gains["ubrmsd"].low < 0.02 < gains["ubrmsd"].high
    assert gains["ubrmsd"].value == pytest.approx(figures["smap"]["ubrmsd"].value - figures["product"]["ubrmsd"].value)
    assert gains["r"].value > 0
    assert gains["share_rmsd"].value == 1.0
    assert gains["merlin"].value > 0


def test_a_paired_interval_is_narrower_than_those_of_its_parts():
    """Errors that all estimates share drop out of the difference."""
    matchups = make_matchups(better=0.02, worse=0.022)
    shared = 0.08 * np.random.default_rng(1).standard_normal(matchups.stations.shape)
    shared += 0.05 * np.random.default_rng(2).standard_normal((len(matchups.sites), 1))
    estimates = {name: values + shared for name, values in matchups.estimates.items()}
    held = contest(
        Matchups(
            sites=matchups.sites,
            dates=matchups.dates,
            stations=matchups.stations,
            estimates=estimates,
            outside=matchups.outside,
        ),
        count=300,
    )
    own, gain = held.averages()["product"]["rmsd"], held.average_gains("smap")["rmsd"]
    assert gain.high - gain.low < 0.2 * (own.high - own.low)


def test_an_average_of_chosen_sites_and_weights_is_the_plain_one(held):
    values = held.metrics["product"]["rmsd"][:, 0]
    keep = np.arange(len(values)) % 2 == 0
    weights = np.linspace(0, 2, len(values))
    samples = held.metrics["product"]["rmsd"]
    assert held.average(samples, keep=keep).value == pytest.approx(values[keep].mean())
    assert held.average(samples, weights=weights).value == pytest.approx(np.average(values, weights=weights))


def test_a_part_is_judged_on_its_own_pairs(held):
    first_half = np.zeros(held.pairs.shape, bool)
    first_half[:, : DAYS // 2] = True
    part = within(held, first_half)
    error = (held.estimates["product"] - held.stations)[:, : DAYS // 2]
    np.testing.assert_allclose(part.metrics["product"]["rmsd"][:, 0], np.sqrt((error**2).mean(axis=1)))
    other = held.stations + 0.1
    other[:, ::2] = np.nan
    versus = against(held, "other", other)
    assert versus.pairs.sum() == held.pairs.sum() / 2
    assert versus.average_gains("other")["abs_bias"].value == pytest.approx(0.1, abs=0.01)


def test_too_few_pairs_are_refused_with_what_there_is():
    with pytest.raises(ValidationError, match="10 pairs at most"):
        contest(make_matchups(days=10))


def test_strata_are_told_apart():
    matchups = make_matchups()
    labels = site_labels(matchups.sites, {"land_cover": np.r_[12.0, np.full(17, np.nan)]})
    assert set(labels["land cover"]) == {"cropland", "forest"}
    assert labels["land cover"][0] == "cropland"  # the prior's word comes first
    assert set(labels["texture"]) == {"coarse", "medium", "fine"}
    assert set(labels["station density"]) == {"1 in the SMAP cell"}
    masks = pair_masks(matchups)
    assert set(masks["season"]) == {"DJF", "MAM", "JJA", "SON"}
    months = {name: {matchups.dates[d].month for d in np.flatnonzero(m[0])} for name, m in masks["season"].items()}
    assert months["DJF"] == {12, 1, 2}
    assert months["JJA"] == {6, 7, 8}
    assert masks["area of applicability"]["outside"].sum() == DAYS


@pytest.mark.parametrize(
    ("clay", "sand", "expected"),
    [(0.10, 0.8, "coarse"), (0.1, 0.5, "medium"), (0.4, 0.2, "fine"), (None, 0.2, "unknown"), (0.2, np.nan, "unknown")],
)
def test_texture(clay, sand, expected):
    assert texture(clay, sand) == expected


def test_a_scorecard_judges_all_products_at_the_same_pairs_or_says_which_lack_them():
    matchups = make_matchups()
    odd, even = (matchups.stations + 0.05 for _ in range(2))
    odd[:, ::2], even[:, 1::2] = np.nan, np.nan
    half = summarise(matchups, Extras(others={"odd": odd}), facts={}).document["scorecard"]
    held = contest(matchups)
    assert half["pairs"] == int(held.pairs[:, 1::2].sum())
    errors = np.where(held.pairs, matchups.estimates["product"] - matchups.stations, np.nan)[:, 1::2]
    by_hand = np.sqrt(np.nanmean(errors**2, axis=1)).mean()
    assert half["estimates"]["product"]["rmsd"]["value"] == pytest.approx(by_hand)
    none = summarise(matchups, Extras(others={"odd": odd, "even": even}), facts={}).document["scorecard"]
    assert "pairs of each: odd" in none["refused"]


@pytest.fixture(scope="module")
def findings():
    matchups = make_matchups()
    rng = np.random.default_rng(8)
    third = matchups.stations * 0.9 + 0.04 * rng.standard_normal(matchups.stations.shape)
    extras = Extras(
        others={"rival": matchups.stations + 0.02},
        third=(Source(name="radar", inputs=("ASCAT",)), third),
        files=[FileReport(file="bad.stm", problem="wrong header <script>")],
    )
    return summarise(matchups, extras, facts={"title": "Test", "domain": "demo", "window_hours": 3.0, "deepest": 0.1})


def test_the_document_holds_every_stratum_and_comparison(findings):
    document = findings.document
    assert (document["sites"], document["stations"], len(document["networks"])) == (18, 18, 6)
    assert document["interval"]["method"].endswith("whole networks")
    assert set(document["strata"]) >= {"network", "land cover", "texture", "station density", "season"}
    assert document["strata"]["area of applicability"]["outside"]["sites"] == 1
    assert document["strata"]["area of applicability"]["outside"]["few"]
    assert document["comparison"]["rival"]["gains"]["abs_bias"]["value"] == pytest.approx(0.02, abs=0.003)
    assert document["comparison"]["rival"]["gains"]["ubrmsd"]["value"] == pytest.approx(-0.03, abs=0.002)
    card = document["scorecard"]
    assert set(card["estimates"]) == {"product", "smap", "prior", "rival"}
    assert card["pairs"] == card["pairs_of_each"]["rival"]
    assert card["gains"]["rival"]["ubrmsd"]["high"] < 0
    assert "no prior" in document["representativeness"]["refused"]
    error = document["triple_collocation"]["error"]
    assert error["product"]["value"] == pytest.approx(0.03, abs=0.003)
    assert error["stations"]["value"] == pytest.approx(0.0, abs=0.012)


def test_the_page_is_self_contained_and_escapes_what_it_is_told(findings):
    text = page(findings, "no prior is given")
    assert "SIMULATED SAMPLE" in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("data:image/png;base64,") == 6
    for entry in (findings.document["gains"]["smap"]["rmsd"], findings.document["estimates"]["prior"]["rmsd"]):
        assert cell(entry) in text.replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ")


def test_what_rounds_to_nothing_has_no_sign():
    assert cell({"value": -0.00001, "low": -0.012, "high": 0.00002}) == "0.0000 [-0.0120, 0.0000]"
    assert cell({"value": -0.0, "low": None, "high": None}, "msd_bias") == "0.00e+00"
    assert cell({"value": 0.5, "low": 0.25, "high": None}, "share_r") == "50 % [25 %, –]"


def test_the_site_table_has_a_row_a_site_with_intervals_around_its_figures(findings):
    table = findings.sites
    assert len(table) == 18
    assert (table["gain_over_smap_rmsd_low"] < table["gain_over_smap_rmsd"]).all()
    assert (table["gain_over_smap_rmsd"] < table["gain_over_smap_rmsd_high"]).all()


def test_intervals_of_a_stratum_rest_on_the_networks_that_are_in_it(held):
    networks = np.array([site.network for site in make_matchups().sites])
    two = np.isin(networks, ["NET-0", "NET-1"])
    assert held.units(two) == 2  # not its six stations
    assert held.units(networks == "NET-0") == held.draws.blocks
    assert held.units(np.ones(len(networks), bool)) == 6


def test_a_cell_with_stations_of_two_networks_makes_no_third_network():
    matchups = make_matchups(networks=4, days=60)
    first = replace(matchups.sites[0], network="NET-0+NET-1", station="0-0+1-9")
    made = contest(replace(matchups, sites=(first, *matchups.sites[1:])), count=20)
    assert not made.draws.of_networks
    made = contest(make_matchups(networks=5, days=60), count=20)
    assert made.draws.of_networks
