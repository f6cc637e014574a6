"""All findings of a validation as one plain document, and a table of its sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from downscaler.errors import TripletError
from downscaler.ground.grid import Domain
from downscaler.product import PRODUCT_VERSION
from downscaler.skill.interval import Interval, intervals
from downscaler.sources.insitu.series import FileReport
from downscaler.validation.matchups import PRODUCT, SMAP, Matchups
from downscaler.validation.metrics import METRICS
from downscaler.validation.representativeness import Representativeness
from downscaler.validation.skill import GAINS, MIN_PAIRS, Contest, against, contest, together, within
from downscaler.validation.strata import pair_masks, site_labels
from downscaler.validation.triple import PRODUCT_INPUTS, STATIONS, Source, require_independent, triplet

Floats = NDArray[np.float64]
Document = dict[str, Any]
SHOWN = ("bias", "rmsd", "ubrmsd", "r", "anomaly_r")
HEADLINE = ("rmsd", "ubrmsd", "r")
FEW_SITES = 5  # below, a stratum says little and is marked


@dataclass(frozen=True, kw_only=True, eq=False)
class Extras:
    """What a validation may have beside match-ups.

    ``ground`` is what the prior tells of the sites' cells; ``represented`` the stations' place in the domain or why it
    cannot be told; ``others`` products to compare with by name [sites, days]; ``third`` the third source of a triplet
    and its values; ``files`` the reports on the station files; ``notes`` what a reader must know of the other products.
    """

    ground: Mapping[str, Floats] = field(default_factory=dict)
    represented: Representativeness | str = "no prior is given, so the ground is not known"
    others: Mapping[str, Floats] = field(default_factory=dict)
    third: tuple[Source, Floats] | None = None
    files: Sequence[FileReport] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """A validation's document, its sites with their own figures, its pairs, and the contest they come from."""

    document: Document
    sites: pd.DataFrame
    matchups: Matchups
    contest: Contest


def facts_of(domain: Domain, *, window: float, deepest: float) -> Document:
    """What a document says of a validation beside its figures: where, which product, and the settings."""
    return {
        "title": domain.title,
        "domain": domain.name,
        "product_version": PRODUCT_VERSION,
        "window_hours": window,
        "deepest": deepest,
    }


def summarise(
    matchups: Matchups,
    extras: Extras,
    *,
    facts: Mapping[str, Any],
    min_pairs: int = MIN_PAIRS,
    seed: int = 0,
) -> Findings:
    """Judge match-ups in every way that the report shows.

    Args:
        matchups: product, SMAP, perhaps prior, and stations.
        extras: what else is at hand.
        facts: title, domain, period and settings, for the document.
        min_pairs: pairs that a site needs.
        seed: of the bootstrap.

    Raises:
        ValidationError: no site has enough pairs.
    """
    held = contest(matchups, min_pairs=min_pairs, seed=seed)
    baselines = [name for name in held.estimates if name != PRODUCT]
    labels = site_labels(matchups.sites, extras.ground)
    document = {
        **facts,
        **_counts(matchups, held),
        "estimates": as_plain(held.averages()),
        "gains": {baseline: as_plain(held.average_gains(baseline)) for baseline in baselines},
        "strata": _strata(matchups, held, labels),
        "representativeness": _representativeness(held, baselines, extras.represented),
        "triple_collocation": _triple(held, extras.third),
        "comparison": {name: _comparison(held, name, values) for name, values in extras.others.items()},
        "scorecard": _scorecard(held, extras.others),
        "files": [asdict(report) | {"clean": report.clean} for report in extras.files],
        "notes": [*matchups.notes, *extras.notes],
    }
    return Findings(
        document=document,
        sites=_site_table(matchups, held, labels, extras.represented),
        matchups=matchups,
        contest=held,
    )


def as_plain(values: Any) -> Any:
    """Intervals as dictionaries, numpy as Python, NaN as None."""
    if isinstance(values, Interval):
        return {key: as_plain(value) for key, value in asdict(values).items()}
    if isinstance(values, Mapping):
        return {key: as_plain(value) for key, value in values.items()}
    number = float(values)
    return number if np.isfinite(number) else None


