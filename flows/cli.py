"""The command ``vadose``: what it is called, how it ends.

Exit codes: 0 done, 1 unexpected, 2 wrong usage, else the ``exit_code`` of the typed error (README.md lists them).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

# Nothing is sent anywhere, and Prefect says only what matters.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}.items():
    os.environ.setdefault(_name, _value)

import typer  # noqa: E402

from downscaler import __version__  # noqa: E402
from downscaler.errors import VadoseError  # noqa: E402
from flows import console  # noqa: E402
from flows.commands.catalogue import catalog, cube, download, serve, sync  # noqa: E402
from flows.commands.data import build, climatology, info, weather  # noqa: E402
from flows.commands.product import automations, demo, produce, status  # noqa: E402
from flows.commands.studies import evaluate, models, playground, validate  # noqa: E402

app = typer.Typer(
    name="vadose",
    help="Daily 1 km² soil moisture from SMAP and ParFlow-CLM, as Cloud-Optimized GeoTIFFs in a STAC catalogue.",
    epilog="New here? `vadose demo` makes a whole catalogue from a simulated sample, with no account and no download.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
prior_app = typer.Typer(
    help="ParFlow-CLM priors: the 1 km physics that the downscaling learns from.", no_args_is_help=True
)
app.add_typer(prior_app, name="prior")
climatology_app = typer.Typer(
    help="SMAP's own climatology, by which its values are matched to the prior's.", no_args_is_help=True
)
app.add_typer(climatology_app, name="climatology")
weather_app = typer.Typer(
    help="The weather of the days: rain and temperature for days that the prior does not hold.", no_args_is_help=True
)
app.add_typer(weather_app, name="weather")
cube_app = typer.Typer(help="A collection's days as one Zarr cube, for time series.", no_args_is_help=True)
app.add_typer(cube_app, name="cube")
catalog_app = typer.Typer(help="The catalogue as a whole: check, repair, withdraw, sync.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")

app.command()(demo.demo)
app.command()(build.sample)
prior_app.command("build")(build.prior_build)
weather_app.command("build")(weather.weather_build)
weather_app.command("extend")(weather.weather_extend)
weather_app.command("check")(weather.weather_check)
climatology_app.command("build")(climatology.climatology_build)
app.command()(build.train)
app.command()(produce.run)
app.command()(produce.backfill)
app.command()(status.status)
app.command()(automations.automations)
app.command()(evaluate.evaluate)
app.command()(playground.playground)
app.command()(validate.validate)
app.command()(models.explain)
app.command("publish-model")(models.publish_model)
app.command()(info.info)
app.command()(serve.serve)
catalog_app.command("check")(catalog.catalog_check)
catalog_app.command("withdraw")(catalog.catalog_withdraw)
app.command()(download.download)
cube_app.command("build")(cube.cube_build)
cube_app.command("update")(cube.cube_update)
catalog_app.command("sync")(sync.sync)


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
        Path | None, typer.Option(help="Config file; without it VADOSE_CONFIG, else vadose.toml here.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that hold for every command."""
    context.obj = Globals(config)


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments  # also after the command's name, where one adds it to the line just typed
    try:
        app([argument for argument in arguments if argument != "--debug"])
    except VadoseError as error:
        if debug:
            console.show_traceback()
        console.fail(str(error))
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  (the last line of defence of a command line)
        if debug:
            console.show_traceback()
        console.fail(f"unexpected {type(error).__name__}: {error}")
        console.err.print("This is a bug or a broken machine. Run `vadose --debug ...` for the traceback.")
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
