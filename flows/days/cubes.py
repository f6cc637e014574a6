"""Keeps the cubes of a catalogue in step with its days: called after days were published or withdrawn."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from downscaler.errors import VadoseError
from flows.logs import DAYS

_LOG = logging.getLogger(DAYS)


def keep_in_step(catalog: str, domain_name: str) -> None:
    """Bring the cube of a domain's days up to date, where there is one.

    What goes wrong is logged and stops nothing: the days are published, and the next call brings what is missing.
    """
    from catalog.cube.repository import exists
    from catalog.cube.update import update_cube
    from catalog.naming import collection_id
    from catalog.reading.days import items
    from downscaler import product

    collection = collection_id(domain_name)
    try:
        if not product.cube_variables(domain_name) or find_spec("icechunk") is None or not exists(catalog, collection):
            return
        days = [item for item in items(catalog, product.domain(domain_name)) if not _is_deprecated(item)]
        done = update_cube(catalog, collection, days)
        if done.written or done.emptied:
            _LOG.info("cube of %s: %d days written, %d emptied", collection, len(done.written), len(done.emptied))
    except VadoseError as error:
        _LOG.warning("The cube of %s is behind its days; `vadose cube update` brings it up: %s", collection, error)


def _is_deprecated(item: dict[str, object]) -> bool:
    properties = item["properties"]
    return isinstance(properties, dict) and bool(properties.get("deprecated"))