def _counts(matchups: Matchups, held: Contest) -> Document:
    used = held.enough
    pairs = held.pairs[used]
    chosen = [site for site, kept in zip(matchups.sites, used, strict=True) if kept]
    days = matchups.days[pairs.any(axis=0)]
    draws = held.draws
    return {
        "simulated": matchups.simulated,
        "sites": len(chosen),
        "sites_with_too_few_pairs": int((~used).sum()),
        "stations": sum(len({(s.network, s.station) for s in site.sensors}) for site in chosen),
        "networks": sorted({sensor.network for site in chosen for sensor in site.sensors}),
        "pairs": int(pairs.sum()),
        "days": len(days),
        "period": [str(days.min()), str(days.max())],
        "min_pairs": held.min_pairs,
        "interval": {
            "level": 0.95,
            "method": "stationary block bootstrap of days and of "
            + ("whole networks" if draws.of_networks else "stations (too few networks to resample whole ones)"),
            "mean_block_days": round(draws.block, 1),
            "independent_blocks": round(draws.blocks, 1),
            "resampled_in_space": draws.units,
            "draws": len(draws.days) - 1,
        },
    }


def _strata(matchups: Matchups, held: Contest, labels: Mapping[str, NDArray[np.str_]]) -> Document:
    gains = held.gains(SMAP)
    made: Document = {}
    for kind, names in labels.items():
        found: Document = {}
        for name in np.unique(names):
            keep = (names == name) & held.enough
            if keep.any():
                row = {m: as_plain(held.average(held.metrics[PRODUCT][m], keep=keep)) for m in SHOWN}
                gain = {g: as_plain(held.average(gains[g], keep=keep)) for g in HEADLINE}
                found[str(name)] = _row(int(keep.sum()), int(held.pairs[keep].sum()), row, gain)
        made[kind] = found
    for kind, masks in pair_masks(matchups).items():
        rows = {name: _of_pairs(held, mask) for name, mask in masks.items()}
        made[kind] = {name: row for name, row in rows.items() if row is not None}
    return made


def _of_pairs(held: Contest, mask: NDArray[np.bool_]) -> Document | None:
    part = within(held, mask)
    if not part.enough.any():
        return None
    gains = part.gains(SMAP)
    row = {m: as_plain(part.average(part.metrics[PRODUCT][m])) for m in SHOWN}
    gain = {g: as_plain(part.average(gains[g])) for g in HEADLINE}
    return _row(int(part.enough.sum()), int(part.pairs[part.enough].sum()), row, gain)


def _row(sites: int, pairs: int, metrics: Document, gain: Document) -> Document:
    return {"sites": sites, "pairs": pairs, "few": sites < FEW_SITES, "product": metrics, "gain_over_smap": gain}


def _representativeness(held: Contest, baselines: Sequence[str], found: Representativeness | str) -> Document:
    """Skill as if stations stood everywhere, beside the plain one at the same sites."""
    if isinstance(found, str):
        return {"refused": found}
    known = found.weights > 0
    if not (known & held.enough).any():
        return {"refused": "no station with enough pairs stands on ground that the prior knows"}
    gains = {baseline: held.gains(baseline) for baseline in baselines}

    def of(weights: Floats | None) -> Document:
        """Averages and gains over the known stations, under these weights (None: plain)."""
        return {
            "estimates": {
                name: {m: as_plain(held.average(metrics[m], keep=known, weights=weights)) for m in SHOWN}
                for name, metrics in held.metrics.items()
            },
            "gains": {
                baseline: {g: as_plain(held.average(made[g], keep=known, weights=weights)) for g in HEADLINE}
                for baseline, made in gains.items()
            },
        }

    return {
        "share_of_domain": found.share,
        "threshold": found.threshold,
        "effective_sites": found.effective_sites,
        "sites": int(known.sum()),
        "separability": found.separability,
        "weights_held": found.held,
        "shift": found.shift,
        "reweighted_shift": found.reweighted_shift,
        "plain": of(None),
        "reweighted": of(found.weights),
    }


