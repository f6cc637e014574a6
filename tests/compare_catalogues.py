"""How two catalogues differ but for times: ``python -m tests.compare_catalogues ONE OTHER``; exits 1 where they do.

Shows that a change of the code changes nothing that is published: make a demo before and after, and compare.
"""

import sys
from pathlib import Path

from tests.crash.wholeness import canonical, differences


def main(one: Path, other: Path) -> int:
    """Print each file that differs, then how many were compared."""
    found = differences(one, other)
    print("\n".join(found))
    print(f"{len(canonical(one))} and {len(canonical(other))} files, {len(found)} differ")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
