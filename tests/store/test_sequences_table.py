"""The table of sequences: lists that are null, and lists of a wrong length."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import segdata
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from tests.generators.sequences import sequence_dataset


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A canonical dataset with a video, whose affine and spacing are null."""
    film = sequence_dataset(np.ones((3, 4, 5), np.int64))
    segdata.convert(OpenDataset(film, film.profile, Config()), tmp_path / "film")
    return tmp_path / "film"


def test_lists_have_no_fixed_size_which_older_pyarrow_reads_only_where_none_is_null(film: Path) -> None:
    stored = pq.read_schema(film / "r0001/sequences.parquet")
    assert stored.field("affine").type == stored.field("spacing").type == pa.list_(pa.float64())


@pytest.mark.parametrize(("column", "values"), [("affine", [1.0] * 15), ("spacing", [1.0, None, 1.0])])
def test_a_list_of_a_wrong_length_is_a_finding(film: Path, column: str, values: list[float | None]) -> None:
    path = film / "r0001/sequences.parquet"
    table = pq.read_table(path)
    changed = pa.array([values] * table.num_rows, pa.list_(pa.float64()))
    pq.write_table(table.set_column(table.column_names.index(column), column, changed), path)
    findings = segdata.validate(film, select=["SEG001"]).findings
    assert [(finding.file, f"column {column} has" in finding.message) for finding in findings] == [
        ("r0001/sequences.parquet", True)
    ]


def test_a_table_of_version_0_1_with_fixed_sizes_is_read(film: Path) -> None:
    path = film / "r0001/sequences.parquet"
    table = pq.read_table(path)
    for name, length in (("affine", 16), ("spacing", 3)):
        values = pa.array([[1.0] * length] * table.num_rows, pa.list_(pa.float64(), length))
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, path)
    (sequence,) = segdata.read(film).profile.sequences
    assert sequence.affine == (1.0,) * 16
    assert sequence.spacing == (1.0,) * 3
