"""All checks in the order in which a first user meets their subjects."""

from __future__ import annotations

from collections.abc import Iterator

from flows.doctor.archives import archives
from flows.doctor.findings import Finding
from flows.doctor.inputs import inputs
from flows.doctor.machine import machine
from flows.doctor.server import server
from flows.settings import Settings


def examination(settings: Settings, *, local: bool = False) -> Iterator[Finding]:
    """The findings one by one as they are made; nothing is downloaded whole, and nothing is published.

    Args:
        settings: whose needs are checked.
        local: only this machine, its disks and the catalogue's store: what a pod needs to be ready.
    """
    yield from machine(settings)
    yield from inputs(settings)
    if not local:
        yield from archives(settings)
        yield from server()
