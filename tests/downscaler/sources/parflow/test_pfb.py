import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from parflow.tools.io import read_pfb, write_pfb

from downscaler.errors import PriorUnreadableError
from downscaler.ground.lattice import IJWindow
from downscaler.sources.parflow import describe
from downscaler.sources.parflow.pfb import read_header, read_layers, read_top


@settings(max_examples=examples(25))
@given(
    size=st.tuples(st.integers(1, 4), st.integers(2, 15), st.integers(2, 15)),
    cuts=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 2)),
    data=st.data(),
)
def test_any_window_of_any_decomposition_is_the_array(tmp_path_factory, size, cuts, data):
    nz, ny, nx = size
    p, q, r = min(cuts[0], nx), min(cuts[1], ny), min(cuts[2], nz)
    values = np.random.default_rng(nx * ny).normal(size=size)
    path = tmp_path_factory.mktemp("pfb") / "a.pfb"
    write_pfb(str(path), values, p=p, q=q, r=r, dist=False)
    assert read_header(path).subgrids == p * q * r
    i0, j0 = data.draw(st.integers(0, nx - 1)), data.draw(st.integers(0, ny - 1))
    i1, j1 = data.draw(st.integers(i0 + 1, nx)), data.draw(st.integers(j0 + 1, ny))
    window = IJWindow.from_bounds([i0, j0, i1, j1])
    np.testing.assert_array_equal(read_layers(path), values)
    np.testing.assert_array_equal(read_top(path, window), values[-1, j0:j1, i0:i1])


@settings(max_examples=examples(40))
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    write_pfb(str(folder / "a.pfb"), np.ones((3, 8, 9)), p=2, q=2, dist=False)
    whole = (folder / "a.pfb").read_bytes()
    (folder / "a.pfb").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PriorUnreadableError, match="not a complete"):
        read_header(folder / "a.pfb")


def test_other_bytes_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a.pfb").write_bytes(b"no pfb at all" * 100)
    for name in ("a.pfb", "missing.pfb"):
        with pytest.raises(PriorUnreadableError):
            read_header(tmp_path / name)


@pytest.mark.parametrize("cut", ["1_1", "2_2", "4_4"])
def test_upper_verde_saturation_is_read_alike_in_every_decomposition(shared: Path, cut: str):
    folder = shared / "parflow" / "conus1_upper_verde"
    path = folder / f"conus1_upper_verde_{cut}.out.satur.00000.pfb"
    plain = read_pfb(str(folder / "conus1_upper_verde_1_1.out.satur.00000.pfb"))
    assert read_header(path).subgrids == {"1_1": 1, "2_2": 4, "4_4": 16}[cut]
    np.testing.assert_array_equal(np.nan_to_num(read_layers(path), nan=-3.4028234663852886e38), plain)
    facts = describe(path)
    assert facts["kind"] == "pfb"
    assert facts["shape"] == [5, 90, 112]
    assert facts["active_cells"] == 6456
    assert 0.01 < facts["minimum"] < facts["maximum"] == 1.0


def test_reading_pfb_needs_no_other_part_of_vadose():
    code = "import sys, downscaler.sources.parflow; print(sorted(m for m in sys.modules if m in ('prefect', 'pystac')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
