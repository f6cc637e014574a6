"""The service's own description tried against it: whatever fits it, or nearly, is answered without a fault of ours."""

import contextlib

import httpx
import jsonschema
import pytest
import schemathesis
from drawing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from serving import served

from catalog.api import create_app
from catalog.api.stac.pgsync import sync

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.hypothesis,
    pytest.mark.integration,
]


@pytest.fixture(scope="module", params=["embedded", "pgstac"])
def described(request, published_root):
    """The description of a running service, on each backend."""
    dsn = None
    if request.param == "pgstac":
        dsn = request.getfixturevalue("postgres")
        sync(published_root, dsn)
    with served(create_app(published_root, backend=request.param, dsn=dsn)) as address:
        yield schemathesis.openapi.from_url(f"{address}/stac/api")


def test_no_request_is_answered_by_a_fault(described):
    tried = set()
    for found in described.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_out(operation.as_strategy(generation_mode=mode))
        tried.add(operation.path)
    assert {"/stac/search", "/timeseries", "/catalog/{key}", "/healthz"} <= tried


@pytest.mark.parametrize("fields", ["", "id", "no-such-part", "-geometry", "properties.datetime", "-properties"])
def test_items_of_some_fields_fit_the_description(described, fields):
    address = described.config.base_url or described.location.removesuffix("/stac/api")
    found = httpx.get(f"{address}/stac/search", params={"fields": fields, "limit": 2}).json()
    whole = {**described.raw_schema, "$ref": "#/components/schemas/ItemCollection"}
    assert found["features"]
    jsonschema.Draft202012Validator(whole).validate(found)
    assert all({"type", "stac_version", "id", "collection"} <= set(item) for item in found["features"])


def try_out(cases):
    @settings(max_examples=examples(4), suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def check(case):
        answer = case.call(timeout=60)
        assert answer.status_code < 500, f"{answer.status_code} {answer.text[:300]}"

    with contextlib.suppress(Unsatisfiable):  # an operation without parameters has nothing to be wrong about
        check()
