"""The public oddities of ../shared/cases/inputs against what was expected of each, by the commands a user would type.

``make cases`` runs it; it needs ../shared and a demo (``make demo``), and says so where either is absent. Cases that
another test holds in full (a server on loopback, a broken netrc) are named with that test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT.parent / "shared" / "cases" / "inputs"
DEMO = ROOT / "build" / "demo"
BIN = Path(sys.executable).parent
GRANULE = "SMAP_L3_SM_P_E_20240523_R19240_001.h5"
RUN = ("--domain", "demo", "--prior", DEMO / "prior", "--model", DEMO / "model")


@dataclass(frozen=True)
class Outcome:
    """Exit code and all that a command said."""

    code: int
    said: str


def vadose(*words: object, cwd: Path, **variables: str) -> Outcome:
    """A command as a user types it."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("VADOSE_", "EARTHDATA_"))}
    done = subprocess.run(
        [str(BIN / "vadose"), *map(str, words)],
        cwd=cwd, env=keep | {"COLUMNS": "4000"} | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout + done.stderr)


def make(case: Path, work: Path) -> None:
    """The case's own maker, if it has one."""
    if (case / "make.py").is_file():
        subprocess.run([sys.executable, case / "make.py", "sm.nc"], cwd=work, check=True, capture_output=True)


def published(granules: Path, work: Path, *, day: str = "2024-05-23") -> Outcome:
    return vadose(
        "run", day, *RUN, "--granules", granules, "--out", work / "OUT", cwd=work, VADOSE_PRODUCTS="conserving"
    )


def prior(kind: str, path: str, domain: str, work: Path) -> tuple[Outcome, xr.Dataset | None]:
    outcome = vadose("prior", "build", "--source", kind, path, f"--domain={domain}", "--out", "p", cwd=work)
    return outcome, xr.open_zarr(work / "p", consolidated=False).load() if outcome.code == 0 else None


def browser_name(case: Path, work: Path) -> str | None:
    shutil.copy(DEMO / "sample" / "granules" / GRANULE, work / "SMAP_L3_SM_P_E_20240523_R19240_001 (1).h5")
    done = published(work, work)
    links = [json.loads(p.read_text()) for p in (work / "OUT").rglob("*.json")]
    encoded = any("%20%281%29.h5" in str(d.get("links")) or "%20(1).h5" in str(d.get("links")) for d in links)
    return None if done.code == 0 and encoded else f"exit {done.code}, link encoded: {encoded}; {done.said[-300:]}"


def symlinked(case: Path, work: Path) -> str | None:
    (work / "archive" / "2024").mkdir(parents=True)
    (work / "g").mkdir()
    shutil.copy(DEMO / "sample" / "granules" / GRANULE, work / "archive" / "2024")
    (work / "g" / "2024").symlink_to(work / "archive" / "2024")
    done = published(work / "g", work)
    return None if done.code == 0 else done.said[-300:]


def harmony(case: Path, work: Path) -> str | None:
    done = published(case, work)
    told = vadose("info", *case.glob("*.nc4"), "--json", cwd=work)
    right = done.code == 0 and '"kind": "granule"' in told.said
    return None if right else done.said[-300:] + told.said[-300:]


