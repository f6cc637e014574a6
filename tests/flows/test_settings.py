"""Settings: precedence, what is refused, and the operator's example."""

import os
from pathlib import Path

import pytest

from downscaler.errors import ConfigError
from flows.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A working folder without a config file and an environment without our variables."""
    for name in [name for name in os.environ if name.upper().startswith("VADOSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_hold_without_file_or_environment() -> None:
    assert load_settings() == Settings()
    assert load_settings().domain == "conus"


def test_command_line_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vadose.toml").write_text('domain = "demo"\nworkers = 2\nseed = 5\n')
    monkeypatch.setenv("VADOSE_WORKERS", "3")
    monkeypatch.setenv("VADOSE_SEED", "6")
    settings = load_settings(seed=7, domain=None)
    assert (settings.domain, settings.workers, settings.seed) == ("demo", 3, 7)
    assert settings.smap_product is None


def test_an_empty_variable_counts_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vadose.toml").write_text("workers = 2\n")
    monkeypatch.setenv("VADOSE_WORKERS", "")
    assert load_settings().workers == 2


def test_a_setting_that_has_gone_tells_what_took_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("vadose.toml").write_text("gap_fill = true\n")
    with pytest.raises(ConfigError, match="gap_fill no longer exists") as raised:
        load_settings()
    assert "analysis" in str(raised.value.remedy)
    Path("vadose.toml").unlink()
    monkeypatch.setenv("VADOSE_GAP_FILL", "true")
    with pytest.raises(ConfigError, match="no longer exists"):
        load_settings()


def test_paths_of_a_file_count_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "mine.toml"
    config.write_text('prior = "priors/p.zarr"\ncatalog = "s3://bucket/root"\ngranules = "/data/smap"\n')
    monkeypatch.setenv("VADOSE_CONFIG", str(config))
    settings = load_settings()
    assert settings.prior == tmp_path / "etc" / "priors" / "p.zarr"
    assert settings.catalog == "s3://bucket/root"
    assert settings.granules == Path("/data/smap")


def test_stations_are_a_list_or_one_text_and_services_are_no_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "mine.toml"
    for text in ('["ismn.zip", "scan", "/data/uscrn"]', '"ismn.zip, scan,/data/uscrn"'):
        config.write_text(f"stations = {text}\n")
        assert load_settings(config).stations == (str(tmp_path / "etc" / "ismn.zip"), "scan", "/data/uscrn")
    monkeypatch.setenv("VADOSE_STATIONS", "a.zip,snotel")
    assert load_settings().stations == ("a.zip", "snotel")
    assert load_settings(stations=["b.zip"]).stations == ("b.zip",)
    monkeypatch.setenv("VADOSE_STATIONS", "")
    assert load_settings().stations is None


def test_the_option_beats_the_variable_that_names_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text("seed = 1\n")
    (tmp_path / "b.toml").write_text("seed = 2\n")
    monkeypatch.setenv("VADOSE_CONFIG", "a.toml")
    assert load_settings(Path("b.toml")).seed == 2


@pytest.mark.parametrize(("key", "near"), [("domian", "domain"), ("work", "workers"), ("smap-product", "smap_product")])
def test_unknown_key_is_refused_with_the_nearest_name(key: str, near: str) -> None:
    Path("vadose.toml").write_text(f'{key} = "x"\n')
    with pytest.raises(ConfigError, match=rf"{key}.*Did you mean '{near}'"):
        load_settings()


def test_unknown_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VADOSE_PRIORS", "x")
    with pytest.raises(ConfigError, match=r"VADOSE_PRIORS.*Did you mean 'VADOSE_PRIOR'"):
        load_settings()


@pytest.mark.parametrize("text", ["workers = 0\n", 'workers = "many"\n', "seed = -1\n", 'smap_product = "SPL4SMGP"\n'])
def test_bad_value_is_refused_with_the_key_and_value(text: str) -> None:
    Path("vadose.toml").write_text(text)
    key, value = (part.strip() for part in text.split("="))
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert repr(key) in str(caught.value)
    assert value.strip('"') in str(caught.value)


@pytest.mark.parametrize("content", [b"domain = ", b"\xff\xfe\x00"])
def test_unreadable_file_is_refused(content: bytes) -> None:
    Path("vadose.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()


def test_absent_file_is_refused_when_named() -> None:
    with pytest.raises(ConfigError, match="--config"):
        load_settings(Path("nowhere.toml"))


def test_the_operators_example_is_valid() -> None:
    settings = load_settings(ROOT / "deploy" / "vadose.toml")
    assert settings.domain == "conus"
    assert settings.smap_product == "SPL3SMP_E"
    assert settings.prior == ROOT / "deploy" / "priors" / "conus"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_may_begin_with_the_mark_that_windows_writes(encoding: str) -> None:
    Path("vadose.toml").write_text('domain = "demo"\n', encoding=encoding)
    assert load_settings().domain == "demo"


@pytest.mark.parametrize(
    "line",
    [
        'catalog = ""',  # would be the folder of the settings file
        'prior = " "',
        "workers = true",
        "validation_gain = nan",
        "stations = 5",
        "stations = {a = 1}",
        'zones = [["a.gpkg"]]',
        'prior = "~no-such-account/prior"',
    ],
)
def test_values_that_would_be_misread_are_refused(line: str) -> None:
    Path("vadose.toml").write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=line.split(" ")[0] + "|~no-such-account"):
        load_settings()


def test_a_wrong_entry_of_a_list_is_told_by_the_name_of_its_setting() -> None:
    with pytest.raises(ConfigError, match=r"Setting 'products' \(VADOSE_PRODUCTS\).*'analyses'"):
        load_settings(products="analyses")


@pytest.mark.parametrize("key", ["stations", "composites", "derived", "zones"])
def test_an_empty_list_is_none(key: str) -> None:
    for empty in ('""', "[]"):
        Path("vadose.toml").write_text(f"{key} = {empty}\n")
        assert getattr(load_settings(), key) is None
