"""Limits of measurements, just within and just beyond them, and small measurements beside loops."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from segdata.core.runs import Runs
from segdata.core.table import Table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from segdata.measure.partitions import RemoteColumn
from segdata.measure.summary import _count_range, task_advice
from segdata.measure.tables import lobes
from segdata.measure.tables.duplicates import hash_image_files
from segdata.measure.tables.lobes import measure_apart, shrink_mask
from segdata.measure.tables.picture_edges import _labelled_share, _padding
from segdata.measure.tables.straight_lines import _Pieces
from segdata.testing.pictures import draw_picture
from tests.memory import make_batch

Rng = np.random.Generator


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("seed", range(20))
def test_padding_has_the_shade_of_three_corners(seed: int, layers: int) -> None:
    """What differs from a neighbour, and two pixels around it, is no padding; nor is less than a hundredth."""
    rng = np.random.default_rng(seed)
    high, wide = 12, 20
    small = rng.choice([5.0, 7.0], (high, wide, layers), p=[0.9, 0.1] if seed % 2 else [1, 0])
    shaded = rng.random((high, wide)) < rng.choice([0.004, 0.02, 0.2])
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        small[row, column] = rng.choice([5.0, 5.0, 5.0, 7.0])
        small[row, column, -1] = rng.choice([small[row, column, -1]] * 5 + [9.0])
    corners = [tuple(small[row, column].tolist()) for row in (0, -1) for column in (0, -1)]
    shades = [shade for shade in corners if corners.count(shade) >= 3]
    expected = np.zeros((high, wide), bool)
    for y in range(high):
        for x in range(wide):
            near = shaded[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
            expected[y, x] = bool(shades) and not near.any() and tuple(small[y, x].tolist()) == shades[0]
    found = _padding(small[..., 0] if layers == 1 else small, shaded)
    if shades and expected.sum() >= 0.01 * high * wide:
        np.testing.assert_array_equal(found, expected)
    else:
        assert found is None


@pytest.mark.parametrize("seed", range(12))
def test_which_share_of_some_pixels_has_a_label(seed: int) -> None:
    """Each pixel of a reduced picture is that of the image in its middle; background and void are no labels."""
    rng = np.random.default_rng(seed)
    high, wide, (rows, columns) = 24, 36, (8, 9)
    masks = [rng.random((high, wide)) < 0.4 for _ in range(5)]
    category = [1, 2, 3, 1, 1]
    segments = [(int(k == 4), id_, mask) for k, (id_, mask) in enumerate(zip(category, masks, strict=True))]
    batch = make_batch([{"image_id": "a", "width": wide, "height": high}], [(0, "anna"), (0, "ben")], segments)
    known = (Category(id=1, name="car"), Category(id=2, name="Back ground"), Category(id=3, name="x", kind="void"))
    view: Any = SimpleNamespace(profile=SimpleNamespace(taxonomy=Taxonomy(categories=known)))
    pixels = rng.random((rows, columns)) < 0.5
    places = [(y, x) for y in range(rows) for x in range(columns) if pixels[y, x]]
    labelled = masks[0] | masks[3]
    hits = sum(bool(labelled[int((y + 0.5) * 3), int((x + 0.5) * 4)]) for y, x in places)
    assert _labelled_share(view, batch, 0, pixels, (high, wide)) == pytest.approx(hits / len(places))


@pytest.mark.parametrize("seed", range(40))
def test_regions_as_large_as_several_are_advised_on(seed: int) -> None:
    """Thirty regions of 16 px or more that are alike, a fifth of whose pixels are in those 2.5 times the median."""
    rng = np.random.default_rng(seed)
    n, usual = int(rng.choice([28, 29, 30, 60])), int(rng.choice([15, 16, 40]))
    area = np.full(n, usual)
    large = rng.permutation(n)[: int(rng.choice([1, 2, 4, 8]))]
    area[large] = int(rng.choice([2, 2.5, 3, 4]) * usual) + int(rng.integers(0, 2))
    if seed % 5 == 0:
        area = area * rng.choice([1, 2.45, 2.6], n).astype(float)
    tables = measure_source(draw_picture("a\n\na: cell\ntask: semantic"), frozenset({"parts"}), jobs=1)
    parts = Table({"segment": np.zeros(n, np.int64), "area": area.astype(np.int64)})
    tables = replace(tables, measured={**tables.measured, "parts": parts})
    own = sorted(int(one) for one in area if int(one) >= 16)
    expected = []
    if len(own) >= 30:
        middle = statistics.median(own)
        low, high = np.quantile(np.log(own), (0.25, 0.75))
        beyond = [one for one in own if one > 2.5 * middle]
        if high - low < np.log(2.5) and sum(beyond) >= 0.2 * sum(own):
            share = f"{sum(beyond) / sum(own):.0%} of the pixels of 'cell' are in {len(beyond)} regions"
            expected = [f"{share} more than 2.5 times as large as the median of {middle:,.0f} px"]
    assert [text.partition(":")[0] for text in task_advice(tables)] == expected


@pytest.mark.parametrize(
    ("counts", "words"),
    [([], "none"), ([3000], "3,000"), ([2, 2], "2"), ([0, 1, 5000], "0 to 5,000, median 1")],
)
def test_a_range_of_counts(counts: list[int], words: str) -> None:
    assert _count_range(np.array(counts, np.int64)) == words


@pytest.mark.parametrize(("place", "hashed"), [(4096, False), (4097, True), (1, False)])
def test_files_of_one_size_are_hashed_where_their_last_4096_bytes_are_the_same(
    tmp_path: Path, place: int, hashed: bool
) -> None:
    """`place`: of the one byte that differs, from the end."""
    content = bytearray(6000)
    (tmp_path / "a.png").write_bytes(content)
    content[-place] = 1
    (tmp_path / "b.png").write_bytes(content)
    (tmp_path / "c.png").write_bytes(content[:-1])
    uris = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    columns = {"uri": uris, "image_id": uris, "sequence": [None] * 3, "split": [None] * 3}
    found = hash_image_files(pa.table({name: pa.array(own, pa.string()) for name, own in columns.items()}))
    content_of = found["content"].to_pylist()
    assert [one is not None for one in content_of] == [hashed, hashed, False]
    assert not hashed or content_of[0] != content_of[1]


@pytest.mark.parametrize(("n", "alone"), [(0, True), (2, True), (3, False), (8, False)])
def test_a_quarter_of_a_column_comes_alone(n: int, alone: bool) -> None:
    """Rows of a column that is with workers: few are asked for, else all come; then none is asked for again."""
    asked: list[str] = []

    def whole(name: str, column: str) -> pa.ChunkedArray:
        asked.append("column")
        return pa.chunked_array([np.arange(8)])

    def some(name: str, column: str, rows: NDArray[np.int64]) -> pa.ChunkedArray:
        asked.append("rows")
        return pa.chunked_array([rows])

    tables: Any = SimpleNamespace(column=whole, rows=some)
    column = RemoteColumn(tables, "segments", "area", 8)
    for _ in range(2):
        assert column.take(np.arange(n)).to_pylist() == list(range(n))
    assert asked == (["rows"] * 2 if alone else ["column"])


@pytest.mark.parametrize(
    ("shape", "reduced"), [((160, 3), (160, 3)), ((3, 161), (3, 160)), ((1000, 1), (160, 1)), ((320, 320), (160, 160))]
)
def test_masks_of_more_than_160_pixels_are_made_smaller(shape: tuple[int, int], reduced: tuple[int, int]) -> None:
    mask, scale = shrink_mask(np.ones(shape, np.uint8))
    assert mask.shape == reduced
    assert mask.all()
    assert scale == min(1, 160 / max(shape))


@pytest.mark.parametrize("seed", range(12))
def test_the_two_largest_parts_of_a_segment(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second has 15 % of the pixels of the first; of equals the first in order."""
    rng = np.random.default_rng(seed)
    segment = np.repeat([2, 5, 7, 9], rng.integers(2, 5, 4))
    n = len(segment)
    columns = {"segment": segment, "area": rng.choice([14, 15, 100, 100], n)}
    columns |= {name: rng.integers(0, 9, n) for name in ("x", "y", "width", "height")}
    middles: list[Sequence[NDArray[np.float64]]] = []

    def hidden(view: Any, rows: Any, middle: Any, ends: Any) -> NDArray[np.float64]:  # Any: as in the module
        middles.append([side[end] for end in ends for side in middle])
        return np.zeros(len(rows))

    monkeypatch.setattr(lobes, "_hidden_share", hidden)
    found = measure_apart(SimpleNamespace(tables={"parts": pa.table(columns)}))  # type: ignore[arg-type]  # all it reads
    expected = []
    for owner in (2, 5, 7, 9):
        rows = sorted((k for k in range(n) if segment[k] == owner), key=lambda k: (-columns["area"][k], k))
        one, two = rows[:2]
        if columns["area"][two] >= 0.15 * columns["area"][one]:
            reach = [float(np.hypot(columns["width"][k], columns["height"][k])) for k in (one, two)]
            expected.append((owner, int(columns["area"][one]), int(columns["area"][two]), *reach))
            at = [columns[side][k] + columns[size][k] / 2
                  for k in (one, two) for side, size in (("x", "width"), ("y", "height"))]  # fmt: skip
            assert [side[len(expected) - 1] for side in middles[0]] == at
    names = ("segment", "first", "second", "first_reach", "second_reach")
    assert list(zip(*(found[name].to_pylist() for name in names), strict=True)) == expected


def test_of_more_than_300_pieces_the_largest_are_compared() -> None:
    length = np.array([5] * 150 + [4] + [5] * 150)  # pieces on one row, a gap of two between
    x = np.concatenate(
        [begin + np.arange(n) for begin, n in zip(np.cumsum(length + 2) - length - 2, length, strict=True)]
    )
    ones = np.ones(len(x), np.int64)
    pieces = _Pieces.from_runs(Runs(x.astype(np.int64), ones, np.zeros(len(x), np.int32)), np.array([1]))
    assert len(pieces.owner) == 300
    assert set(np.round(pieces.length).astype(int).tolist()) == {5}
