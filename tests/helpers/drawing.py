"""How property tests draw: the same examples each time in the suite, new and more ones in ``make examples``."""

import os

from hypothesis import HealthCheck, settings

BUDGET = int(os.environ.get("VADOSE_FUZZ", "1"))  # times as many examples as in the suite


def examples(number: int) -> int:
    """The number of examples of a test that needs fewer than others, since each of its examples is costly."""
    return number * BUDGET


def register_profiles() -> None:
    """Choose how this run draws.

    A suite that can fail without a change stops work that is right, so it tries the same examples each time.
    What ``make examples`` finds is written down as an ``@example`` of its test.
    """
    common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "max_examples": examples(100)}
    settings.register_profile("suite", derandomize=True, database=None, **common)
    settings.register_profile("fuzz", derandomize=False, print_blob=True, **common)
    settings.load_profile("suite" if BUDGET == 1 else "fuzz")
