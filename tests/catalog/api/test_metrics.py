"""``/metrics`` of the running service, as Prometheus scrapes it."""

import datetime as dt

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from serving import served

from catalog import publish
from catalog.api import create_app
from catalog.api.metrics import Told
from catalog.metrics import METRICS
from catalog.store.base import open_store
from downscaler import product

DAY = dt.date(2024, 5, 23)


@pytest.fixture
def root(tmp_path, tiles, record):
    publish(tmp_path, record(product.LITTLE_WASHITA, DAY), product.LITTLE_WASHITA, tiles(product.LITTLE_WASHITA))
    return tmp_path


def published(text):
    families = text_string_to_metric_families(text)
    return {s.labels["collection"]: s.value for f in families for s in f.samples if s.name == "vadose_published_days"}


def test_the_service_tells_how_the_product_stands(root):
    with served(create_app(root)) as address:
        answer = requests.get(f"{address}/metrics", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert {family.name for family in text_string_to_metric_families(answer.text)} <= set(METRICS)
    assert published(answer.text) == {"vadose-sm-1km_little-washita": 1.0}


def test_it_is_looked_up_again_after_a_while_and_not_before(root, tiles, record):
    slow, quick = (Told(open_store(root), fresh) for fresh in (3600.0, 0.0))
    before = slow.now(), quick.now()
    next_day = record(product.LITTLE_WASHITA, DAY + dt.timedelta(days=1))
    publish(root, next_day, product.LITTLE_WASHITA, tiles(product.LITTLE_WASHITA, seed=1))
    assert slow.now() == before[0]
    assert published(quick.now().decode()) == {"vadose-sm-1km_little-washita": 2.0}
