"""The command ``vadose``: its groups of commands and its exit codes.

Exit codes: 0 done, 1 unexpected, 2 wrong usage, else the ``exit_code`` of the typed error
(docs/reference/exit-codes.md lists them).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

# No telemetry, and only warnings from Prefect.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}.items():
    os.environ.setdefault(_name, _value)

import typer  # noqa: E402

from downscaler import __version__  # noqa: E402
from downscaler.errors import ConfigError, VadoseError  # noqa: E402
from flows import console  # noqa: E402
from flows.commands.catalogue import catalog, completeness, cube, download, export, serve, sync  # noqa: E402
from flows.commands.data import build, climatology, info, weather  # noqa: E402
from flows.commands.product import alerts, automations, composite, demo, doctor, produce, status, webhook, zones  # noqa: E402
from flows.commands.studies import evaluate, models, playground, validate  # noqa: E402

app = typer.Typer(
    name="vadose",
    help="Daily 1 km² soil moisture from SMAP and ParFlow-CLM, as Cloud-Optimized GeoTIFFs in a STAC catalogue.",
    epilog="New here? `vadose demo` builds a whole catalogue from a simulated sample, with no account and no download.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PRODUCT, DATA, MODELS, STUDIES, CATALOGUE, SERVICE = (
    "Product",
    "Data",
    "Models",
    "Studies",
    "Catalogue",
    "Service",
)  # the panels of --help


def _group(name: str, panel: str, text: str) -> typer.Typer:
    made = typer.Typer(help=text, no_args_is_help=True)
    app.add_typer(made, name=name, rich_help_panel=panel)
    return made


app.command(rich_help_panel=PRODUCT)(demo.demo)
app.command(rich_help_panel=PRODUCT)(produce.run)
app.command(rich_help_panel=PRODUCT)(produce.backfill)
app.command(rich_help_panel=PRODUCT)(status.status)
app.command(rich_help_panel=PRODUCT)(composite.composite)
app.command(rich_help_panel=PRODUCT)(composite.percentile)
rootzone_app = _group("rootzone", PRODUCT, "Root-zone soil moisture to 1 m depth, and plant-available water.")
rootzone_app.command("learn")(composite.rootzone_learn)
rootzone_app.command("make")(composite.rootzone_make)
outlook_app = _group("outlook", PRODUCT, "Soil moisture of the next 1 to 10 days, without a weather forecast.")
outlook_app.command("learn")(composite.outlook_learn)
outlook_app.command("make")(composite.outlook_make)
app.command(rich_help_panel=PRODUCT)(zones.zones)
app.command(rich_help_panel=PRODUCT)(alerts.alerts)
app.command(rich_help_panel=PRODUCT)(doctor.doctor)

app.command(rich_help_panel=DATA)(build.sample)
prior_app = _group("prior", DATA, "ParFlow-CLM priors: the 1 km physics that the model learns from.")
prior_app.command("build")(build.prior_build)
prior_app.command("extend")(build.prior_extend)
_group("climatology", DATA, "SMAP's own climatology, used to match SMAP to the prior.").command("build")(
    climatology.climatology_build
)
weather_app = _group("weather", DATA, "Weather stores: rain and air temperature for days that the prior lacks.")
weather_app.command("build")(weather.weather_build)
weather_app.command("extend")(weather.weather_extend)
weather_app.command("match")(weather.weather_match)
weather_app.command("check")(weather.weather_check)
app.command(rich_help_panel=DATA)(info.info)

app.command(rich_help_panel=MODELS)(build.train)
app.command(rich_help_panel=MODELS)(evaluate.evaluate)
app.command(rich_help_panel=MODELS)(models.explain)
app.command("publish-model", rich_help_panel=MODELS)(models.publish_model)

app.command(rich_help_panel=STUDIES)(validate.validate)
app.command(rich_help_panel=STUDIES)(playground.playground)

catalog_app = _group("catalog", CATALOGUE, "Maintain a catalogue: check, repair, withdraw a day, sync a database.")
catalog_app.command("check")(catalog.catalog_check)
catalog_app.command("withdraw")(catalog.catalog_withdraw)
catalog_app.command("completeness")(completeness.catalog_completeness)
catalog_app.command("sync")(sync.sync)
cube_app = _group("cube", CATALOGUE, "A collection's days as one Zarr cube, for time series.")
cube_app.command("build")(cube.cube_build)
cube_app.command("update")(cube.cube_update)
app.command(rich_help_panel=CATALOGUE)(download.download)
export_app = _group("export", CATALOGUE, "Export days as NetCDF, the catalogue's metadata as DataCite or Croissant.")
export_app.command("netcdf")(export.netcdf)
export_app.command("metadata")(export.metadata)

app.command(rich_help_panel=SERVICE)(serve.serve)
app.command(rich_help_panel=SERVICE)(automations.automations)
app.command(rich_help_panel=SERVICE)(webhook.webhook)


@dataclass(frozen=True)
class Globals:
    """Options before the command's name."""

    config: Path | None


def _version(wanted: bool) -> None:
    if wanted:
        console.say(f"vadose {__version__}")
        raise typer.Exit


@app.callback()
def vadose(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="Settings file; unset, VADOSE_CONFIG, else vadose.toml in the working folder.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that hold for every command."""
    context.obj = Globals(config)


def _meant(arguments: list[str]) -> list[str]:
    """Arguments as they are meant: a ~ that the shell left (--out=~/x) is the home; a blank one is refused.

    A blank is a variable of a script that was not set; as a path it would be the working folder.
    """
    told = "the command's name"
    found = []
    for argument in arguments:
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if not argument.strip() or (equals and not value.strip()):
            raise ConfigError(
                "An argument is blank",
                value=f"{argument!r} after {told}",
                remedy="Leave it out, or give it a value; is a variable of the script not set?",
            )
        home = str(Path(value).expanduser()) if value.startswith("~/") else value
        found.append(f"{option}{equals}{home}")
        told = argument
    return found


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments  # also after the command's name, where one adds it to the line just typed
    try:
        app(_meant([argument for argument in arguments if argument != "--debug"]))
    except VadoseError as error:
        if debug:
            console.show_traceback()
        console.fail(str(error))
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  (the last line of defence of a command line)
        if debug:
            console.show_traceback()
        console.fail(f"unexpected {type(error).__name__}: {error}")
        console.err.print(
            "This is a bug in vadose or a fault of the machine. `vadose --debug ...` shows the traceback."
        )
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
