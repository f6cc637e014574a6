"""Parquet of others, read within limits: a table of a few bytes may declare any number of rows and long texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MOST = 2_000_000_000
"""Bytes that what is read at once may take in memory."""
_HOLLOW, _RATIO = 1 << 26, 1_000  # declared bytes from which a file has to hold one byte for so many
_ROWS, _AT_ONCE = 10_000, 1 << 28  # rows and, as far as they can be told before, bytes of a batch


def opened(path: Path) -> pq.ParquetFile:
    """A table; raises ValueError where its file cannot hold the rows that it declares, 8 bytes for each value."""
    file = pq.ParquetFile(path)
    told, size = file.metadata, path.stat().st_size
    declared = 8 * told.num_rows * max(told.num_columns, 1)
    if declared > _HOLLOW and declared > _RATIO * size:
        file.close()
        raise ValueError(f"its {told.num_rows:,} rows are more than a file of {size:,} bytes holds")
    return file


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole table; raises ValueError for one of too many rows or bytes, pa.ArrowException, OSError."""
    with opened(path) as file:
        parts = list(batches(file, columns))
        return pa.Table.from_batches(parts, parts[0].schema if parts else file.schema_arrow)


def row_group(file: pq.ParquetFile, number: int) -> pa.Table:
    """A row group; raises as ``read``."""
    return pa.Table.from_batches(list(batches(file, groups=[number])), file.schema_arrow)


def batches(
    file: pq.ParquetFile, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows some at a time; raises ValueError once they took more than ``MOST`` bytes, pa.ArrowException, OSError."""
    taken, longest = 0, _longest(file)
    for batch in file.iter_batches(max(1, min(_ROWS, _AT_ONCE // max(longest, 1))), groups, columns):
        taken += batch.nbytes
        if taken > MOST:
            raise ValueError(f"its rows take more than {MOST:,} bytes")
        yield batch


def _longest(file: pq.ParquetFile) -> int:
    """Bytes that a text of the file has at most: those of its column's largest part."""
    told, longest = file.metadata, 8
    for group in range(told.num_row_groups):
        columns = (told.row_group(group).column(number) for number in range(told.num_columns))
        texts = (int(column.total_uncompressed_size) for column in columns if column.physical_type == "BYTE_ARRAY")
        longest = max([longest, *texts])
    return longest
