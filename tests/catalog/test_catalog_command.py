"""``vadose catalog check`` and ``withdraw`` as an operator runs them: texts, JSON, exit codes."""

import datetime as dt
import json
import shutil
import subprocess
import sys

from publishing import publish_day

from catalog.items.day import withdrawn
from catalog.reading.days import find_item
from downscaler import product

DOMAIN = product.LITTLE_WASHITA


def vadose(*arguments):
    line = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_check_repair_withdraw(published_root, tmp_path):
    root = tmp_path / "catalog"
    shutil.copytree(published_root, root)  # relative links: a copy is as good
    code, said, _ = vadose("catalog", "check", root)
    assert (code, said) == (0, "2 items, 32 objects: no findings\n")
    (index,) = root.glob("*/index/*.parquet")
    index.unlink()
    code, said, wrong = vadose("catalog", "check", root, "--metadata-only", "--json")
    assert code == 42
    assert {finding["kind"] for finding in json.loads(said)["findings"]} == {"index", "link"}
    assert "found faults. Got: 2. `vadose catalog check --repair` rebuilds" in wrong
    code, said, _ = vadose("catalog", "check", root, "--repair")
    assert code == 0
    assert said.endswith("2 items, 32 objects: no findings\n2 findings repaired\n")
    where = ("--domain", DOMAIN.name, "--out", root)
    code, said, _ = vadose("catalog", "withdraw", "2015-04-02", "--reason", "recalled", *where)
    assert code == 0
    assert said.strip().endswith("_20150402.json")
    code, _, wrong = vadose("catalog", "withdraw", "2015-05-02", "--reason", "recalled", *where)
    assert (code, "2015-05-02 is not published" in wrong) == (40, True)
    assert vadose("catalog", "check", root, "--metadata-only")[0] == 0
    code, _, wrong = vadose("catalog", "check", tmp_path / "nowhere")
    assert (code, "No catalogue was found" in wrong) == (40, True)


def test_a_day_is_withdrawn_with_its_analysis(tmp_path):
    root, day, analyses = tmp_path / "catalog", dt.date(2015, 4, 2), product.analysis_of(DOMAIN)
    for date, places in {day: (DOMAIN, analyses), day + dt.timedelta(days=1): (DOMAIN, analyses)}.items():
        for place in places:
            publish_day(root, date, place)
    publish_day(root, day + dt.timedelta(days=2), analyses)
    where = ("--domain", DOMAIN.name, "--out", root)

    def why(date):
        found = (find_item(root, place, date) for place in (DOMAIN, analyses))
        return [withdrawn(item) if item else "none" for item in found]

    code, said, _ = vadose("catalog", "withdraw", "2015-04-02", "--reason", "recalled", *where)
    assert (code, len(said.split()), why(day)) == (0, 2, ["recalled", "recalled"])
    one = ("--of", "analysis")
    assert vadose("catalog", "withdraw", "2015-04-03", "--reason", "recalled", *where, *one)[0] == 0
    assert why(day + dt.timedelta(days=1)) == [None, "recalled"]
    code, said, _ = vadose("catalog", "withdraw", "2015-04-04", "--reason", "recalled", *where)  # never seen by SMAP
    assert (code, why(day + dt.timedelta(days=2))) == (0, ["none", "recalled"])
