"""Write docs/reference/ from the code: commands, settings, exit codes, variables and flags.

Run ``make docs-reference`` after a change of any of them; ``tests/test_reference.py`` fails while the pages differ.
"""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Iterator, Sequence
from enum import EnumType
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from catalog.api.limits import Limits
from catalog.download.guard import Bounds
from catalog.store.waiting import PATIENCE, SETTING
from downscaler import errors, product
from downscaler.errors import VadoseError
from downscaler.sources.hdf5 import guard
from flows.cli import app
from flows.settings import PREFIX, Settings

FOLDER = Path(__file__).parent / "reference"
_KINDS = {int: "N", float: "X", str: "TEXT"}
_NOTE = "<!-- Written by docs/generate.py from the code: do not edit. -->\n\n"


def commands() -> str:
    """Every command of the command line, by group, with its arguments and options."""
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        root.help.strip() + "\n",
        "`vadose --config FILE COMMAND` names a settings file; `--debug` shows the traceback of an error. Results go "
        "to standard output, progress bars and errors to standard error. `--json` prints the result as JSON on "
        "standard output, and nothing else. Options that are not given come from the [settings](settings.md).\n",
    ]
    panels: dict[str, list[str]] = {}
    for name, command in root.commands.items():
        panels.setdefault(command.rich_help_panel, []).extend(_command(f"vadose {name}", command))
    for panel, texts in panels.items():
        parts += [f"## {panel}\n", *texts]
    return _NOTE + "\n".join(parts)


