"""Windows and tiles against loops over pixels: where they lie, whose a pixel is, and which pieces are one segment."""

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

from segdata.core.batch import Batch, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Defect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.store.windows import (
    Tile,
    TilePlaces,
    Windows,
    cut_dataset,
    cut_windows,
    fixed_window,
    link_by_overlap,
    read_tile,
    stitch,
    stitch_dataset,
    tile_windows,
    window_name,
    window_prefixes,
    windows_around_segments,
)
from segdata.testing.pictures import Mask, masks_of_runs
from tests.memory import Memory, make_batch, profile_of

Rng = np.random.Generator
SEEDS = range(25)
PROFILE = profile_of(Taxonomy(categories=(Category(id=1, name="car"), Category(id=2, name="bus"))), files="/d")


def batch_of(
    sizes: list[tuple[int, int]], segments: list[tuple[int, int, Mask]], names: list[str] | None = None
) -> Batch:
    """Images of (height, width) with one annotation each; segments are (image, category, mask), sorted by image."""
    images = [
        {"image_id": names[k] if names else f"{k}.png", "height": high, "width": wide}
        for k, (high, wide) in enumerate(sizes)
    ]
    return make_batch(images, [(k, None) for k in range(len(sizes))], segments)


def random_batch(rng: Rng, n_images: int = 3, n_segments: int = 6) -> Batch:
    sizes = [(int(rng.integers(1, 8)), int(rng.integers(1, 8))) for _ in range(n_images)]
    images = sorted(rng.integers(0, n_images, n_segments).tolist())
    return batch_of(sizes, [(k, int(rng.integers(1, 3)), random_mask(rng, sizes[k])) for k in images])


def random_mask(rng: Rng, size: tuple[int, int]) -> Mask:
    mask = np.zeros(size, bool)
    if rng.random() < 0.85:
        top, left = int(rng.integers(size[0])), int(rng.integers(size[1]))
        mask[top : top + int(rng.integers(1, 5)), left : left + int(rng.integers(1, 5))] = True
        mask &= rng.random(size) < rng.choice([0.4, 1.0])
    return mask


def rows(windows: Windows) -> list[tuple[int, ...]]:
    sides = (windows.image, windows.x, windows.y, windows.width, windows.height)
    return [tuple(int(side[k]) for side in sides) for k in range(len(windows))]


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_lie_where_loops_put_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch = random_batch(rng)
    sizes = [(row["height"], row["width"]) for row in batch.images.to_pylist()]
    x, y, width, height = (int(rng.integers(low, 7)) for low in (0, 0, 1, 1))
    expected = [
        (k, x, y, min(x + width, wide) - x, min(y + height, high) - y)
        for k, (high, wide) in enumerate(sizes) if x < wide and y < high
    ]  # fmt: skip
    found = fixed_window(x, y, width, height)(batch)
    assert (rows(found), found.sized) == (expected, False)
    margin, categories = int(rng.integers(0, 3)), [None, [1], [2], [1, 2], []][int(rng.integers(5))]
    around = set()
    for k, mask in enumerate(masks_of_runs(batch.runs, *batch.segment_size)):
        image, category = int(batch.segment_image[k]), batch.segments["category_id"][k].as_py()
        if mask.any() and (categories is None or category in categories):
            high, wide = sizes[image]
            down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            left, top = max(int(across[0]) - margin, 0), max(int(down[0]) - margin, 0)
            right, bottom = min(int(across[-1]) + 1 + margin, wide), min(int(down[-1]) + 1 + margin, high)
            around.add((image, left, top, right - left, bottom - top))
    found = windows_around_segments(categories, margin)(batch)
    assert (rows(found), found.sized) == (sorted(around), True)
    first, count = found.of_images(len(sizes))
    assert count.tolist() == [sum(row[0] == k for row in around) for k in range(len(sizes))]
    assert first.tolist() == [sum(row[0] < k for row in around) for k in range(len(sizes))]
    pieces = cut_windows(batch, found, window_prefixes(batch.images["image_id"].to_pylist()))
    assert pieces.images["image_id"].to_pylist() == [
        f"{k}_x{x:05d}_y{y:05d}_w{width:05d}_h{height:05d}.png" for k, x, y, width, height in sorted(around)
    ]
    whole = masks_of_runs(batch.runs, *batch.segment_size)
    cut = []
    for n, (k, x, y, width, height) in enumerate(sorted(around)):
        for row in np.flatnonzero(batch.segment_image == k).tolist():
            piece = whole[row][y : y + height, x : x + width]
            if piece.any() or (not whole[row].any() and n == int(first[k])):
                cut.append((n, row, piece.tobytes()))
    found_pieces = zip(
        pieces.segment_image.tolist(), pieces.segments["segment_id"].to_pylist(),
        masks_of_runs(pieces.runs, *pieces.segment_size), strict=True,
    )  # fmt: skip
    assert [(n, row, piece.tobytes()) for n, row, piece in found_pieces] == cut


