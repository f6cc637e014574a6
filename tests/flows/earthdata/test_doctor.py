"""The doctor at NASA's doors: each fault has its own line and remedy, and no credential is ever shown."""

import base64
import datetime as dt
import json

import pytest

from flows.doctor.archives import Earthdata, archives
from flows.settings import load_settings

CANARY = "cAnArY"
TODAY = dt.datetime.now(dt.UTC).date()
FIRST = b"\x89HDF\r\n\x1a\n"


@pytest.fixture
def settings(earthdata, pointed, tmp_path):
    pointed(smap_source="earthdata", domain="-94.9,34.3,-94.4,34.6", cache=tmp_path / "cache")
    return load_settings()


def hold(earthdata, tmp_path, age=3, content=FIRST + bytes(1000)):
    day = TODAY - dt.timedelta(days=age)
    file = tmp_path / f"SMAP_L3_SM_P_E_{day:%Y%m%d}_R19240_001.h5"
    file.write_bytes(content)
    return earthdata.hold(file, day=day)


def verdicts(settings):
    findings = list(Earthdata(settings).steps())
    assert not any(CANARY in f"{finding.told} {finding.remedy}" for finding in findings)
    return {finding.check: finding for finding in findings}


def jwt(days):
    ends = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).timestamp()
    body = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return f"cAnArY-5f3e9d-head.{body}.tail"


def test_all_is_well_by_four_small_requests(settings, earthdata, tmp_path):
    held = hold(earthdata, tmp_path)
    found = {finding.check: finding for finding in archives(settings)}
    assert {name: finding.verdict for name, finding in found.items() if name != "HydroFrame"} == {
        "clock": "pass",
        "Earthdata credentials": "pass",
        "Earthdata log-in": "pass",
        "SMAP search (CMR)": "pass",
        "SMAP granule": "pass",
    }
    assert held.name in found["SMAP granule"].told
    assert not list(tmp_path.glob("cache/**/*.h5")), "nothing is downloaded whole"


def test_a_token_tells_its_end_and_is_not_shown(settings, earthdata, tmp_path, monkeypatch):
    hold(earthdata, tmp_path)
    for days, verdict in ((40, "pass"), (5, "warn"), (-1, "fail")):
        monkeypatch.setenv("EARTHDATA_TOKEN", token := jwt(days))
        earthdata.tokens = {token}
        found = verdicts(settings)
        assert found["Earthdata credentials"].verdict == verdict
        assert (found["SMAP granule"].verdict == "skip") == (verdict == "fail")
    assert "not tried after: Earthdata credentials" in found["Earthdata log-in"].told


def test_refused_credentials_stop_at_the_log_in(settings, earthdata):
    earthdata.tokens = set()
    found = verdicts(settings)
    assert found["Earthdata credentials"].verdict == "pass"
    assert found["Earthdata log-in"].verdict == "fail" or found["SMAP search (CMR)"].verdict == "fail"
    assert found["SMAP granule"].verdict == "skip"


@pytest.mark.parametrize(("age", "verdict"), [(3, "pass"), (12, "warn"), (40, "fail")])
def test_an_archive_that_is_behind_is_told(settings, earthdata, tmp_path, age, verdict):
    hold(earthdata, tmp_path, age=age)
    assert verdicts(settings)["SMAP search (CMR)"].verdict == verdict


def test_an_agreement_that_lacks_and_a_page_instead_of_the_file_have_their_remedies(settings, earthdata, tmp_path):
    held = hold(earthdata, tmp_path)
    earthdata.bodies[held.name] = [b"<!DOCTYPE html><html>Sign in</html>"]
    page = verdicts(settings)["SMAP granule"]
    assert (page.verdict, "authorise" in page.remedy) == ("fail", True)
    earthdata.statuses["archive"] = [-403]
    refused = verdicts(settings)["SMAP granule"]
    assert (refused.verdict, "EULA" in refused.remedy) == ("fail", True)


def test_a_folder_of_granules_needs_no_account(earthdata, pointed, tmp_path, monkeypatch):
    monkeypatch.delenv("EARTHDATA_TOKEN")
    pointed(granules=tmp_path)
    assert {finding.verdict for finding in Earthdata(load_settings()).steps()} == {"skip"}
    pointed(smap_source="earthdata")
    assert verdicts(load_settings())["Earthdata credentials"].verdict == "fail"
