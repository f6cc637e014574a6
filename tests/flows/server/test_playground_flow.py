"""The playground's Prefect flow does what the command does."""

from pathlib import Path
from typing import Any

import pytest
from pyproj import Transformer

from downscaler.errors import ConfigError, PriorCoverageError
from downscaler.ground.grid import CRS
from flows.server.playground import playground

pytestmark = pytest.mark.usefixtures("server")


def test_it_fails_with_the_typed_error_of_its_cause(vadose: Any, little: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vadose prior build --domain upper-verde"):
        playground("upper-verde", tmp_path)
    (tmp_path / "vadose.toml").write_text(f'prior = "{little.path}"\n')
    with pytest.raises(PriorCoverageError):
        playground("upper-verde", tmp_path)
    assert not (tmp_path / "playground.html").exists()


@pytest.mark.slow
def test_it_answers_the_three_findings(vadose: Any, chain: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'prior = "{chain.prior.path}"\n')
    box = chain.domain.geobox().boundingbox
    x, y = 0.55 * box.left + 0.45 * box.right, 0.5 * (box.bottom + box.top)
    lon, lat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    where = f"{lon - 0.01:.3f},{lat - 0.01:.3f},{lon + 0.01:.3f},{lat + 0.01:.3f}"
    verdicts = playground(where, tmp_path, stations=5, replicates=2, config=tmp_path / "mine.toml")
    assert len(verdicts) == 3
    assert set(verdicts.values()) <= {"yes", "no", "not clear"}
    assert (tmp_path / "playground.html").is_file()
