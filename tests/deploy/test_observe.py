"""Dashboard and alert rules: valid, and of metrics, labels and runbook entries that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from catalog.metrics import METRICS
from flows.days.metrics import RUN_METRICS

ROOT = Path(__file__).resolve().parents[2]
OBSERVE = ROOT / "deploy" / "observe"
DECLARED = {**METRICS, **RUN_METRICS}
RULES = yaml.safe_load((OBSERVE / "alerts.yaml").read_text())["groups"][0]["rules"]
PANELS = json.loads((OBSERVE / "grafana.json").read_text())["panels"]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]


def named(expressions):
    return {name for expression in expressions for name in re.findall(r"\bvadose_\w+", expression)}


def test_every_metric_named_is_declared():
    asked = named([*SHOWN, *(rule["expr"] for rule in RULES)])
    assert asked <= set(DECLARED)


def test_every_metric_declared_is_on_the_dashboard():
    assert set(DECLARED) == named(SHOWN)


def test_labels_are_those_of_their_metrics():
    for expression in [*SHOWN, *(rule["expr"] for rule in RULES)]:
        for name, inside in re.findall(r"\b(vadose_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)=", inside)) <= set(DECLARED[name][1]), expression
    for panel in PANELS:
        for target in panel["targets"]:
            known = {label for name in named([target["expr"]]) for label in DECLARED[name][1]}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known, panel["title"]


def test_panels_have_their_own_place():
    taken = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_every_alert_leads_to_an_entry_of_the_card():
    for rule in RULES:
        page, anchor = rule["annotations"]["runbook"].split("#")
        titles = re.findall(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_rules_pass_promtool():
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [tool, "check", "rules", OBSERVE / "alerts.yaml"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
