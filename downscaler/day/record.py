"""The record of how a day was made: inputs, caveats, observed period, parameters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from downscaler.day.inputs import Inputs
from downscaler.day.reading import Reading
from downscaler.day.weather import weather_caveats, weather_record
from downscaler.ground.coarse_day import CoarseDay
from downscaler.ground.prior import Prior
from downscaler.method.hybrid import Model
from downscaler.product import SIMULATED_LABEL, is_analysis
from downscaler.records import RunRecord
from downscaler.sources.smap import MERGE_RULE, MODELLED, NEAR_REAL_TIME
from downscaler.sources.smap.level4 import RULE


def run_record(reading: Reading, inputs: Inputs, considered: Sequence[str] = ()) -> RunRecord:
    """The record of a day's run; ``considered`` names the granules of the day that were on offer, used or not."""
    day = reading.day
    analysis, weather = is_analysis(inputs.domain.name), inputs.weather
    parameters: dict[str, Any] = {"smap_grid": day.grid.name, "smap_merge_rule": MERGE_RULE}
    if inputs.climatologies:
        parameters["matching"] = inputs.climatologies.parameters
    if reading.analysis:
        parameters["analysis"] = reading.analysis
    if is_near_real_time(day):
        parameters["smap_stream"] = "near-real-time"
    if is_modelled(day):
        parameters |= {"smap_stream": MODELLED[0], "smap_merge_rule": RULE}
    climatology = inputs.climatologies is not None and inputs.climatologies.smap.simulated
    made_up = simulated_parts(day, inputs.prior, inputs.model, climatology=climatology)
    beside = weather_record(day.date, weather, inputs.prior, analysis=analysis) if weather is not None else None
    return RunRecord(
        date=day.date,
        domain_name=inputs.domain.name,
        inputs=(*day.inputs, *inputs.records, *((beside,) if beside else ())),
        observed=observed(day),
        simulated=bool(made_up),
        caveats=(
            *caveats(day, inputs.prior, made_up),
            *weather_caveats(day.date, weather, inputs.prior, inputs.model, analysis=analysis),
            *reading.caveats,
        ),
        parameters=parameters,
        considered=tuple(dict.fromkeys(considered)),
    )


def simulated_parts(day: CoarseDay, prior: Prior, model: Model, *, climatology: bool = False) -> list[str]:
    """Which of the inputs are simulated, in words; empty where all are measured or modelled in earnest."""
    is_simulated = {
        "SMAP retrievals": day.simulated,
        "prior": prior.simulated,
        "training record": bool(model.card["simulated"]),
        "SMAP climatology": climatology,
    }
    return [what for what, is_so in is_simulated.items() if is_so]


def caveats(day: CoarseDay, prior: Prior, made_up: Sequence[str]) -> tuple[str, ...]:
    """Sentences that a user of the day has to read; ``made_up`` names the simulated inputs."""
    said = [f"{SIMULATED_LABEL.capitalize()}: {', '.join(made_up)}."] if made_up else []
    if np.datetime64(day.date) not in prior.data["time"].values.astype("datetime64[D]"):
        first, last = prior.period
        said.append(f"Prior is of {first} to {last}, not of {day.date}: the statistics of its record stand in.")
    if is_near_real_time(day):
        said.append("Near-real-time SMAP granules: less calibrated than the standard stream, which supersedes them.")
    if is_modelled(day):
        said.append(
            f"SMAP has no retrieval here on this day: the coarse value is of SMAP L4 ({MODELLED[0]}), a land surface "
            "model that assimilates SMAP, as the mean of the UTC day."
        )
    return tuple(said)


def is_modelled(day: CoarseDay) -> bool:
    """Whether a day was made from SMAP L4 where SMAP was silent."""
    return any(entry.attributes.get("short_name") in MODELLED for entry in day.inputs)


def is_near_real_time(day: CoarseDay) -> bool:
    """Whether a day was made from the near-real-time stream."""
    return any(entry.attributes.get("short_name") in NEAR_REAL_TIME for entry in day.inputs)


def observed(day: CoarseDay) -> tuple[dt.datetime, dt.datetime]:
    """First and last SMAP observation used (UTC); the whole day where the granule tells no time."""
    used = day.data["recommended"].values
    if "filled" in day.data:
        used = used | day.data["filled"].values
    times = day.data["observation_time"].values[used]
    times = times[~np.isnat(times)]
    if times.size == 0:
        midnight = dt.datetime.combine(day.date, dt.time(), dt.UTC)
        return midnight, midnight + dt.timedelta(days=1)
    first, last = (value.astype("datetime64[s]").item().replace(tzinfo=dt.UTC) for value in (times.min(), times.max()))
    return first, last