@pytest.mark.parametrize(
    ("width", "height", "overlap", "told"),
    [
        (4.0, 4, 0, "the width of tiles must be a whole number of pixels, it is 4.0"),
        (4, "4", 0, "the height of tiles must be a whole number of pixels, it is '4'"),
        (4, 4, 0.5, "the overlap of tiles must be"),
        (4, 4, -1, "tiles of 4x4 pixels cannot overlap by -1"),
        (4, 3, 3, "tiles of 4x3 pixels cannot overlap by 3"),
        (3, 4, 3, "tiles of 3x4 pixels cannot overlap by 3"),
        (0, 4, 0, "tiles of 0x4 pixels cannot overlap by 0"),
    ],
)
def test_tiles_that_cannot_be(width: Any, height: Any, overlap: Any, told: str) -> None:
    with pytest.raises(SegdataError) as caught:
        tile_windows(width, height, overlap)
    assert told in str(caught.value)


def test_images_without_pixels_have_no_tiles() -> None:
    batch = batch_of([(0, 3), (2, 0), (2, 3)], [])
    assert rows(tile_windows(2, 2, 1)(batch)) == [(2, 0, 0, 2, 2), (2, 1, 0, 2, 2)]
    assert rows(tile_windows(np.int64(9), 9, 0)(batch)) == [(2, 0, 0, 3, 2)]  # type: ignore[arg-type]  # a whole number


def random_tiles(rng: Rng, n_images: int) -> tuple[list[Tile], np.ndarray, np.ndarray]:
    """Tiles of images in a grid whose steps are up to two pixels more or less than a tile's side."""
    tiles, widths, heights = [], [], []
    for image in range(n_images):
        sides = []
        for _ in "xy":
            length, starts = int(rng.integers(2, 6)), [int(rng.integers(0, 3))]
            for _ in range(int(rng.integers(0, 3))):
                starts.append(starts[-1] + max(1, length + int(rng.integers(-length, 2))))
            sides.append((length, starts))
        (width, xs), (height, ys) = sides
        places = [(x, y) for x in xs for y in ys]
        for k in rng.permutation(len(places)):
            tiles.append(Tile(f"i{image}", *places[k], xs[-1] + width, ys[-1] + height))
            widths.append(width)
            heights.append(height)
    return tiles, np.array(widths), np.array(heights)


