"""The only module that uses earthaccess: log-in, search, download; every failure becomes a typed error.

Three things are changed in the client: sessions have time limits and repeat searches that a busy server turned down; a
refused download is not repeated; and it is not asked whether it runs inside Amazon's cloud, which would send the token
to a link-local address.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import requests
from earthaccess import Auth, DataGranules, Store
from earthaccess.auth import SessionWithHeaderRedirection
from earthaccess.exceptions import EulaNotAccepted
from earthaccess.system import CMRBaseURL, EDLHostname, StatusApiURL, StatusURL, System
from requests.adapters import HTTPAdapter
from tenacity import retry_if_exception
from urllib3.util.retry import Retry

from downscaler.errors import AcquisitionError, CredentialsError, LoginError, VadoseError
from downscaler.sources.earthdata.options import Endpoints
from downscaler.sources.earthdata.secrets import clean_variables, credentials_at_hand
from downscaler.sources.earthdata.translate import disk_is_full, translate
from downscaler.sources.secrets import netrc_file, remember

T = TypeVar("T")
_BUSY = (429, 500, 502, 503, 504)
_RETRIES = 4
_PAGE = 2000  # records, the most that CMR sends at once
_LONGEST_WAIT = 30  # s, however long a server asks to wait


class _Adapter(HTTPAdapter):
    """Requests with a time limit where the client sets none."""

    def __init__(self, timeout: float, retries: Retry | int) -> None:
        self._timeout = timeout
        super().__init__(max_retries=retries)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        return super().send(request, *args, **kwargs)


class _Auth(Auth):
    """A log-in whose sessions give up in time and come again where a server is busy."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        super().__init__()

    def get_session(self) -> requests.Session:
        """A session with our credentials, time limits and retries."""
        password = (self.username, self.password) if self.username and self.password else None
        # The name without a port: the client compares it with one that never has any.
        session = SessionWithHeaderRedirection(self._endpoints.login_name, password)
        if self.token:
            session.headers["Authorization"] = f"Bearer {self.token['access_token']}"
        patient = Retry(
            total=_RETRIES,
            read=0,  # a server that did not answer in time is not asked again
            status_forcelist=_BUSY,
            allowed_methods={"GET", "POST"},
            backoff_factor=0.5,
            raise_on_status=False,
            retry_after_max=_LONGEST_WAIT,
        )
        session.mount("https://", _Adapter(self._endpoints.timeout, 0))  # earthaccess itself repeats downloads
        for prefix in (self._endpoints.cmr, f"https://{self._endpoints.login}/"):
            session.mount(prefix, _Adapter(self._endpoints.timeout, patient))
        return session


def _may_pass(error: BaseException) -> bool:
    """Whether a download may succeed if repeated: not on a full disk; repeating a refusal may even lock an account."""
    return (
        not disk_is_full(error)
        and not isinstance(error, EulaNotAccepted)
        and not re.search(r"Status code: 40[134]", str(error))
    )


class _Store(Store):
    _download_file = Store._download_file.retry_with(retry=retry_if_exception(_may_pass))

    def _running_in_us_west_2(self) -> bool:
        return False


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's logs, which may quote answers, and its warnings about its own next version."""
    logger = logging.getLogger("earthaccess")
    before, logger.disabled = logger.propagate, False
    logger.propagate = False
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _guarded(what: str, endpoints: Endpoints, call: Callable[[], T]) -> T:
    """The result of a call to the client; its errors leave without the frames in which credentials lie."""
    failure: VadoseError
    try:
        with _quiet():
            return call()
    except Exception as error:  # noqa: BLE001  (whatever the client raises may hold a credential)
        failure = translate(error, what, endpoints)
    raise failure  # outside of the handler: nothing of the client's error is attached to it


