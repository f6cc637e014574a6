"""Tables of a few bytes that would fill the memory are refused; others are as pyarrow reads them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from downscaler.sources import parquet


def test_a_table_is_what_pyarrow_reads(tmp_path):
    frame = pd.DataFrame({"a": np.arange(25_000.0), "b": [f"t{n % 7}" for n in range(25_000)]}).set_index("b")
    frame.to_parquet(path := tmp_path / "x.parquet", row_group_size=10_000)
    assert parquet.read(path).equals(pq.read_table(path))
    pd.testing.assert_frame_equal(parquet.read(path).to_pandas(), frame)
    assert parquet.read(path, ["a"]).column_names == ["a"]
    with parquet.opened(path) as file:
        assert parquet.row_group(file, 2).equals(pq.ParquetFile(path).read_row_group(2))
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), path)
    assert parquet.read(path).num_rows == 0


def test_rows_that_the_file_cannot_hold_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": np.zeros(20_000_000, "i1")}), path)
    assert path.stat().st_size < 150_000
    with pytest.raises(ValueError, match="20,000,000 rows are more"):
        parquet.read(path)


def test_a_long_text_that_stands_once_in_the_file_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MOST", 20_000_000)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": ["x" * 100_000] * 500}), path)
    assert path.stat().st_size < 200_000
    with pytest.raises(ValueError, match="take more than 20,000,000 bytes"):
        parquet.read(path)