def own_spans(starts: list[int], length: int) -> dict[int, tuple[int, int]]:
    """Of each start: from where to where its tile owns the pixels; an overlap is divided in the middle."""
    low, high = {start: start for start in starts}, {start: start + length for start in starts}
    for one, other in pairwise(sorted(set(starts))):
        if other < one + length:
            high[one] = low[other] = (one + length + other) // 2
    return {start: (low[start], high[start]) for start in starts}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_pixel_is_that_of_one_tile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiles, width, height = random_tiles(rng, 2)
    found = TilePlaces.from_tiles(tiles, width, height)
    assert (found.x.tolist(), found.y.tolist()) == ([tile.x for tile in tiles], [tile.y for tile in tiles])
    for k, tile in enumerate(tiles):
        same = [other for other in tiles if other.of == tile.of]
        across = own_spans([other.x for other in same], int(width[k]))[tile.x]
        down = own_spans([other.y for other in same], int(height[k]))[tile.y]
        assert (found.left[k], found.right[k], found.top[k], found.bottom[k]) == (*across, *down)
    some = rng.permutation(len(tiles))[:2]
    assert found.take(some).bottom.tolist() == found.bottom[some].tolist()
    assert len(TilePlaces.from_tiles([], np.empty(0, int), np.empty(0, int)).x) == 0


