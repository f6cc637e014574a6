"""Results that are kept: the last ones, within their bytes, whichever threads ask."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from catalog.api.data.kept import Kept


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 30))
def test_what_is_kept_is_what_was_asked_for_last(asked, most):
    made, expected = [], []  # the expected: keys from the one asked for longest ago
    kept = Kept(lambda key: made.append(key) or bytes(key), most)
    for key in asked:
        new = key not in expected
        before = len(made)
        assert kept(key) == bytes(key)
        assert (len(made) > before) == new
        if not new or key <= most:
            expected = [other for other in expected if other != key] + [key]
        while sum(expected) > most:
            expected.pop(0)


def test_threads_get_their_own_answers():
    kept = Kept(lambda key: bytes([key]) * 100, 2_000)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(kept, [number % 40 for number in range(4_000)]))
    assert answers == [bytes([number % 40]) * 100 for number in range(4_000)]
