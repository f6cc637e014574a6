"""The file of metrics that a run writes for Prometheus's node exporter."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from catalog.metrics import METRICS
from flows.days.metrics import RUN_METRICS, STAGE

LAST = "2024-05-27"


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    (tmp_path / "vadose.toml").write_text(
        f'domain = "-94.9,34.3,-94.4,34.6"\nprior = "{made / "prior"}"\nmodel = "{made / "model"}"\n'
        f'granules = "{made / "sample" / "granules"}"\ncatalog = "catalog"\nmetrics_file = "text/vadose.prom"\n'
    )
    return tmp_path


def read(site: Path) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families((site / "text" / "vadose.prom").read_text())
    return {(s.name, *list(s.labels.values())[1:]): s.value for family in families for s in family.samples}


def test_a_run_writes_what_it_did_and_the_next_keeps_how_long_it_took(vadose: Any, site: Path) -> None:
    assert vadose("run", "--until", LAST, "--days", 5).code == 0
    first = read(site)
    assert {name[0] for name in first} <= set(METRICS) | set(RUN_METRICS)
    published = first["vadose_run_days", "published"]
    assert published > 2
    assert {name[1] for name in first if name[0] == STAGE} == {"archive", "waiting", "inputs", "publication"}
    assert all(first[STAGE, stage] > 0 for stage in ("archive", "waiting", "inputs", "publication"))
    assert first["vadose_published_days",] == published
    assert sum(value for name, value in first.items() if name[0] == "vadose_days") == 5

    assert vadose("run", "--until", LAST, "--days", 5).code == 0
    second = read(site)
    assert second["vadose_run_days", "published"] == 0
    assert {name: value for name, value in second.items() if name[0] == STAGE} == {
        name: value for name, value in first.items() if name[0] == STAGE
    }
    assert second["vadose_run_timestamp_seconds",] >= first["vadose_run_timestamp_seconds",]
    assert [path.name for path in (site / "text").iterdir()] == ["vadose.prom"]


def test_a_file_that_cannot_be_written_fails_no_day(vadose: Any, site: Path, caplog: pytest.LogCaptureFixture) -> None:
    (site / "text").write_text("a file where the folder should be")
    ended = vadose("run", "--until", "2024-05-23", "--days", 1)
    assert ended.code == 0
    assert "published" in ended.out
    assert "The metrics cannot be written" in caplog.text