@pytest.mark.parametrize("seed", range(40))
def test_pieces_are_one_segment_if_they_share_half_of_what_either_has(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiles, width, height = random_tiles(rng, 2)
    places = TilePlaces.from_tiles(tiles, width, height)
    high, wide = 40, 40
    drawn = rng.random((2, 3, high, wide)) < 0.8
    segments: list[tuple[int, int, Mask]] = []
    for k, tile in enumerate(tiles):
        for _ in range(int(rng.integers(0, 3))):
            source = drawn[int(tile.of[1]), int(rng.integers(3))]
            mask = source[tile.y : tile.y + int(height[k]), tile.x : tile.x + int(width[k])].copy()
            mask &= rng.random(mask.shape) < rng.choice([0.7, 1.0])
            segments.append((k, int(rng.integers(1, 3)), mask))
    sizes = list(zip(height.tolist(), width.tolist(), strict=True))
    batch = batch_of(sizes, segments)
    image = np.array([int(tile.of[1]) for tile in tiles], np.int64)
    placed = np.zeros((len(segments), high, wide), bool)
    inside = np.zeros((len(segments), high, wide), bool)
    for row, (k, _, mask) in enumerate(segments):
        y, x = tiles[k].y, tiles[k].x
        placed[row, y : y + sizes[k][0], x : x + sizes[k][1]] = mask
        inside[row, y : y + sizes[k][0], x : x + sizes[k][1]] = True
    group = list(range(len(segments)))
    for a, b in combinations(range(len(segments)), 2):
        (tile_a, category_a, _), (tile_b, category_b, _) = segments[a], segments[b]
        both = inside[a] & inside[b]
        shared, either = (placed[a] & placed[b]).sum(), ((placed[a] | placed[b]) & both).sum()
        may = image[tile_a] == image[tile_b] and tile_a != tile_b and category_a == category_b
        if may and shared and 2 * shared >= either:
            group = [group[a] if number == group[b] else number for number in group]
    annotation = image[batch.segment_annotation]
    found = link_by_overlap(batch, places, annotation)
    assert [found.tolist().index(number) for number in found.tolist()] == [group.index(number) for number in group]
    # Stitched: of each group the pixels that are its tiles' own.
    images = batch_of([(high, wide)] * 2, []).images
    back = stitch(batch, places, images, image, link_by_overlap)
    back.runs.checked(*back.segment_size)
    expected: dict[tuple[int, int], Mask] = {}
    for row, (k, _, _) in enumerate(segments):
        own = np.zeros((high, wide), bool)
        own[places.top[k] : places.bottom[k], places.left[k] : places.right[k]] = True
        key = int(image[k]), group.index(group[row])
        expected[key] = expected.get(key, np.zeros((high, wide), bool)) | (placed[row] & own)
    masks = masks_of_runs(back.runs, *back.segment_size)
    read = sorted(
        (int(of), mask.tobytes()) for of, mask in zip(back.segment_image, masks, strict=True)
    )  # fmt: skip
    assert read == sorted((of, mask.tobytes()) for (of, _), mask in expected.items())


def test_nothing_is_linked_where_nothing_is() -> None:
    empty = batch_of([(2, 2)], [])
    places = TilePlaces.from_tiles([Tile("a", 0, 0, 2, 2)], np.array([2]), np.array([2]))
    assert link_by_overlap(empty, places, np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_stitched_images_and_the_work_of_their_annotators(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiles, width, height = random_tiles(rng, 2)
    n = len(tiles)
    order = rng.permutation(n)  # tiles of one image need not follow each other
    tiles, width, height = [tiles[k] for k in order], width[order], height[order]
    who = [[None, "ann"][int(rng.integers(2))] for _ in range(n)]
    seconds = [[None, 1.5, 4.0][int(rng.integers(3))] for _ in range(n)]
    names = [f"t{k}.png" for k in range(n)]
    full = [(k, 1, np.ones((int(height[k]), int(width[k])), bool)) for k in range(n)]
    batch = batch_of(list(zip(height.tolist(), width.tolist(), strict=True)), full, names)
    annotations = replace_column(replace_column(batch.annotations, "annotator", who), "seconds", seconds)
    metadata = [[("k", str(k)), ("tile", "old"), tile.entry(), ("z", "1")] for k, tile in enumerate(tiles)]
    batch = replace(batch, annotations=annotations, images=replace_column(batch.images, "metadata", metadata))
    source = Memory(PROFILE, batch, 3)
    defects = (Defect("SEG005", "", image="t0.png"), Defect("SEG006", ""))
    load = source.load
    object.__setattr__(source, "load", lambda rows: replace(load(rows), defects=defects))
    known = {
        f"t{k}.jpg": (replace_tile(tile, uri=f"/{tile.of}", frame=3), int(width[k]), int(height[k]))
        for k, tile in enumerate(tiles)
    }  # fmt: skip
    whole = stitch_dataset(OpenDataset(source, PROFILE, Config()), known, "id", "HINT").source
    assert list(whole.image_ids) == ["i0", "i1"]
    assert np.concatenate(whole.chunks()).tolist() == [0, 1]
    found = whole.load(np.array([1, 0]))
    first = {of: next(k for k, tile in enumerate(tiles) if tile.of == of) for of in ("i0", "i1")}
    assert found.images.select(["image_id", "width", "height", "uri", "frame", "metadata"]).to_pylist() == [
        {
            "image_id": of, "width": tiles[first[of]].width, "height": tiles[first[of]].height, "uri": f"/{of}",
            "frame": 3, "metadata": [("k", str(first[of])), ("tile", "old"), ("z", "1")],
        }
        for of in ("i1", "i0")
    ]  # fmt: skip
    expected = []
    for of in ("i1", "i0"):
        for person in (None, "ann"):
            rows_of = [k for k in range(n) if tiles[k].of == of and who[k] == person]
            told = [seconds[k] for k in rows_of if seconds[k] is not None]
            if rows_of:
                expected.append((person, sum(told) if told else None))
    assert [(row["annotator"], row["seconds"]) for row in found.annotations.to_pylist()] == expected
    assert [defect.image for defect in found.defects] == [tiles[0].of, None]
    with pytest.raises(SegdataError, match=r"^/d: nothing says what 't1.png' is a tile of; HINT$"):
        stitch_dataset(OpenDataset(source, PROFILE, Config()), {"t0.png": known["t0.jpg"]}, "id", "HINT")


def replace_tile(tile: Tile, **fields: Any) -> Tile:  # Any: of each field's type
    names = ("of", "x", "y", "width", "height")
    return Tile(**{name: getattr(tile, name) for name in names} | fields)


def test_windows_of_a_part_of_a_dataset_in_its_portions() -> None:
    full = [(k, 1, np.ones((2, 3), bool)) for k in range(4)]
    batch = batch_of([(2, 3)] * 4, full, ["a.png", "b.png", "c.png", "d.png"])
    batch = replace(batch, images=replace_column(batch.images, "uri", ["/a", "/b", "/c", "/d"]))
    data = OpenDataset(Memory(PROFILE, batch, 2), PROFILE, Config(), rows=np.array([0, 3, 2]))
    cut = cut_dataset(data, tile_windows(2, 2, 0), crop=False)
    assert cut.rows is None
    assert list(cut.source.image_ids) == ["a_x", "d_x", "c_x"]
    assert [rows.tolist() for rows in cut.source.chunks()] == [[0], [2, 1]]
    found = cut.source.load(np.array([2]))
    assert found.images["image_id"].to_pylist() == ["c_x00000_y00000.png", "c_x00001_y00000.png"]
    assert found.images["uri"].to_pylist() == [None, None]
    crops = cut_dataset(data, tile_windows(2, 2, 0), crop=True).source.load(np.array([1]))
    assert crops.images["uri"].to_pylist() == ["/d", "/d"]


@pytest.mark.parametrize(("names", "refused"), [
    (["a.png", "a_x1.png"], True), (["a.png", "a_y.png"], False), (["a_x.png", "a.png", "a_x.jpg"], True),
    (["a.png", "b_x.png"], False), (["a.png", "a0.png", "a_x_x.png"], True),
])  # fmt: skip
def test_an_image_that_is_named_as_a_window_of_another(names: list[str], refused: bool) -> None:
    data = OpenDataset(Memory(PROFILE, batch_of([(1, 1)] * len(names), [], names)), PROFILE, Config())
    if not refused:
        cut_dataset(data, tile_windows(1, 1, 0), crop=False)
        return
    with pytest.raises(SegdataError, match=r"is named as a window of 'a.png'; rename it, or leave one out \(--list\)"):
        cut_dataset(data, tile_windows(1, 1, 0), crop=False)


@pytest.mark.parametrize(
    ("image_id", "size", "expected"),
    [
        ("a/b.tif", None, "p_x00012_y00345.tif"), ("a/b.TIFF", (7, 65), "p_x00012_y00345_w00007_h00065.tif"),
        ("a/b.jpg", (7, 123456), "p_x00012_y00345_w00007_h123456.png"), ("a.tif/b", None, "p_x00012_y00345.png"),
    ],
)  # fmt: skip
def test_names_of_windows(image_id: str, size: tuple[int, int] | None, expected: str) -> None:
    assert window_name(image_id, {image_id: "p"}, 12, 345, size) == expected


def test_a_window_says_what_its_image_said() -> None:
    """The last entry of the metadata counts; one that is damaged, or none, says nothing."""
    tile = Tile("a.png", 3, 4, 50, 60, "/a", "h", "s", 7, "g")
    assert read_tile([("tile", "{}"), ("k", "v"), tile.entry(), ("z", "")]) == tile
    assert read_tile([tile.entry(), ("tile", "{")]) is None
    assert read_tile([("k", "v")]) is None
    assert read_tile(None) is None
    batch = batch_of([(2, 3)], [], ["a.png"])
    row = {"uri": "/a", "sha256": "h", "sequence": "s", "frame": 7, "metadata": [("k", "v")]}
    for group in (None, "g"):
        images = batch.images
        for name, value in {**row, "group": group}.items():
            images = replace_column(images, name, [value])
        cut = cut_windows(replace(batch, images=images), fixed_window(1, 0, 2, 2)(batch), {"a.png": "a"})
        (found,) = cut.images.to_pylist()
        assert {name: found[name] for name in row} == {
            "uri": "/a", "sha256": None, "sequence": None, "frame": None, "metadata": [
                ("k", "v"), Tile("a.png", 1, 0, 3, 2, "/a", "h", "s", 7, group).entry()],
        }  # fmt: skip
        assert (found["group"], found["width"], found["height"]) == (group or "s", 2, 2)
