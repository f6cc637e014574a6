"""Domains as people write them: what is no box on Earth is told."""

import pytest

from downscaler.errors import DomainError
from downscaler.product import domain


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("34,-98,35,-97", "Longitude comes first"),
        ("262,34,263,35", "-180 to 180"),
        ("-98,34,-97,inf", "on Earth"),
        ("-inf,34,-97,35", "on Earth"),
        ("nan,34,-97,35", "empty"),
        ("-97,34,-98,35", "empty"),
        ("-98,34,-97", "Invalid bounds"),
        ("-98W,34N,-97W,35N", "Invalid bounds"),
        ("-98,86,-97,87", "outside EASE-Grid"),
    ],
)
def test_bounds_that_are_no_box_are_told(written: str, reason: str) -> None:
    with pytest.raises(DomainError, match=reason):
        domain(written)
