"""A collection as DataCite's and as Croissant's metadata: all of it from the collection itself. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from downscaler import product
from downscaler.product import Variable

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that Croissant 1.0 asks for, word by word (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""


def datacite(collection: Mapping[str, Any], address: str, doi: str | None = None) -> dict[str, Any]:
    """Attributes of a DOI for a collection, as DataCite's REST API takes them (schema 4.6).

    Args:
        collection: its STAC document.
        address: where people land.
        doi: that is registered; without it one is asked for under the repository's prefix.
    """
    west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
    start, end = (str(time)[:10] for time in collection["extent"]["temporal"]["interval"][0])
    box = {
        "westBoundLongitude": west,
        "eastBoundLongitude": east,
        "southBoundLatitude": south,
        "northBoundLatitude": north,
    }
    attributes = {
        "titles": [{"title": collection["title"]}],
        "creators": [{"name": "vadose", "nameType": "Organizational"}],
        "publisher": {"name": "vadose"},
        "publicationYear": int(end[:4]),
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Gridded daily product"},
        "subjects": [{"subject": word} for word in collection.get("keywords", [])],
        "dates": [{"date": f"{start}/{end}", "dateType": "Coverage"}],
        "language": "en",
        "version": product.PRODUCT_VERSION,
        "rightsList": [
            {
                "rights": "Creative Commons Attribution 4.0 International",
                "rightsUri": "https://creativecommons.org/licenses/by/4.0/legalcode",
                "rightsIdentifier": product.LICENSE.lower(),
                "rightsIdentifierScheme": "SPDX",
            }
        ],
        "descriptions": [{"description": collection["description"], "descriptionType": "Abstract"}],
        "geoLocations": [{"geoLocationBox": box}],
        "formats": ["image/tiff; application=geotiff; profile=cloud-optimized"],
        "relatedIdentifiers": [
            {
                "relatedIdentifier": product.METHOD_DOI,
                "relatedIdentifierType": "DOI",
                "relationType": "IsDocumentedBy",
                "resourceTypeGeneral": "JournalArticle",
            }
        ],
        "url": address,
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    return {"data": {"type": "dois", "attributes": attributes | ({"doi": doi} if doi else {})}}


def croissant(collection: Mapping[str, Any], address: str, sha256: str) -> dict[str, Any]:
    """A collection in Croissant 1.0, for those who train on it: its rasters as sets of files, and a record per raster.

    Args:
        collection: its STAC document.
        address: of that document, to which the rasters' places are relative.
        sha256: of that document's bytes.
    """
    variables = product.variables_of(_domain(collection))
    start, end = collection["extent"]["temporal"]["interval"][0]
    west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": collection["id"],
        "description": collection["description"],
        "url": address,
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "version": product.PRODUCT_VERSION,
        "datePublished": str(end)[:10],
        "citeAs": product.METHOD_CITATION,
        "creator": {"@type": "sc:Organization", "name": "vadose"},
        "keywords": list(collection.get("keywords", [])),
        "isLiveDataset": True,
        "temporalCoverage": f"{str(start)[:10]}/{str(end)[:10]}",
        "spatialCoverage": {"@type": "Place", "geo": {"@type": "GeoShape", "box": f"{south} {west} {north} {east}"}},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "collection",
                "name": "collection.json",
                "description": "The STAC collection, whose links lead to every item.",
                "contentUrl": address,
                "encodingFormat": "application/json",
                "sha256": sha256,
            },
            *(_files(variable) for variable in variables),
        ],
        "recordSet": [_records(variable) for variable in variables],
    }


def _domain(collection: Mapping[str, Any]) -> str:
    from catalog.naming import domain_name

    return domain_name(str(collection["id"]))


def _files(variable: Variable) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{variable.name}-files",
        "name": f"{variable.name}-files",
        "description": f"{variable.title}: a Cloud-Optimized GeoTIFF of each item and revision.",
        "containedIn": {"@id": "collection"},
        "encodingFormat": "image/tiff",
        "includes": f"*/*/*/r*/{variable.name}.tif",
    }


def _records(variable: Variable) -> dict[str, Any]:
    content = {
        "@type": "cr:Field",
        "@id": f"{variable.name}/content",
        "name": f"{variable.name}/content",
        "description": f"{variable.description} Units: {variable.units}.",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": f"{variable.name}-files"}, "extract": {"fileProperty": "content"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": variable.name,
        "name": variable.name,
        "description": variable.title,
        "field": [content],
    }
