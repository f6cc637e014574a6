"""The block of docs/operate/recovery.md that moves a catalogue into a bucket, on a real server."""

import datetime as dt
import re
from pathlib import Path

from catalog import items, publish
from catalog.check.check import check
from downscaler import product

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operate" / "recovery.md"
DOMAIN = product.LITTLE_WASHITA


def test_a_moved_catalogue_is_whole_and_goes_on(weed_server, new_bucket, tmp_path, tiles, record, monkeypatch, capsys):
    first = dt.date(2024, 5, 23)
    for number in range(3):
        publish(tmp_path / "published", record(DOMAIN, first + dt.timedelta(days=number)), DOMAIN, tiles(DOMAIN))
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    target = new_bucket(weed_server)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARGET", target)
    exec(compile(block, "recovery.md", "exec"), {})
    assert capsys.readouterr().out.endswith("objects\n")
    assert check(target, min_age=dt.timedelta(0)).findings == []
    assert list(items(target)) == list(items(tmp_path / "published"))
    publish(target, record(DOMAIN, first + dt.timedelta(days=3)), DOMAIN, tiles(DOMAIN, seed=3))
    assert len(list(items(target))) == 4
    assert check(target, min_age=dt.timedelta(0)).findings == []
