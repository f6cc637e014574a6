"""The Helm chart as Helm itself renders it, against the schemas of Kubernetes and Pod Security "restricted"."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

helm = pytest.importorskip("helm_python", reason="the extra `chart` is not installed: pip install -e '.[chart]'")
CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "vadose"
VALUES = ["default", *sorted(path.stem for path in (CHART.parent / "values").glob("*.yaml"))]
NOWHERE = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "none",
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "users": [{"name": "none", "user": {}}],
    }
)


def values_of(name):
    return {} if name == "default" else yaml.safe_load((CHART.parent / "values" / f"{name}.yaml").read_text())


def rendered(name):
    config = helm.Config(kubeconfig_content=NOWHERE, namespace="soil", storage_driver="memory")
    chart = helm.Chart.load(CHART) if hasattr(helm.Chart, "load") else helm.Chart(CHART)
    made = config.render(chart, values_of(name), name="vadose", namespace="soil", is_install=True)
    return "\n---\n".join(text for path, text in sorted(made.items()) if path.endswith(".yaml") and text.strip())


def pods(name):
    for document in filter(None, yaml.safe_load_all(rendered(name))):
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield document["metadata"]["name"], spec["template"]["spec"]


def test_there_are_three_sets_of_values():
    assert VALUES == ["default", "bucket", "cron", "prefect"]


@pytest.mark.parametrize("name", VALUES)
def test_it_passes_helm_s_lint(name):
    report = helm.lint(CHART, values_of(name), strict=True, kube_version="v1.33.0")
    assert not [message for message in report["messages"] if message["severity"] > 1]


@pytest.mark.parametrize("name", VALUES)
def test_what_it_renders_is_strictly_valid(name, tmp_path):
    (tmp_path / "all.yaml").write_text(rendered(name))
    tool = Path(sys.executable).parent / "kubernetes-validate"
    done = subprocess.run(
        [tool, "--strict", tmp_path / "all.yaml"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_every_pod_is_restricted_and_limited(name):
    found = dict(pods(name))
    assert found
    for pod in found.values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"]["cpu"]
            named = {volume["name"] for volume in pod["volumes"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= named


def test_without_prefect_a_cron_job_makes_the_days():
    assert set(dict(pods("cron"))) == {"vadose-api", "vadose-daily"}
    daily = dict(pods("cron"))["vadose-daily"]["containers"][0]
    assert daily["command"] == ["vadose", "run"]
    assert "PREFECT_API_URL" not in {variable["name"] for variable in daily["env"]}


def test_prefect_s_pages_link_to_where_the_catalogue_is_served():
    worker = dict(pods("prefect"))["vadose-worker"]["containers"][0]
    told = {variable["name"]: variable.get("value") for variable in worker["env"]}
    assert told["VADOSE_CATALOG_URL"] == f"{values_of('prefect')['api']['publicUrl']}/catalog"


def test_a_worker_is_ready_when_the_doctor_says_so():
    worker = dict(pods("prefect"))["vadose-worker"]["containers"][0]
    probe = worker["readinessProbe"]
    assert probe["exec"]["command"] == ["vadose", "doctor", "--local"]
    assert probe["timeoutSeconds"] >= 30  # a start of Python on a busy node, and a look at the store
    assert probe["periodSeconds"] >= 300
