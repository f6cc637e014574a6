"""Representativeness of stations in their domain's feature space, and skill reweighted to it.

Networks stand in biased places, and skill at stations is not skill over a domain (Leonarduzzi et al. 2026,
doi:10.5194/egusphere-2026-2956). Here that warning is a number beside every plain figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from downscaler.errors import TrainingError, ValidationError
from downscaler.ground.grid import M01, Domain
from downscaler.ground.prior import Prior
from downscaler.learn.applicability import fit
from downscaler.stores.prior.points import ground_at, ground_sample
from downscaler.validation.matchups import Matchups
from downscaler.validation.sites import cells
from downscaler.validation.strata import IGBP

Floats = NDArray[np.float64]
LEAST_SITES = 10
LARGEST_WEIGHT = 10.0  # times the mean weight; heavier sites are held there, so that none speaks for all
_CLASSES = "land_cover"
_RARE = 0.02  # share of the domain below which a class is no feature


@dataclass(frozen=True, kw_only=True, eq=False)
class Representativeness:
    """What stations stand for.

    Attributes:
        features: names of the ground's properties that were compared.
        shift: of each feature, mean of the stations minus mean of the domain in standard deviations of the domain.
        reweighted_shift: the same with the weights.
        dissimilarity: of sampled domain cells from the nearest station [cells] (Meyer & Pebesma 2021).
        threshold: dissimilarity above which a cell is unlike any station.
        share: share of the domain that the stations stand for, 0 to 1.
        weights: of the sites, mean 1 [sites].
        effective_sites: Kish's effective number of sites under these weights.
        separability: area under the ROC curve with which stations are told from domain cells; 0.5 is a fair sample.
        held: sites whose weight is held at the largest.
    """

    features: tuple[str, ...]
    shift: dict[str, float]
    reweighted_shift: dict[str, float]
    dissimilarity: Floats
    threshold: float
    share: float
    weights: Floats
    effective_sites: float
    separability: float
    held: int


def represent(
    stations: Mapping[str, NDArray[np.floating]],
    domain: Mapping[str, NDArray[np.floating]],
    blocks: NDArray[np.intp],
    *,
    seed: int = 0,
) -> Representativeness:
    """Compare the ground under stations with that of the domain.

    Dissimilarity is the distance in standardised features to the nearest station over the mean distance between
    stations; a cell counts as stood for up to the threshold that stations keep among each other across blocks. The
    weight of a site is p / (1 - p), p the probability of a logistic regression (linear and squared features) that its
    ground is of the domain, not of a station (inverse propensity: Rosenbaum & Rubin 1983, doi:10.1093/biomet/70.1.41),
    held at ``LARGEST_WEIGHT`` times the mean. It corrects for what the features tell, and for nothing else.

    Args:
        stations: features of the sites' cells by name [sites]; ``land_cover`` is a class.
        domain: the same of cells drawn at random from the domain [cells].
        blocks: spatial block of each site [sites].
        seed: of the reference rows.

    Raises:
        ValidationError: fewer than ten sites with known features, or all of them in one block.
    """
    names, at_sites, at_cells, known = _compared(stations, domain)
    scale = StandardScaler().fit(at_cells)
    x_sites, x_cells = scale.transform(at_sites), scale.transform(at_cells)
    dissimilarity, threshold = _dissimilarity(x_sites, x_cells, blocks[known], seed)
    weights = np.ones(len(known))
    weights[known], separability, held = _weights(x_sites, x_cells)
    used = np.where(known, weights, 0.0)
    return Representativeness(
        features=names,
        shift=dict(zip(names, x_sites.mean(axis=0).tolist(), strict=True)),
        reweighted_shift=dict(zip(names, np.average(x_sites, axis=0, weights=weights[known]).tolist(), strict=True)),
        dissimilarity=dissimilarity,
        threshold=threshold,
        share=float(np.mean(dissimilarity <= threshold)),
        weights=used,
        effective_sites=float(used.sum() ** 2 / (used**2).sum()),
        separability=separability,
        held=held,
    )


def _compared(
    stations: Mapping[str, NDArray[np.floating]], domain: Mapping[str, NDArray[np.floating]]
) -> tuple[tuple[str, ...], Floats, Floats, NDArray[np.bool_]]:
    """Names of the features that vary, their values at sites and cells where all are known, and which sites are."""
    stations, domain = _expanded(stations, domain)
    names = tuple(name for name in stations if name in domain and np.nanstd(domain[name]) > 0)
    at_sites, at_cells = (np.stack([f[n] for n in names], axis=1).astype(float) for f in (stations, domain))
    known = np.isfinite(at_sites).all(axis=1)
    at_cells = at_cells[np.isfinite(at_cells).all(axis=1)]
    if known.sum() < LEAST_SITES or len(at_cells) < LEAST_SITES:
        raise ValidationError(
            "Too few stations to compare with their domain",
            value=f"{int(known.sum())} sites with known ground",
            allowed=f"{LEAST_SITES} or more",
        )
    return names, at_sites[known], at_cells, known


def _expanded(*grounds: Mapping[str, NDArray[np.floating]]) -> list[dict[str, NDArray[np.floating]]]:
    """Features with land cover as indicators of its broad classes, of those that are not rare in the last ground."""
    made = [{name: field for name, field in ground.items() if name != _CLASSES} for ground in grounds]
    if not all(_CLASSES in ground for ground in grounds):
        return made
    covers = []
    for ground in grounds:
        codes = np.nan_to_num(ground[_CLASSES], nan=-1.0).astype(int)
        covers.append(np.array([IGBP.get(int(code), "") for code in codes]))
    common = [name for name in sorted(set(covers[-1]) - {""}) if np.mean(covers[-1] == name) >= _RARE]
    for ground, cover in zip(made, covers, strict=True):
        ground |= {name: np.where(cover == "", np.nan, cover == name).astype(float) for name in common[1:]}
    return made


def _dissimilarity(sites: Floats, cells: Floats, blocks: NDArray[np.intp], seed: int) -> tuple[Floats, float]:
    try:
        area = fit(sites.astype(np.float32), np.ones(sites.shape[1]), blocks, seed=seed)
    except TrainingError as error:
        raise ValidationError("The stations have no variation in the compared features", value=error.what) from error
    return area.dissimilarity(cells.astype(np.float32)).astype(float), area.threshold


def _weights(sites: Floats, cells: Floats) -> tuple[Floats, float, int]:
    """Inverse propensity of the sites, mean 1; how well they are told from the domain; and how many are held."""
    rows = np.vstack([sites, cells])
    rows = np.hstack([rows, rows**2])
    label = np.r_[np.zeros(len(sites)), np.ones(len(cells))]
    # classes count alike, so that odds of one half mean "as common among stations as in the domain"
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(rows, label)
    of_domain = model.predict_proba(rows)[:, 1]
    odds = of_domain[: len(sites)] / np.maximum(1.0 - of_domain[: len(sites)], 1e-6)
    weights = odds / odds.mean()
    held = weights > LARGEST_WEIGHT
    weights = np.minimum(weights, LARGEST_WEIGHT)
    order = np.argsort(of_domain, kind="stable")
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    m, n = len(cells), len(sites)
    separability = (rank[label == 1].sum() - m * (m + 1) / 2) / (m * n)  # Mann and Whitney's U
    return np.asarray(weights / weights.mean()), float(separability), int(held.sum())


def represented(
    prior: Prior | None, domain: Domain, matchups: Matchups, *, min_pairs: int, seed: int = 0
) -> Representativeness | str:
    """How the sites with enough pairs stand in the domain, the others with weight 0; else in words why that is unknown.

    Args:
        prior: tells the ground; None where none is given.
        domain: theirs.
        matchups: sites and pairs.
        min_pairs: pairs that a site needs.
        seed: of the sample of the domain's ground.
    """
    if prior is None:
        return "no prior is given, so the ground is not known"
    rows, columns = cells(matchups.sites)
    enough = matchups.pairs.sum(axis=1) >= min_pairs
    ground = {name: np.where(enough, field, np.nan) for name, field in ground_at(prior, domain, rows, columns).items()}
    blocks = rows // M01.per_m36 * 10_000 + columns // M01.per_m36
    try:
        return represent(ground, ground_sample(prior, domain, seed=seed), blocks, seed=seed)
    except ValidationError as error:
        return str(error)