def _command(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for inner, child in command.commands.items():
            yield from _command(f"{name} {inner}", child)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([name, *(_usage(p) for p in arguments), *(_usage(p) for p in options if p.required), "[OPTIONS]"])
    yield f"### `{name}`\n"
    yield f"```\n{usage}\n```\n"
    yield inspect.cleandoc(command.help) + "\n"
    if arguments or options:
        rows = [f"| `{_spelling(p)}` | {_default(p)} | {_plain(p.help)} |" for p in (*arguments, *options)]
        yield "\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _usage(parameter: Any) -> str:
    spelt = _spelling(parameter)
    return spelt if parameter.required else f"[{spelt}]"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    names = "/".join([*parameter.opts, *parameter.secondary_opts])
    kind = parameter.type_descriptor.annotation
    choices = "\\|".join(str(choice.value) for choice in kind) if isinstance(kind, EnumType) else None
    return names if parameter.is_flag else f"{names} {parameter.metavar or choices or _KINDS[kind]}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = getattr(parameter.default, "value", parameter.default)
    return f"`{value}`" if isinstance(value, (str, int, float, Path, dt.date)) and not isinstance(value, bool) else ""


def _plain(text: str | None) -> str:
    return Text.from_markup(text or "").plain.replace("|", "\\|")


def settings() -> str:
    """Every key of ``vadose.toml`` with default and meaning."""
    rows = [
        f"| `{name}` | {'' if field.default is None else f'`{_toml(field.default)}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return _NOTE + "\n".join(
        [
            "# Settings\n",
            "The command line takes precedence over the environment, the environment over the file, the file over the "
            "defaults. The file is `vadose.toml` in the working folder, or the one that `VADOSE_CONFIG` or `--config` "
            "names. Relative paths in it count from the file's own folder. Each key is also an environment variable: "
            f"`{PREFIX}` and the key in capitals, such as `{PREFIX}DOMAIN`. Unknown keys and unknown `{PREFIX}` "
            "variables are refused.\n",
            "| key | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
            "## Limits\n",
            "How much of a machine others may take. These are environment variables alone; unknown ones are refused.\n",
            "| variable | default | meaning |",
            "|---|---|---|",
            *_limits(Limits),
            *_limits(Bounds),
            f"| {SETTING} | `{PATIENCE:g}` | seconds that the lock of a catalogue's folder is waited for |",
            f"| {guard.SECONDS_SETTING} | `{guard.SECONDS:g}` | seconds of computing to look at an HDF5 file |",
            f"| {guard.MEMORY_SETTING} | `{guard.MEMORY}` | bytes to look at an HDF5 file |",
            "",
        ]
    )


def _limits(kind: Any) -> list[str]:
    prefix = kind.model_config["env_prefix"]
    return [
        f"| {prefix}{name.upper()} | `{_toml(field.default)}` | {field.description} |"
        for name, field in kind.model_fields.items()
    ]


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def exit_codes() -> str:
    """Every typed error with its exit code."""
    found = sorted({(cls.exit_code, cls.__name__, inspect.getdoc(cls) or "") for cls in _classes(VadoseError)})
    rows = [f"| {code} | `{name}` | {meaning.splitlines()[0].rstrip('.')} |" for code, name, meaning in found]
    return _NOTE + "\n".join(
        [
            "# Exit codes\n",
            "An error is one message on standard error: what is wrong, the value, what is allowed, and what to do. "
            "Nothing of a day is published when the day fails.\n",
            "| code | error | meaning |",
            "|---|---|---|",
            "| 0 |  | done, or nothing to do |",
            "| 1 |  | unexpected: a bug in vadose or a fault of the machine |",
            "| 2 |  | wrong usage of the command line |",
            *rows,
            "",
        ]
    )


def _classes(of: type[VadoseError]) -> Iterator[type[VadoseError]]:
    for child in of.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
        yield from _classes(child)


def variables() -> str:
    """The rasters of a day, the bits of its quality flag, the domains and the versions."""
    rasters = [_row(v) for v in product.VARIABLES]
    described = [_described(v) for v in product.VARIABLES]
    flags = [
        f"| {flag.value.bit_length() - 1} | {flag.value} | `{flag.name}` | {meaning} |"
        for flag, meaning in product.FLAG_MEANINGS.items()
    ]
    domains = [f"| `{name}` | {domain.title} | {_size(domain)} |" for name, domain in product.DOMAINS.items()]
    grid = product.GRID
    return _NOTE + "\n".join(
        [
            "# Variables and flags\n",
            f"Product version {product.PRODUCT_VERSION}, algorithm version {product.ALGORITHM_VERSION}, licence "
            f"{product.LICENSE}. All of it is declared in `downscaler/product.py`.\n",
            f"**Grid**: EASE-Grid 2.0, EPSG:6933, cells of {grid.cell:.6f} m, aligned to SMAP's 36 km cells. "
            f"**First day**: {product.FIRST_DAY}. **Interval**: `lower` to `upper` is meant to hold the true value "
            f"with {product.INTERVAL:.0%} probability.\n",
            "## Variables\n",
            "Each is one Cloud-Optimized GeoTIFF per day.\n",
            "| name | units | type | no data | valid range |",
            "|---|---|---|---|---|",
            *rasters,
            "",
            *described,
            "",
            "## Variables of composites\n",
            "Each is one Cloud-Optimized GeoTIFF per 3 days, week or month.\n",
            "| name | units | type | no data | valid range |",
            "|---|---|---|---|---|",
            *(_row(v) for v in product.COMPOSITE_VARIABLES),
            "",
            *(_described(v) for v in product.COMPOSITE_VARIABLES),
            "",
            "## Variables of percentiles\n",
            "Each is one Cloud-Optimized GeoTIFF per day.\n",
            "| name | units | type | no data | valid range |",
            "|---|---|---|---|---|",
            *(_row(v) for v in product.PERCENTILE_VARIABLES),
            "",
            *(_described(v) for v in product.PERCENTILE_VARIABLES),
            "",
            "## Variables of the root zone\n",
            "Each is one Cloud-Optimized GeoTIFF per day.\n",
            "| name | units | type | no data | valid range |",
            "|---|---|---|---|---|",
            *(_row(v) for v in product.ROOT_ZONE_VARIABLES),
            "",
            *(_described(v) for v in product.ROOT_ZONE_VARIABLES),
            "",
            "## The error of SMAP's retrievals\n",
            f"`vadose:{product.SMAP_ERROR.name}` of a daily item, {product.SMAP_ERROR.units}. "
            f"{product.SMAP_ERROR.description}\n",
            "## Quality flags\n",
            "`quality_flag` is a bit field; 0 is a value without reservation.\n",
            "| bit | value | name | meaning |",
            "|---|---|---|---|",
            *flags,
            "",
            "## Domains\n",
            "| name | title | cells (rows x columns) |",
            "|---|---|---|",
            *domains,
            "",
            "Any other box is named by `west,south,east,north` in degrees.",
            "",
        ]
    )


def _row(variable: product.Variable) -> str:
    v = variable
    return f"| `{v.name}` | {v.units} | {v.dtype} | {v.nodata:g} | {v.valid_min:g} to {v.valid_max:g} |"


def _described(variable: product.Variable) -> str:
    return f"- **{variable.title}** (`{variable.name}`). {variable.description}"


def _size(domain: Any) -> str:
    shape = domain.shape(product.GRID)
    return f"{shape.y} x {shape.x}"


def input_files() -> str:
    """Every form of input that is read, in the words of the module that reads it."""
    from downscaler.sources import geotiff, gridded, insitu, products
    from downscaler.sources.covariates import daymet
    from downscaler.sources.parflow import hydroframe, native, netcdf, own_netcdf, zarrstore
    from downscaler.sources.parflow.native import filetimes
    from downscaler.sources.smap import layout, level4, names, stack
    from downscaler.sources.weather import files, imerg, nldas2, nldas3

    kinds: dict[str, Sequence[Any]] = {
        "SMAP": (names, layout, stack, level4),
        "ParFlow-CLM": (native, filetimes, netcdf, own_netcdf, hydroframe, zarrstore),
        "Stations": insitu.READERS,
        "Weather": (imerg, nldas2, nldas3, files, daymet),
        "Products to compare with": (gridded, geotiff, products),
    }
    parts = [
        "# Input files\n",
        "What is read, by the module that reads it. `vadose info FILE` says what a file or folder is. What a command "
        "leaves unread is counted and named in its output, and in the notes of a prior or report.\n",
    ]
    for kind, modules in kinds.items():
        parts.append(f"## {kind}\n")
        parts += [_of_module(module) for module in modules]
    return _NOTE + "\n".join(parts)


def _of_module(module: Any) -> str:
    text = inspect.cleandoc(module.__doc__).replace("``", "`")
    return f"**`{module.__name__.removeprefix('downscaler.sources.')}`**: {text}\n"


PAGES = {
    "commands": commands,
    "settings": settings,
    "exit-codes": exit_codes,
    "variables": variables,
    "input-files": input_files,
}


def pages() -> dict[Path, str]:
    """The text of every generated page by its path."""
    return {FOLDER / f"{name}.md": re.sub(r"\n{3,}", "\n\n", make()) for name, make in PAGES.items()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path)
