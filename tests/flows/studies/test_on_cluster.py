"""Priors and models made by the workers of a Dask cluster, one of which is killed: the same bytes as in one process."""

from functools import partial

import psutil
import pytest

from downscaler.errors import PriorError, TrainingError
from downscaler.ground.grid import M09, Domain, Span, Window
from downscaler.learn.boosting import Kind, Options
from downscaler.learn.samples import Part
from downscaler.learn.tiles import Tiles, days_with_data
from downscaler.learn.training import Trial, fit_branch
from downscaler.parts import Parts
from downscaler.sources.parflow import open_source
from downscaler.stores.prior import build_prior
from flows.days.cluster import spread_on

pytestmark = pytest.mark.integration
FEW = Options(rows=6000, rounds=6, days_per_tile=12, learning_rate=0.2)


class Killer:
    """Kills a worker process of this one when it is first called."""

    def __init__(self):
        self.killed = 0

    def __call__(self, *_done):
        if not self.killed:
            workers = [c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline())]
            workers[0].kill()
            self.killed = workers[0].pid


def wide(domain):
    """The chain's domain with its eastern neighbours: two tiles, of which the lattice holds the first and a margin."""
    m36 = domain.m36
    columns = Span(start=m36.columns.start, stop=m36.columns.start + 9)
    return Domain(name="wide", title="Two tiles", m36=Window(rows=m36.rows, columns=columns))


def test_a_prior_is_the_same_whoever_makes_its_tiles(chain, tmp_path):
    native = chain.sample / "prior"
    opener = partial(open_source, "netcdf", native / "daily.nc", native / "static.nc")
    alone = build_prior(opener(), wide(chain.domain), tmp_path / "alone")
    with spread_on("local:2", 1, PriorError) as spread:
        kill = Killer()
        again = build_prior(
            opener(), wide(chain.domain), tmp_path / "together", opener=opener, spread=spread, progress=kill
        )
    assert kill.killed
    assert again.record().sha256 == alone.record().sha256
    assert list(tmp_path.glob(".*")) == []


def test_a_branch_is_the_same_whoever_draws_its_rows(chain, tmp_path):
    days = days_with_data(chain.prior)
    trial = Trial(train=Part(days=days[:-20]), held=Part(days=days[-20:]))

    def fit(name, **how):
        parts = Parts(tmp_path / name)
        cut = Tiles(chain.prior, M09, days[:-20], parts.under("statistics"), tile=1)
        assert len(cut) > 3
        branch, told = fit_branch(Kind(grid=M09, forcing=False), cut, [trial], FEW, parts=parts, **how)
        return branch.mean.save_raw(), branch.bounds.save_raw(), branch.stretch, told

    with spread_on("local:2", 1, TrainingError) as spread:
        kill = Killer()
        together = fit("together", spread=spread, tick=kill)
    assert kill.killed
    assert together == fit("alone")
    with spread_on(None, 2, TrainingError) as spread:
        assert fit("processes", spread=spread) == together
