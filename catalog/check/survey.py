"""Results of a check: facts about items and parents, and the findings."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.store.base import Store
from catalog.store.documents import Document
from catalog.store.objects import Stat


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault or remark.

    ``kind`` is schema, link, asset, checksum, cog, index, extent, orphan, staging, claim, layout or cube; ``mend`` says
    that a repair can put it right; what is no ``fault`` may be a publication in progress.
    """

    kind: str
    key: str
    what: str
    mend: bool = False
    fault: bool = True


@dataclass(frozen=True, kw_only=True)
class ItemFacts:
    """What the check keeps of an item: identity for the index, time span, box, files by key with size and checksum.

    ``digest`` is what a cube that holds the day says of it; None where the day was withdrawn, or is no day.
    """

    essence: tuple[str, ...]
    span: tuple[str, str]
    bbox: tuple[float, ...]
    revision: int
    simulated: bool
    digest: int | None
    files: dict[str, tuple[int | None, str | None, str]]


@dataclass
class Survey:
    """What a check saw: objects by key, facts of items (archived revisions among them), parents, findings.

    ``predecessors`` are the keys of archived items that later revisions name, there or not.
    """

    store: Store
    stats: dict[str, Stat]
    items: dict[str, ItemFacts] = field(default_factory=dict)
    archived: dict[str, ItemFacts] = field(default_factory=dict)
    parents: dict[str, Document] = field(default_factory=dict)
    predecessors: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def note(self, kind: str, key: str, what: object, *, mend: bool = False, fault: bool = True) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind=kind, key=key, what=str(what), mend=mend, fault=fault))
