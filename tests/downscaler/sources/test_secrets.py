"""A credential stands in no message, whatever encoding the message gives it."""

import base64
import html
import json
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from downscaler.errors import CredentialsError
from downscaler.sources.earthdata import credentials_at_hand
from downscaler.sources.secrets import HIDDEN, header_value, remember, scrub

CORE = "cAnArY-5f3e9d/+=&'\"\\<ß>"
SECRETS = (CORE, f"{CORE}\n", f"\t{CORE}\r\n", f"{CORE} {CORE}")
FORMS = {
    "plain": str,
    "repr": repr,
    "repr of repr": lambda text: repr(repr(text)),
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "json": json.dumps,
    "json without escapes": lambda text: json.dumps(text, ensure_ascii=False),
    "json of repr": lambda text: json.dumps(repr(text)),
    "url": lambda text: quote(text, safe=""),
    "url in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "form": quote_plus,
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 within a header": lambda text: base64.b64encode(f"someone:{text}".encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(f"ab{text}cd".encode()).decode(),
    "dictionary": lambda text: str({"Authorization": f"Bearer {text}"}),
    "exception": lambda text: repr(ValueError(text)),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NETRC", "EARTHDATA_TOKEN", "EARTHDATA_USERNAME", "EARTHDATA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def traces(text: str) -> list[str]:
    """Pieces of the canary that are still to be read, also by who decodes."""
    pieces = ("cAnArY", "5f3e9d", *(base64.b64encode(b"\0" * n + b"cAnArY-5f3e9d").decode()[4:12] for n in range(3)))
    return [piece for piece in pieces if piece in text]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_hidden(secret: str, form: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", secret)
    said = scrub(f"before {FORMS[form](secret)} behind")
    assert not traces(said)
    assert HIDDEN in said
    assert said.startswith("before")
    assert said.endswith("behind")


@given(secret=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8).filter(str.strip))
def test_any_secret_is_hidden_in_all_forms(secret: str) -> None:
    for form in FORMS.values():
        text = form(secret)
        said = scrub(text, (secret,))
        assert said != text or secret == HIDDEN, (secret, text)


def test_errors_of_the_libraries_that_carry_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", f"{CORE}\n")
    with pytest.raises(requests.exceptions.InvalidHeader) as header:
        requests.Request("GET", "https://localhost/", headers={"Authorization": f"Bearer {CORE}\n"}).prepare()
    with pytest.raises(json.JSONDecodeError) as text:
        json.loads("{" + CORE)
    with pytest.raises(subprocess.CalledProcessError) as process:
        subprocess.run(["false", CORE], check=True)
    for error in (header.value, text.value, process.value):
        assert not traces(scrub(f"{error} {error!r}"))


def test_what_a_header_cannot_carry_is_refused_untold() -> None:
    assert header_value("EARTHDATA_TOKEN", "\ufeff eyJ0.abc.d-_=\r\n") == "eyJ0.abc.d-_="
    for bad in ("cAnArY\n5f3e9d", "cAnArY 5f3e9d", "cAnArY\x00", "cAnArYß", "  \n"):
        with pytest.raises(CredentialsError) as refused:
            header_value("EARTHDATA_TOKEN", bad)
        assert "cAnArY" not in str(refused.value)
        assert "EARTHDATA_TOKEN" in str(refused.value)


def test_netrc_that_cannot_be_parsed_says_so_and_tells_nothing(home: Path) -> None:
    file = home / ".netrc"
    file.write_text("machine urs.earthdata.nasa.gov\n login someone\n password cAnArY pass 5f3e9d word\n")
    file.chmod(0o600)
    with pytest.raises(CredentialsError, match="cannot be parsed") as refused:
        credentials_at_hand("urs.earthdata.nasa.gov")
    assert str(file) in str(refused.value)
    assert not traces(str(refused.value))
    assert "cAnArY" not in scrub("the file says cAnArY pass 5f3e9d word")


def test_pin_pairs_and_other_services(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".hydrodata").mkdir()
    (home / ".hydrodata" / "pin.json").write_text('{"email": "who@cAnArY.org", "pin": "5f3e9d"}')
    monkeypatch.setenv("VADOSE_PGSTAC_DSN", "postgresql://me:cAnArY5f3e9d@localhost/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "cAnArY/AWS+5f3e9d")
    monkeypatch.setenv("EARTHDATA_USERNAME", "someone")
    monkeypatch.setenv("EARTHDATA_PASSWORD", "cAnArY-p")
    remember("issued-cAnArY")
    pair = base64.b64encode(b"someone:cAnArY-p").decode()
    said = scrub(f"who@cAnArY.org 5f3e9d cAnArY5f3e9d cAnArY/AWS+5f3e9d issued-cAnArY Basic {pair}")
    assert not traces(said)
    assert pair not in said


def test_short_and_empty_values_hide_no_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert scrub("the latest\n") == "the latest\n"
