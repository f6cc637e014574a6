"""A catalogue of ten years in minutes: days of small domains, all but the first made in bulk after it.

Items, links and index are real and whole; the files of a day are hard links to those of one real publication.
"""

import datetime as dt
import json
import os
from pathlib import Path

import numpy as np

from catalog import publish
from catalog.check.repair import repair
from catalog.naming import DayName
from catalog.store.documents import serialise
from downscaler.ground.grid import Domain, Span, Window
from downscaler.ground.tiles import Tile
from downscaler.product import Flag
from downscaler.records import InputRecord, RunRecord

START, DAYS = dt.date(2015, 4, 1), 3650
DOMAINS = tuple(
    Domain(
        name=name, title=title, m36=Window(rows=Span(start=86, stop=87), columns=Span(start=column, stop=column + 1))
    )
    for name, title, column in (("west", "West", 218), ("east", "East", 219))
)


def run_record(domain: Domain, date: dt.date) -> RunRecord:
    noon = dt.datetime.combine(date, dt.time(12), tzinfo=dt.UTC)
    granule = InputRecord(kind="granule", name="granule.h5", version="1", sha256="a" * 64, size=1)
    return RunRecord(
        date=date,
        domain_name=domain.name,
        inputs=(granule,),
        observed=(noon, noon),
        simulated=True,
        caveats=(),
        parameters={},
    )


def tiles(domain: Domain) -> list[Tile]:
    shape = (domain.shape().y, domain.shape().x)
    theta = np.random.default_rng(0).uniform(0.05, 0.4, shape)
    fields = {
        "soil_moisture": theta,
        "uncertainty": np.full(shape, 0.04),
        "lower": np.clip(theta - 0.06, 0, 1),
        "upper": np.clip(theta + 0.06, 0, 1),
        "quality_flag": np.full(shape, int(Flag.CLIPPED), np.uint16),
        "observation_time": np.full(shape, 732.0),
    }
    return [Tile(window=window, fields=fields) for window in domain.blocks(8)]


def build_big_catalog(root: Path, days: int = DAYS) -> Path:
    """A catalogue of ``days`` days of two collections: the first of each published, the others made after it.

    Written in bulk: items and hard links first, then links, extents and index once, by the catalogue's own repair.
    """
    for domain in DOMAINS:
        publish(root, run_record(domain, START), domain, tiles(domain))
        for number in range(1, days):
            copy_day(root, domain, START + dt.timedelta(days=number))
    repair(root, metadata_only=True)
    return root


def copy_day(root: Path, domain: Domain, date: dt.date) -> dict:
    """The first day's item under another date, its files as hard links; returns the item."""
    old, new = DayName.of(domain, START), DayName.of(domain, date)
    text = (root / old.item_key).read_text().replace(old.item_id, new.item_id).replace(str(START), str(date))
    target = root / new.folder / "r001"
    target.mkdir(parents=True)
    for file in (root / old.folder / "r001").iterdir():
        os.link(file, target / file.name)
    item = json.loads(text)
    (root / new.item_key).write_bytes(serialise(item))
    return item