def _triple(held: Contest, third: tuple[Source, Floats] | None) -> Document:
    sources = [Source(name="stations", inputs=(STATIONS,)), Source(name=PRODUCT, inputs=PRODUCT_INPUTS)]
    try:
        require_independent([*sources, third[0]] if third else sources)
        assert third is not None
        values = {"stations": held.truth, PRODUCT: held.estimates[PRODUCT], third[0].name: third[1]}
        made = triplet({name: np.where(held.pairs, v, np.nan) for name, v in values.items()}, held.draws)
    except TripletError as error:
        return {"refused": str(error)}
    return {"error": as_plain(made.error), "r": as_plain(made.r), "sites": made.sites, "inputs": list(third[0].inputs)}


def _comparison(held: Contest, name: str, values: Floats) -> Document:
    part = against(held, name, values)
    if not part.enough.any():
        return {"refused": f"no station has {held.min_pairs} pairs that {name} has too"}
    return {
        "sites": int(part.enough.sum()),
        "pairs": int(part.pairs[part.enough].sum()),
        "estimates": as_plain(part.averages()),
        "gains": as_plain(part.average_gains(name)),
    }


def _scorecard(held: Contest, others: Mapping[str, Floats]) -> Document:
    """Every product at the stations and days that all have; how many pairs each has, where these are too few."""
    if not others:
        return {}
    part = together(held, others)
    alone = {name: int((held.pairs & np.isfinite(values)).sum()) for name, values in others.items()}
    if not part.enough.any():
        told = ", ".join(f"{name} {count}" for name, count in alone.items())
        return {"refused": f"no station has {held.min_pairs} pairs that all products have (pairs of each: {told})"}
    return {
        "sites": int(part.enough.sum()),
        "pairs": int(part.pairs[part.enough].sum()),
        "days": int(part.pairs[part.enough].any(axis=0).sum()),
        "pairs_of_each": alone,
        "estimates": {
            name: {m: as_plain(part.average(values[m])) for m in SHOWN} for name, values in part.metrics.items()
        },
        "gains": {
            name: {g: as_plain(part.average(part.gains(name)[g])) for g in HEADLINE}
            for name in part.estimates
            if name != PRODUCT
        },
    }


def _site_table(
    matchups: Matchups,
    held: Contest,
    labels: Mapping[str, NDArray[np.str_]],
    represented: Representativeness | str,
) -> pd.DataFrame:
    """A row a site: where it is, what it stands on, every metric of every estimate and gain, with ends of intervals."""
    sites = matchups.sites
    columns: dict[str, Any] = {
        "network": [s.network for s in sites],
        "station": [s.station for s in sites],
        "lat": [s.lat for s in sites],
        "lon": [s.lon for s in sites],
        "row": [s.row for s in sites],
        "column": [s.column for s in sites],
        "sensors": [len(s.sensors) for s in sites],
        "depth": [s.sensors[0].depth_to for s in sites],
        "stations_in_smap_cell": [s.neighbours for s in sites],
        "pairs": held.pairs.sum(axis=1),
    }
    columns |= {kind.replace(" ", "_"): names for kind, names in labels.items() if kind not in ("network",)}
    columns["weight"] = np.ones(len(sites)) if isinstance(represented, str) else represented.weights
    blocks = held.draws.blocks
    for name, metrics in held.metrics.items():
        for metric in METRICS:
            columns |= _with_ends(f"{name}_{metric}", metrics[metric], blocks)
    for baseline in (name for name in held.estimates if name != PRODUCT):
        gains = held.gains(baseline)
        for gain in GAINS:
            columns |= _with_ends(f"gain_over_{baseline}_{gain}", gains[gain], blocks)
    return pd.DataFrame(columns)


def _with_ends(name: str, samples: Floats, blocks: float) -> dict[str, Floats]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), intervals(samples, blocks), strict=True))
