"""What was made last, kept as long as it fits into so many bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Kept:
    """A function whose last results are kept, those asked for longest ago given up first; for many threads."""

    def __init__(self, make: Callable[..., bytes], most: int) -> None:
        self._make, self._most = make, most
        self._held: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size, self._lock = 0, threading.Lock()

    def __call__(self, key: Hashable) -> bytes:
        """The result for a key; raises as the function does."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = self._make(key)
        with self._lock:
            if key not in self._held and len(made) <= self._most:
                self._held[key] = made
                self._size += len(made)
            while self._size > self._most:
                self._size -= len(self._held.popitem(last=False)[1])
        return made