def locked(case: Path, work: Path) -> str | None:
    shutil.copy(DEMO / "sample" / "granules" / GRANULE, work)
    done = subprocess.run(
        [sys.executable, case / "lock.py", work / GRANULE, BIN / "vadose", "info", work / GRANULE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    right = "HDF5_USE_FILE_LOCKING=FALSE" in " ".join(done.stdout.split()) and "Delete" not in done.stdout
    return None if right else done.stdout[-400:]


def hydroframe(case: Path, work: Path) -> str | None:
    make(case, work)
    told = vadose("info", "sm.nc", "--json", cwd=work)
    facts = json.loads(told.said) if told.code == 0 else {}
    return None if facts.get("ij_bounds") == [2200, 1150, 2260, 1200] and facts["notes"] else told.said[-400:]


def one_a_file(case: Path, work: Path) -> str | None:
    make(case, work)
    done, made = prior("netcdf", "hfset", "-96.9,35.7,-96.6,35.9", work)
    if made is None:
        return done.said[-300:]
    lacking = {"porosity", "slope_x", "slope_y", "elevation", "precipitation"} - set(made)
    return f"lacks {sorted(lacking)}" if lacking or abs(float(made["porosity"].max()) - 0.45) > 1e-5 else None


def forcing(case: Path, work: Path) -> str | None:
    make(case, work)
    done, made = prior("pfb", "run", "upper-verde", work)
    if made is None:
        return done.said[-300:]
    rain, warm = (made[n].mean(("y", "x")).values.round(3).tolist() for n in ("precipitation", "air_temperature"))
    return None if rain == [0.0, 24.0, 0.0] and warm == [280.0, 290.0, 300.0] else f"{rain} {warm}"


def dated(case: Path, work: Path) -> str | None:
    make(case, work)
    done, made = prior("pfb", "run", "upper-verde", work)
    if made is None:
        return done.said[-300:]
    days = [str(day)[:10] for day in made["time"].values]
    wet = made["soil_moisture"].mean(("y", "x")).values.astype(float).round(4).tolist()
    right = days == [f"2024-05-{n:02d}" for n in range(1, 9)] and wet == [round(0.2 + 0.01 * n, 4) for n in range(8)]
    return None if right else f"{days} {wet}"


def planes(case: Path, work: Path) -> str | None:
    make(case, work)
    done, _ = prior("pfb", "run", "upper-verde", work)
    return None if done.code == 23 and "layers or times" in done.said else f"exit {done.code}: {done.said[-300:]}"


def token(case: Path, work: Path) -> str | None:
    secret = "eyJ0eXAi.FAKEfake0123456789.sig"
    done = vadose("run", "2024-05-23", *RUN, "--out", work / "OUT", cwd=work, EARTHDATA_TOKEN=f"{secret}\n")
    return (
        None if done.code in (80, 81, 82, 84) and secret not in done.said else f"exit {done.code}: {done.said[-300:]}"
    )


def sensors(archive: str, bad_lines: int) -> Callable[[Path, Path], str | None]:
    def check(case: Path, work: Path) -> str | None:
        told = vadose("info", case / archive, "--json", cwd=work)
        facts = json.loads(told.said) if told.code == 0 else {}
        found = (facts.get("sensors"), facts.get("bad_lines"), facts.get("files_not_read"))
        return None if found[0] and found[1:] == (bad_lines, []) else f"exit {told.code}: {found} {told.said[-300:]}"

    return check


def stations(expected: int) -> Callable[[Path, Path], str | None]:
    def check(case: Path, work: Path) -> str | None:
        told = vadose("info", case, "--json", cwd=work)
        facts = json.loads(told.said) if told.code == 0 else {}
        return None if facts.get("stations") == expected else f"exit {told.code}: {told.said[-400:]}"

    return check


def vlen_times(case: Path, work: Path) -> str | None:
    first, second = (published(case, work, day=day) for day in ("2024-05-22", "2024-05-23"))
    return None if (first.code, second.code) == (0, 15) else f"{first.code}, {second.code}: {second.said[-300:]}"


def kilometres(case: Path, work: Path) -> str | None:
    (work / "p" / "hf").mkdir(parents=True)
    make(CASES / "08-hydroframe-netcdf", work)
    with xr.open_dataset(work / "sm.nc") as data:
        right = data.load().assign_coords(y=data["y"] + 500.0)
    right["soil_moisture"].attrs = {"units": "m3 m-3", "grid_mapping": "crs"}
    del right.attrs["source"]
    right.to_netcdf(work / "p" / "hf" / "sm_right.nc")
    make(case, work)
    found = []
    for folder in ("dm_m", "dm_km"):
        shutil.rmtree(work / "q", ignore_errors=True)
        done = vadose(
            "prior", "build", "--source", "netcdf", work / "p" / "hf" / "sm_right.nc", "--domain=-96.9,35.7,-96.6,35.9",
            "--daymet", work / "p" / folder, "--out", "q", cwd=work,
        )  # fmt: skip
        if done.code:
            return f"{folder}: exit {done.code}: {done.said[-300:]}"
        found.append(xr.open_zarr(work / "q", consolidated=False)["precipitation"].load())
    return None if found[0].equals(found[1]) else "rain in km differs from rain in m"


def version_six(case: Path, work: Path) -> str | None:
    done = vadose("run", "2024-05-23", *RUN, "--out", work / "OUT", cwd=work, VADOSE_SMAP_VERSION="6")
    return None if "smap_version" not in done.said else done.said[-300:]


CHECKS: dict[str, Callable[[Path, Path], str | None] | str] = {
    "01-browser-name": browser_name,
    "03-symlinked-year-folder": symlinked,
    "05-harmony-nc4": harmony,
    "07-hdf5-lock": locked,
    "08-hydroframe-netcdf": hydroframe,
    "09-one-netcdf-per-variable": one_a_file,
    "10-parflow-forcing-pfb": forcing,
    "11-pfb-dated-names": dated,
    "13-token-newline": token,
    "15-cmr-short-page": "tests/flows/earthdata/test_search_whole.py",
    "16-ismn-accent": sensors("utf8.zip", 0),
    "18-ismn-one-bad-date": sensors("a.zip", 1),
    "20-mixed-station-folder": stations(7),  # six in the demo's domain, Austin outside it
    "21-uscrn-year-folders": stations(1),
    "22-mac-zip-info": sensors("a.zip", 0),
    "24-half-orbit-vlen-times": vlen_times,
    "25-daymet-km": kilometres,
    "26-pfb-24-planes": planes,
    "27-netrc-broken": "tests/downscaler/sources/test_secrets.py",
    "28-smap-version-6": version_six,
}
HELD: dict[str, str] = {
    "01-browser-name": "catalog/items/test_odd_names.py::test_a_link_to_an_input_is_a_reference_whatever_its_name",
    "03-symlinked-year-folder": "downscaler/sources/test_smap_forms.py::"
    "test_links_are_followed_once_and_clutter_is_passed_over",
    "05-harmony-nc4": "downscaler/sources/test_smap_forms.py::test_a_folder_scan_takes_every_ending",
    "07-hdf5-lock": "downscaler/sources/test_smap_forms.py::test_a_lock_is_told_as_a_lock",
    "08-hydroframe-netcdf": "downscaler/sources/parflow/test_forms.py::"
    "test_hydroframes_own_file_is_placed_and_its_unit_found",
    "09-one-netcdf-per-variable": "downscaler/sources/parflow/test_forms.py::"
    "test_files_of_one_variable_are_read_together_and_the_rest_is_named",
    "10-parflow-forcing-pfb": "downscaler/sources/parflow/test_forms.py::"
    "test_forcing_files_of_a_range_of_hours_are_of_the_day_they_cover",
    "11-pfb-dated-names": "downscaler/sources/parflow/test_forms.py::test_days_in_names_are_read",
    "13-token-newline": "downscaler/sources/test_secrets.py::test_what_a_header_cannot_carry_is_refused_untold",
    "15-cmr-short-page": "flows/earthdata/test_search_whole.py::test_a_short_page_does_not_end_the_search",
    "16-ismn-accent": "downscaler/sources/insitu/test_forms.py::test_accents_are_kept_in_every_encoding",
    "18-ismn-one-bad-date": "downscaler/sources/insitu/test_forms.py::"
    "test_one_bad_line_is_counted_and_the_rest_is_read",
    "20-mixed-station-folder": "downscaler/sources/insitu/test_forms.py::test_a_folder_of_mixed_kinds_is_read_whole",
    "21-uscrn-year-folders": "downscaler/sources/insitu/test_forms.py::test_year_folders_and_links_are_followed",
    "22-mac-zip-info": "downscaler/sources/insitu/test_forms.py::"
    "test_files_without_readings_and_what_macs_add_do_not_lose_the_archive",
    "24-half-orbit-vlen-times": "downscaler/sources/test_smap_forms.py::"
    "test_a_half_orbit_with_times_as_strings_is_of_one_day",
    "25-daymet-km": "flows/earthdata/test_daymet.py::test_axes_in_kilometres_are_the_same_weather",
    "26-pfb-24-planes": "downscaler/sources/parflow/test_forms.py::"
    "test_planes_that_may_be_layers_or_hours_are_asked_about",
    "27-netrc-broken": "downscaler/sources/test_secrets.py::test_netrc_that_cannot_be_parsed_says_so_and_tells_nothing",
    "28-smap-version-6": "flows/earthdata/test_search_whole.py::test_a_version_without_its_zeros_is_the_same",
}
"""The test of the suite that holds each case's right value, below ``tests``."""

NEEDS_DEMO = {"01", "03", "07", "05", "13", "24", "28"}


def outcome(case: Path) -> str:
    """One line on a case: right, or what was seen instead."""
    check = CHECKS.get(case.name)
    if check is None:
        return "NO CHECK"
    if isinstance(check, str):
        return f"in {check}"
    if case.name[:2] in NEEDS_DEMO and not (DEMO / "model").is_dir():
        return "skipped: needs build/demo (make demo)"
    with tempfile.TemporaryDirectory(prefix="vadose-case-") as work:
        fault = check(case, Path(work))
    return "right" if fault is None else f"WRONG: {' '.join(fault.split())}"


def main() -> int:
    """All open cases, or those whose names begin as the arguments do."""
    if not CASES.is_dir():
        print("skipped: needs ../shared/cases/inputs, which is absent here")
        return 0
    chosen = [c for c in sorted(CASES.iterdir()) if not sys.argv[1:] or c.name.startswith(tuple(sys.argv[1:]))]
    lines = {}
    for case in chosen:
        lines[case.name] = outcome(case)
        print(f"{case.name:30} {lines[case.name]}", flush=True)
    return any(line.startswith(("WRONG", "NO CHECK")) for line in lines.values())


if __name__ == "__main__":
    sys.exit(main())
