"""Collections as others' metadata: DataCite's for a DOI, Croissant's for machine learning."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import APIRouter, Depends, Request

from catalog.api.requests import absent, base, known_parameters
from catalog.api.stac.holdings import Catalogue
from catalog.export.metadata import croissant, datacite
from catalog.naming import NO_DAYS

router = APIRouter(dependencies=[Depends(known_parameters)])


@router.get("/datasets/{collection}/datacite.json", summary="A collection's metadata for DataCite")
def for_datacite(request: Request, collection: str) -> dict[str, Any]:
    """What DataCite's REST API takes to register a DOI of the collection (schema 4.6)."""
    _, document = _found(request, collection)
    return datacite(document, f"{base(request)}stac/collections/{collection}")


@router.get("/datasets/{collection}/croissant.json", summary="A collection's metadata for Croissant")
def for_croissant(request: Request, collection: str) -> dict[str, Any]:
    """Croissant 1.0: the rasters of the collection as sets of files, a record for each."""
    key, document = _found(request, collection)
    content = request.app.state.store.get(key) or b""
    return croissant(document, f"{base(request)}catalog/{key}", hashlib.sha256(content).hexdigest())


def _found(request: Request, collection: str) -> tuple[str, dict[str, Any]]:
    catalogue: Catalogue = request.app.state.catalogue
    held = catalogue.now().collections
    if collection not in held or collection in NO_DAYS:
        raise absent(f"No collection {collection[:80]!r}.")
    key, document = held[collection]
    return key, dict(document)
