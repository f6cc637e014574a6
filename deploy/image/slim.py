"""Takes out of an environment what one image does not need: ``slim.py EXTRA... [-PACKAGE...]``.

Kept are vadose with the named extras and what these need, by the declarations of the packages; a package named with a
minus goes, and with it what it alone needs. Tests and sources in C go too. Run by the Python of that environment; it
removes files, so only in an image that is being built.
"""

import re
import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_USELESS = ("tests", "test")  # folders inside packages
_SOURCES = (".c", ".cpp", ".h", ".hpp", ".pyx", ".pxd", ".pyi", ".a")
# Parts of packages that nothing here loads: Arrow's own clients of Flight and S3 (obstore speaks to buckets).
_PARTS = ("pyarrow/*flight*", "pyarrow/libarrow_s3*", "pyarrow/_s3fs*")
_BOTOCORE = (
    "s3",
    "s3control",
    "sts",
    "sso",
    "sso-oidc",
    "signin",
)  # services whose descriptions stay: buckets and log-ins


def needed(installed: dict[str, Distribution], name: str, extras: frozenset[str]) -> set[str]:
    """Names of all that a distribution with extras needs, itself among them."""
    seen: dict[str, frozenset[str]] = {}
    todo = [(name, extras)]
    while todo:
        name, extras = todo.pop()
        if name not in installed or (name in seen and extras <= seen[name]):
            continue
        seen[name] = seen.get(name, frozenset()) | extras
        for text in installed[name].requires or ():
            wanted = Requirement(text)
            held = [{"extra": extra} for extra in ("", *seen[name])]
            if wanted.marker is None or any(wanted.marker.evaluate(one) for one in held):
                todo.append((canonicalize_name(wanted.name), frozenset(wanted.extras)))
    return set(seen)


def remove(distribution: Distribution) -> None:
    """Delete the files of one distribution and the folders that they leave empty."""
    folders = set()
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file)))
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        if re.search(r"site-packages/.", str(folder)) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def main(words: list[str]) -> None:
    """Slim the environment of this interpreter."""
    installed = {canonicalize_name(found.name): found for found in distributions()}
    left_out = {canonicalize_name(word[1:]) for word in words if word.startswith("-")}
    extras = frozenset(word for word in words if not word.startswith("-"))
    kept = needed({name: found for name, found in installed.items() if name not in left_out}, "vadose", extras)
    site = Path(str(installed["vadose"].locate_file("")))
    for name in sorted(installed.keys() - kept):
        remove(installed[name])
    for left in site.glob("*.dist-info"):  # metadata that no record lists
        if not (left / "METADATA").is_file():
            shutil.rmtree(left)
    for package in site.iterdir():
        for folder in [path for kind in _USELESS for path in package.glob(f"**/{kind}") if path.is_dir()]:
            shutil.rmtree(folder, ignore_errors=True)
    for path in [found for pattern in _PARTS for found in site.glob(pattern)]:
        path.unlink()
    for path in [found for found in site.rglob("*") if found.suffix in _SOURCES and found.is_file()]:
        path.unlink()
    for service in (site / "botocore" / "data").glob("*/"):
        if service.is_dir() and service.name not in _BOTOCORE:
            shutil.rmtree(service)
    print(f"{len(kept)} distributions kept, {len(installed) - len(kept)} taken out", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
