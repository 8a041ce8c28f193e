"""Cut: every window is what an array slice is; cut and pasted again is what it was."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.errors import SegdataError
from segdata.core.profile import Profile
from segdata.core.schema import runs_to_rle
from segdata.store.windows import (
    TilePlaces,
    cut_windows,
    fixed_window,
    link_by_id,
    read_tile,
    stitch,
    tile_starts,
    tile_windows,
    window_prefixes,
    windows_around_segments,
)
from segdata.testing.pictures import draw_picture, masks_of_runs, runs_of_masks
from segdata.testing.round_trip import content
from segdata.testing.strategies import datasets


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 19))
def test_tiles_cover_a_side_and_overlap(length: int, size: int, overlap: int) -> None:
    if overlap >= size:
        return
    found = tile_starts(length, size, overlap)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert max(found) + min(size, length) == length
    assert all(b - a <= size - overlap for a, b in pairwise(found))


def sizes(data: st.DataObject) -> tuple[int, int, int]:
    width, height = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    return width, height, data.draw(st.integers(0, min(width, height) - 1))


@settings(max_examples=40)
@given(datasets(), st.data())
def test_a_window_is_a_slice_of_the_masks(made: tuple[Profile, list[Batch]], data: st.DataObject) -> None:
    batch = concatenate_batches(made[1])
    ids = batch.images["image_id"].to_pylist()
    windows = tile_windows(*sizes(data))(batch)
    found = cut_windows(batch, windows, window_prefixes(ids))
    found.runs.checked(*found.segment_size)
    names = found.images["image_id"].to_pylist()
    assert len(set(names)) == len(names) == len(windows)
    whole = masks_of_runs(batch.runs, *batch.segment_size)
    expected = []
    for at in range(len(windows)):
        image, x, y, width, height = (
            int(side[at]) for side in (windows.image, windows.x, windows.y, windows.width, windows.height)
        )
        for row in np.flatnonzero(batch.segment_image == image).tolist():
            piece = whole[row][y : y + height, x : x + width]
            if piece.any() or (not whole[row].any() and (x, y) == (0, 0)):
                expected.append((names[at], batch.segments["segment_id"][row].as_py(), piece.tobytes()))
    pieces = masks_of_runs(found.runs, *found.segment_size)
    of = found.segment_image.tolist()
    segment_ids = found.segments["segment_id"].to_pylist()
    assert expected == [
        (names[image], id_, piece.tobytes()) for image, id_, piece in zip(of, segment_ids, pieces, strict=True)
    ]


@settings(max_examples=40)
@given(datasets(), st.data())
def test_cut_and_pasted_is_the_same(made: tuple[Profile, list[Batch]], data: st.DataObject) -> None:
    profile, batch = made[0], concatenate_batches(made[1])
    ids = batch.images["image_id"].to_pylist()
    if not ids:
        return
    found = cut_windows(batch, tile_windows(*sizes(data))(batch), window_prefixes(ids))
    said = [read_tile(each) for each in found.images["metadata"].to_pylist()]
    known = [each for each in said if each is not None]
    assert len(known) == len(said)
    height, width = found.image_size
    image = np.array([ids.index(each.of) for each in known], np.int64)
    back = stitch(found, TilePlaces.from_tiles(known, width, height), batch.images, image, link_by_id)
    back.runs.checked(*back.segment_size)
    lost = frozenset({"rings"})
    assert content(back, profile, lost) == content(batch, profile, lost)  # type: ignore[arg-type]  # a kind of loss


def test_where_tiles_disagree_the_nearer_one_counts() -> None:
    """Two tiles of 4 pixels that share 2: the left one owns 3 pixels of its row."""
    drawing = draw_picture("aaaaaa")
    found = cut_windows(drawing.batch, tile_windows(4, 4, 2)(drawing.batch), window_prefixes(["1.png"]))
    known = [each for each in map(read_tile, found.images["metadata"].to_pylist()) if each is not None]
    places = TilePlaces.from_tiles(known, np.array([4, 4]), np.array([1, 1]))
    assert (places.left.tolist(), places.right.tolist()) == ([0, 3], [3, 6])
    left = found.take_segments(np.array([0]))
    back = stitch(left, places, drawing.batch.images, np.zeros(2, np.int64), link_by_id)
    assert back.runs.start.tolist() == [0, 1, 2]


def test_a_box_and_the_surroundings_of_segments() -> None:
    drawing = draw_picture("......\n..ab..\n......")
    one = cut_windows(drawing.batch, fixed_window(1, 1, 10, 10)(drawing.batch), window_prefixes(["1.png"]))
    assert one.images.select(["image_id", "width", "height"]).to_pylist() == [
        {"image_id": "1_x00001_y00001.png", "width": 5, "height": 2}
    ]
    assert len(fixed_window(6, 0, 3, 3)(drawing.batch)) == 0
    windows = windows_around_segments(None, 1)(drawing.batch)
    assert (windows.x.tolist(), windows.width.tolist(), windows.height.tolist()) == ([1, 2], [3, 3], [3, 3])
    first = drawing.batch.segments["category_id"][0].as_py()
    assert len(windows_around_segments([first], 0)(drawing.batch)) == 1
    two = cut_windows(drawing.batch, windows, window_prefixes(["1.png"]))
    assert two.images["image_id"].to_pylist()[0] == "1_x00001_y00000_w00003_h00003.png"
    assert two.images["group"].to_pylist() == ["1.png", "1.png"]


def test_an_overlap_as_wide_as_a_tile_is_refused() -> None:
    with pytest.raises(SegdataError, match="cannot overlap by 8"):
        tile_windows(8, 16, 8)


@given(st.data())
def test_regions_and_work_come_back(data: st.DataObject) -> None:
    """The region of interest is cut like a segment; the seconds that an annotation took are those of its tiles."""
    drawing = draw_picture("aab..\na.bb.\n....b\n\nccc\nc..")
    batch = drawing.batch
    inside = data.draw(st.lists(st.booleans(), min_size=15, max_size=15))
    mask = np.array(inside, bool).reshape(3, 5)
    runs = runs_of_masks([mask])
    roi = runs_to_rle(runs, np.array([3]), np.array([5])).to_pylist()
    batch = replace(
        batch,
        images=replace_column(batch.images, "roi", [*roi, None]),
        annotations=replace_column(batch.annotations, "seconds", [12.5, None]),
    )
    ids = batch.images["image_id"].to_pylist()
    found = cut_windows(batch, tile_windows(*sizes(data))(batch), window_prefixes(ids))
    known = [each for each in map(read_tile, found.images["metadata"].to_pylist()) if each is not None]
    regions = found.images["roi"].to_pylist()
    assert [each is not None for each in regions] == [each.of == "1.png" for each in known]
    assert [each for each in found.annotations["seconds"].to_pylist() if each is not None] == [12.5]
    image = np.array([ids.index(each.of) for each in known], np.int64)
    height, width = found.image_size
    back = stitch(found, TilePlaces.from_tiles(known, width, height), batch.images, image, link_by_id)
    assert back.images["roi"].to_pylist() == [*roi, None]
    assert back.annotations["seconds"].to_pylist() == [12.5, None]


def test_tiles_of_tiles_know_both() -> None:
    drawing = draw_picture("aabb\naabb")
    once = cut_windows(drawing.batch, tile_windows(2, 2, 0)(drawing.batch), window_prefixes(["1.png"]))
    twice = cut_windows(once, tile_windows(1, 1, 0)(once), window_prefixes(once.images["image_id"].to_pylist()))
    last = read_tile(twice.images["metadata"][-1].as_py())
    assert last is not None
    assert (last.of, last.x, last.y, last.width) == ("1_x00002_y00000.png", 1, 1, 2)
    assert twice.images["image_id"][-1].as_py() == "1_x00002_y00000_x00001_y00001.png"