def _all_pages(query: DataGranules) -> list[dict[str, Any]]:
    """All records of a search, page after page until CMR has no more.

    The client's own loop ends at a page that is shorter than asked for, which CMR may send in the middle.
    """
    told, url, headers = query.hits(), query._build_url(), dict(query.headers or {})
    records: dict[str, dict[str, Any]] = {}
    while len(records) < told:
        response = query.session.get(url, headers=headers, params={"page_size": _PAGE})
        if not response.ok:
            raise RuntimeError(response.text)
        before = len(records)
        for item in response.json()["items"]:
            records[str(item.get("meta", {}).get("concept-id") or len(records))] = item
        after = response.headers.get("cmr-search-after")
        if len(records) == before or after is None:  # a page that came before counts for nothing
            break
        headers["cmr-search-after"] = after
    if len(records) < told:
        raise AcquisitionError(
            "Earthdata's search gave fewer records than it told of",
            value=f"{len(records)} of {told}",
            allowed="all of them",
            remedy="Try again later, or search a shorter period.",
        )
    return list(records.values())


class Account:
    """A log-in to Earthdata that searches and downloads; made by ``log_in``."""

    def __init__(self, endpoints: Endpoints, auth: _Auth, store: _Store) -> None:
        self._endpoints, self._auth, self._store = endpoints, auth, store

    def search(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Records (umm_json) of all granules that match, over all pages.

        Args:
            query: parameters as ``earthaccess.search_data`` takes them (short_name, version, temporal, bounding_box).

        Raises:
            AcquisitionError: CMR is out of reach, turned the search down, or gave fewer records than it told of;
                LoginError where it refuses the token.
        """

        def found() -> list[dict[str, Any]]:
            return _all_pages(DataGranules(self._auth).parameters(**query))

        return _guarded("search", self._endpoints, found)

    def first_bytes(self, url: str, count: int) -> bytes:
        """The first ``count`` bytes of a file, by a ranged request; raises as ``download``."""

        def read() -> bytes:
            asked = {"Range": f"bytes=0-{count - 1}"}
            with self._auth.get_session() as session, session.get(url, headers=asked, stream=True) as answer:
                answer.raise_for_status()
                return bytes(next(answer.iter_content(count), b""))[:count]

        return _guarded("download", self._endpoints, read)

    def download(self, url: str, folder: Path, *, force: bool) -> Path:
        """Bring one file into a folder; what it holds is not verified.

        Raises AcquisitionError and its kin (refused, agreement not accepted, out of time, cut off), StorageFullError.
        """
        paths = _guarded("download", self._endpoints, lambda: self._store.get([url], folder, threads=1, force=force))
        if len(paths) != 1 or Path(paths[0]).parent != folder:
            raise AcquisitionError("A download was written to an unexpected place", value=[Path(p).name for p in paths])
        return Path(paths[0])


@lru_cache(maxsize=4)
def log_in(endpoints: Endpoints) -> Account:
    """Log in once per process, by token, else user and password, else ``.netrc``; never prompts.

    Raises CredentialsError without credentials, LoginError when they are refused, AcquisitionError otherwise.
    """
    kind = credentials_at_hand(endpoints.login)
    if kind is None:
        raise CredentialsError(
            f"No Earthdata credentials for {endpoints.login} were found",
            allowed=f"EARTHDATA_TOKEN, or EARTHDATA_USERNAME and EARTHDATA_PASSWORD, or an entry for "
            f"{endpoints.login} in {netrc_file()}",
            remedy=f"Register at https://{endpoints.login} and create a token there, or use a folder of granules "
            "(--granules DIR).",
        )

    def log_in_with() -> Account:
        auth = _Auth(endpoints)
        with clean_variables():
            auth.login(strategy="netrc" if kind == "netrc" else "environment", system=_system(endpoints))
        if not auth.authenticated:
            raise LoginError("The log-in to Earthdata failed", value=kind)
        if auth.token:
            remember(auth.token["access_token"])
        return Account(endpoints, auth, _Store(auth))

    return _guarded("log-in", endpoints, log_in_with)


def log_out() -> None:
    """Forget all log-ins of this process; the next search logs in again."""
    log_in.cache_clear()


def _system(endpoints: Endpoints) -> System:
    return System(
        cmr_base_url=CMRBaseURL(endpoints.cmr),
        edl_hostname=EDLHostname(endpoints.login),
        status_url=StatusURL(""),
        status_api_url=StatusApiURL(""),
    )
