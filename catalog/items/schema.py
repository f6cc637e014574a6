"""STAC validation that never touches the network: core schemas from pystac, extension schemas from this package."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jsonschema_rs
import pystac
from pystac.validation import set_validator
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from catalog.naming import MODELS, VALIDATIONS
from catalog.store.base import Store
from catalog.store.documents import read_document, resolve
from downscaler.errors import CatalogError

STAC_VERSION = "1.1.0"
_OWN = "vadose-item.json"
_OWN_OF = {MODELS: "vadose-model.json", VALIDATIONS: "vadose-validation.json"}
_TYPES = {"Feature": "item", "Collection": "collection", "Catalog": "catalog"}
_CORE = f"https://schemas.stacspec.org/v{STAC_VERSION}/{{0}}-spec/json-schema/{{0}}.json"


@functools.cache
def extension_schemas() -> Mapping[str, dict[str, Any]]:
    """The bundled extension schemas by their public URI."""
    folder = resources.files("catalog.schemas")
    files = [f for f in folder.iterdir() if f.name.endswith(".json") and f.name not in (_OWN, *_OWN_OF.values())]
    schemas = [json.loads(f.read_text(encoding="utf-8")) for f in files]
    return {schema["$id"]: schema for schema in schemas}


def extension_uri(name: str) -> str:
    """The URI of an extension in the version used here, by its short name (``projection``)."""
    return next(uri for uri in extension_schemas() if f"/{name}/" in uri)


def offline_validator() -> JsonSchemaSTACValidator:
    """A pystac validator that knows every schema a vadose catalogue refers to."""
    validator = JsonSchemaSTACValidator()
    validator.schema_cache.update(extension_schemas())
    return validator


def install_validator() -> None:
    """Make pystac's own ``validate()`` offline too, for all objects of this process."""
    set_validator(offline_validator())


@functools.cache
def _schema(uri: str) -> Any:
    """The compiled schema of a STAC type or extension by its URI; compiled ones check 7,000 items in seconds."""
    known = offline_validator().schema_cache
    return jsonschema_rs.validator_for(known[uri], registry=jsonschema_rs.Registry(list(known.items())), offline=True)


@functools.cache
def _own_schema(name: str) -> Any:
    text = resources.files("catalog.schemas").joinpath(name).read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(json.loads(text), offline=True)


def validate(document: Mapping[str, Any]) -> None:
    """Check a STAC item, collection or catalogue; raises CatalogError naming the object and the first fault."""
    kind, name = str(document.get("type")), str(document.get("id"))
    if kind not in _TYPES or document.get("stac_version") != STAC_VERSION:
        raise CatalogError(
            f"{name} is not a STAC {STAC_VERSION} object",
            value=f"{kind} {document.get('stac_version')}",
            allowed=_TYPES,
        )
    extensions = [str(uri) for uri in document.get("stac_extensions", [])]
    unknown = [uri for uri in extensions if uri not in extension_schemas()]
    if unknown:
        raise CatalogError(
            f"{name} uses extensions without a bundled schema", value=unknown, allowed=extension_schemas()
        )
    for uri in [_CORE.format(_TYPES[kind]), *extensions]:
        try:
            _schema(uri).validate(document)
        except jsonschema_rs.ValidationError as error:
            where = "/".join(map(str, error.instance_path))
            raise CatalogError(
                f"{name} is not a valid STAC {_TYPES[kind]}", value=f"{where}: {error.message} ({uri})"
            ) from error


def validate_core(document: Mapping[str, Any]) -> None:
    """Check only what STAC itself asks of an object, in a tenth of a millisecond; raises CatalogError."""
    kind = _TYPES.get(str(document.get("type")), "catalog")
    try:
        _schema(_CORE.format(kind)).validate(document)
    except jsonschema_rs.ValidationError as error:
        where = "/".join(map(str, error.instance_path))
        raise CatalogError(f"An object is not a valid STAC {kind}", value=f"{where}: {error.message}"[:300]) from error


def validate_item(item: Mapping[str, Any] | pystac.Item) -> None:
    """Check an item against STAC, its extensions and the project's own properties; raises CatalogError."""
    document = item.to_dict(include_self_link=False, transform_hrefs=False) if isinstance(item, pystac.Item) else item
    validate(document)
    try:
        _own_schema(_OWN_OF.get(str(document.get("collection")), _OWN)).validate(document)
    except jsonschema_rs.ValidationError as error:
        raise CatalogError(f"{document.get('id')} is not a valid vadose item", value=error.message) from error


def validate_store(store: Store) -> list[str]:
    """Check every object reachable from the root by child and item links; returns their keys in the order walked.

    Raises CatalogError at the first missing, unreadable or invalid one.
    """
    seen: dict[str, None] = {}
    waiting = ["catalog.json"]
    while waiting:
        key = waiting.pop(0)
        if key in seen:
            continue
        document = read_document(store, key)
        (validate_item if document.get("type") == "Feature" else validate)(document)
        seen[key] = None
        waiting += [
            resolve(key, link["href"]) for link in document.get("links", []) if link["rel"] in ("child", "item")
        ]
    return list(seen)
