"""A store without conditional writes is found out by one small probe, before any work, in a sentence."""

import pytest
from old_store import old_store

from catalog.store.base import open_store
from catalog.store.probe import require_conditional_writes
from downscaler.errors import CatalogError, ConditionalWriteError


def test_a_real_store_and_a_folder_pass_and_nothing_is_left(weed_server, new_bucket, tmp_path):
    uri = new_bucket(weed_server)
    require_conditional_writes(uri)
    assert open_store(uri).keys("") == []
    require_conditional_writes(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("overwrites", "overwrote an object that was only to be created"),
        ("refuses", "refuses them"),
        ("swaps blindly", "replaced an object that had changed"),
    ],
)
def test_a_store_that_knows_no_conditions_is_a_typed_error_after_few_requests(manner, told, monkeypatch):
    with old_store(manner) as server:
        for name, value in {"AWS_ENDPOINT_URL": server.endpoint, "AWS_ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        with pytest.raises(ConditionalWriteError, match=told) as raised:
            require_conditional_writes(f"s3://vadose/{manner.replace(' ', '-')}")
        assert raised.value.exit_code == 45
        assert len(str(raised.value)) < 500
        assert server.requests < 10
        assert server.held == {}


def test_a_store_that_is_away_is_no_old_store(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(CatalogError) as raised:
        require_conditional_writes("s3://vadose/away")
    assert not isinstance(raised.value, ConditionalWriteError)
