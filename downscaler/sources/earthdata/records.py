"""File records of CMR (UMM-G), checked for plain file names before use.

Source: Unified Metadata Model for granules (UMM-G) 1.6.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from downscaler.errors import GranuleNameError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of an archive: name, address, size and checksum.

    ``size`` in bytes, ``checksum`` (algorithm, hexadecimal value) and ``revised`` (last change of the record) are
    None where the archive does not tell.
    """

    name: str
    url: str
    size: int | None = None
    checksum: tuple[str, str] | None = None
    revised: dt.datetime | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """Identifies this content among others of the same name, as far as the archive allows."""
        if self.checksum:
            return f"{self.checksum[0]}:{self.checksum[1]}"
        return f"size:{self.size}"


def is_in_cloud(url: str) -> bool:
    """Whether an address is of Earthdata's cloud."""
    return (urlsplit(url).hostname or "").endswith("earthdatacloud.nasa.gov")


def remote_file(record: Mapping[str, Any], suffix: str) -> RemoteFile:
    """The file of a CMR record (``items[n]`` of umm_json) whose name ends in ``suffix``.

    Raises GranuleNameError when the record has no such https address, or a name that is no plain file name.
    """
    umm = record.get("umm", {})
    links = [link["URL"] for link in umm.get("RelatedUrls", []) if link.get("Type") == "GET DATA" and "URL" in link]
    links.sort(key=is_in_cloud)  # of one file at two hosts the one in the cloud counts: the other is being retired
    named = {unquote(urlsplit(url).path).rsplit("/", 1)[-1]: url for url in links if url.startswith("https://")}
    found = [(name, url) for name, url in named.items() if name.endswith(suffix)]
    if not found:
        raise GranuleNameError(
            "An archive record names no file to download",
            value=f"{umm.get('GranuleUR')}: {', '.join(map(str, links)) or 'no address'}",
            allowed=f"a GET DATA address (https) that ends in {suffix}",
        )
    name, url = found[0]
    parts = list(_parts(umm.get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])))
    for told in _told_names(umm, parts, suffix):
        if not _PLAIN.fullmatch(told) or ".." in told:
            raise GranuleNameError("A file name from the archive is not a plain file name", value=repr(told))
    if not _PLAIN.fullmatch(name) or ".." in name:
        raise GranuleNameError("A file name from the archive is not a plain file name", value=repr(name))
    matching = [part for part in parts if part.get("Name") == name] or (parts if len(parts) == 1 else [{}])
    return RemoteFile(
        name=name, url=url, size=_size(matching[0]), checksum=_checksum(matching[0]), revised=_revised(record)
    )


def _revised(record: Mapping[str, Any]) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(record.get("meta", {}).get("revision-date")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _parts(information: Any) -> Iterator[Mapping[str, Any]]:
    """Files that the record lists, also those inside packages."""
    for entry in information if isinstance(information, list) else [information]:
        yield entry
        yield from _parts(entry.get("Files", []))


def _told_names(umm: Mapping[str, Any], parts: list[Mapping[str, Any]], suffix: str) -> Iterator[str]:
    for identifier in umm.get("DataGranule", {}).get("Identifiers", []):
        if identifier.get("IdentifierType") == "ProducerGranuleId":
            yield str(identifier.get("Identifier"))
    yield from (str(part["Name"]) for part in parts if str(part.get("Name", "")).endswith(suffix))


def _size(part: Mapping[str, Any]) -> int | None:
    size = part.get("SizeInBytes")  # "Size" is rounded to some unit and says nothing exact
    return int(size) if isinstance(size, int | float) and size > 0 else None


def _checksum(part: Mapping[str, Any]) -> tuple[str, str] | None:
    told = part.get("Checksum") or {}
    value, algorithm = told.get("Value"), told.get("Algorithm")
    return (str(algorithm), str(value).lower()) if value and algorithm else None
