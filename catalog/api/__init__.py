"""The catalogue as a service: its files, a STAC API, tiles, dates and time series, read-only."""

import logging

# It warns at import of names that are given later, when an application is made.
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)

from catalog.api.app import create_app  # noqa: E402

__all__ = ["create_app"]
