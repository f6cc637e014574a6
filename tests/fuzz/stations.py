"""Station files of every kind that is read, a few lines each."""

from __future__ import annotations

import zipfile
from pathlib import Path

READINGS = [f"2024/05/{day:02d} 06:00    0.{day:02d}00 G M" for day in range(1, 20)]
HEADER = "NET NET Site-1 34.50000 -94.78172 433.90 0.0500 0.0500 Probe"
STM = "\n".join([HEADER, *READINGS]) + "\n"
MEMBER = "NET/Site-1/NET_NET_Site-1_sm_0.050000_0.050000_Probe_20240501_20240528.stm"


def write(folder: Path) -> None:
    """One file of each kind."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "ismn.zip", "w") as archive:
        archive.writestr(MEMBER, STM)
        archive.writestr("NET/Site-1/NET_NET_Site-1_static_variables.csv", "quantity_name;unit;depth_from[m]\n")
        archive.writestr("Metadata.xml", "<x/>")
    (folder / "CRND0103-2015-TX_Austin_33_NW.txt").write_text("".join(map(_crn_day, range(1, 15))))
    rows = "".join(f"A,34.5,-94.6,0.05,2024-05-{day:02d}T06:00,0.{day:02d}\n" for day in range(1, 20))
    (folder / "own.csv").write_text("site,lat,lon,depth,time,value\n" + rows)
    rows = "".join(f"202405{day:02d}0600,202405{day:02d}0630,{day}.5,-9999\n" for day in range(1, 20))
    (folder / "AMF_US-ARM_BASE_HH_1-5.csv").write_text(
        "# Site: US-ARM\n# Version: 1-5\nTIMESTAMP_START,TIMESTAMP_END,SWC_1_1_1,TS_1_1_1\n" + rows
    )


def _crn_day(day: int) -> str:
    middle = ["0.0"] * 13
    fields = ["23907", f"201505{day:02d}", "2.4", "-98.08", "30.62", *middle, *["0.200"] * 5, *["7.0"] * 5]
    return " ".join(fields) + "\n"
