"""Inspects a cube: the revisions of days it holds, and whether all of it can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import zarr

from catalog.cube.layout import DAYS, DIGEST, SHARD
from catalog.cube.repository import BRANCH, cube_errors, open_repository
from catalog.cube.write import array_of
from catalog.naming import domain_name
from downscaler import product
from downscaler.errors import CubeError


def held_days(uri: str | Path, collection: str) -> dict[int, int]:
    """Digests of the items that a cube holds by place on the time axis; none of a cube that was only begun.

    Raises MissingExtraError without Icechunk, CubeError where there is no cube or it cannot be read.
    """
    with cube_errors(uri, collection):
        group = _group(uri, collection)
        digests = np.zeros(0, np.uint64) if group is None else np.asarray(array_of(group, DIGEST)[:])
    return {int(index): int(digests[index]) for index in np.flatnonzero(digests)}


def read_all(uri: str | Path, collection: str) -> None:
    """Read every chunk of the days that a cube holds; raises CubeError at the first that is missing or damaged."""
    blocks = sorted({index // DAYS for index in held_days(uri, collection)})
    with cube_errors(uri, collection):
        group = _group(uri, collection)
        if group is None:
            return
        for variable in product.cube_variables(domain_name(collection)):
            array = array_of(group, variable.name)
            for block in blocks:
                for top in range(0, array.shape[1], SHARD):
                    try:
                        array[block * DAYS : (block + 1) * DAYS, top : top + SHARD, :]
                    except (ValueError, RuntimeError) as error:  # a codec's: the bytes are not those written
                        raise CubeError("The cube is damaged", value=f"{variable.name}: {error}") from error


def _group(uri: str | Path, collection: str) -> zarr.Group | None:
    """The cube's root group, None where nothing has been written yet."""
    repository = open_repository(uri, collection)
    try:
        return zarr.open_group(repository.readonly_session(BRANCH).store, mode="r")
    except FileNotFoundError:  # said of a damaged cube too, whose snapshot cannot be read
        next(iter(repository.ancestry(branch=BRANCH)))
        return None
