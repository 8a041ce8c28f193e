"""Difference hashes: the same for a picture saved again, far apart for others; the nearest found as by brute force."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segdata.core.statistics import linked_groups
from segdata.core.table import Table
from segdata.measure.tables import duplicates as module
from segdata.measure.tables.duplicates import (
    BITS,
    MAX_DIFFERING_BITS,
    _nearest_hashes,
    difference_hash,
    differing_bits,
    find_lookalikes,
    similar_images,
)


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 200, (9, 12, 3), np.uint8))
    return blobs.resize(size, Image.Resampling.BICUBIC)


def bits_between(one: Path, other: Path) -> int:
    a, b = difference_hash(str(one)), difference_hash(str(other))
    assert a is not None
    assert b is not None
    return int(differing_bits(a, b))


@pytest.mark.parametrize("seed", range(6))
def test_a_picture_saved_again_is_alike_and_others_are_not(tmp_path: Path, seed: int) -> None:
    original = picture(seed)
    brighter = Image.fromarray(np.asarray(original) + np.uint8(40))
    original.save(tmp_path / "a.png")
    picture(seed + 100).save(tmp_path / "other.png")
    for name, image, options in (
        ("jpeg.jpg", original, {"quality": 50}),
        ("brighter.jpg", brighter, {"quality": 85}),
        ("half.png", original.resize((160, 120), Image.Resampling.BICUBIC), {}),
        ("grey.png", original.convert("L"), {}),
    ):
        image.save(tmp_path / name, **options)
        assert bits_between(tmp_path / "a.png", tmp_path / name) <= MAX_DIFFERING_BITS
    assert bits_between(tmp_path / "a.png", tmp_path / "other.png") > 4 * MAX_DIFFERING_BITS


def test_deep_images_are_hashed_and_plain_and_broken_ones_are_not(tmp_path: Path) -> None:
    deep = np.asarray(picture(0).convert("L")).astype(np.uint16) * 200
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture(0).convert("L").save(tmp_path / "grey.png")
    assert bits_between(tmp_path / "deep.png", tmp_path / "grey.png") == 0
    Image.new("RGB", (50, 50), (30, 30, 30)).save(tmp_path / "plain.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    for name in ("plain.png", "broken.png", "missing.png"):
        assert difference_hash(str(tmp_path / name)) is None


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_the_nearest_are_those_of_brute_force(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    models = rng.integers(0, 256, (3, 32), np.uint8)
    noise = np.packbits(rng.random((n, 256)) < 0.03, axis=1)
    looks, part = models[rng.integers(0, 3, n)] ^ noise, rng.integers(0, 2, n)
    expected = set()
    for later in range(n):
        bits = np.unpackbits(looks[:later] ^ looks[later], axis=1).sum(axis=1)
        for others in (np.arange(later), np.flatnonzero(part[:later] != part[later])):
            if len(others) and bits[others].min() <= MAX_DIFFERING_BITS:
                nearest = others[bits[others].argmin()]
                expected.add((int(nearest), later, int(bits[nearest])))
    hashes = np.stack([looks, np.full_like(looks, 255)], axis=1)  # nowhere flat
    assert _nearest_hashes(hashes, part) == sorted(expected)


def test_of_very_many_images_only_equal_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(1).save(tmp_path / "a.png")
    picture(1).save(tmp_path / "b.png", compress_level=1)
    picture(1).save(tmp_path / "c.png")
    columns = {
        "uri": [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")],
        "content": ["x", None, "x"],
        "part": ["train", "val", "val"],
        "sequence": [None, None, None],
    }
    images = Table({name: np.array(values, object) for name, values in columns.items()})
    assert {0, 1} == set(similar_images(images, 1)["same"].tolist())
    monkeypatch.setattr(module, "MAX_COMPARED_IMAGES", 2)
    assert similar_images(images, 1)["same"].tolist() == [1]


def table_of(uris: list[str | None]) -> Table:
    n = len(uris)
    columns = {name: np.full(n, None, object) for name in ("sequence", "split", "content", "part")}
    columns["part"][:] = [("a", "b")[row % 2] for row in range(n)]
    return Table({"image_id": np.array([str(n) for n in range(n)], object), "uri": np.array(uris, object), **columns})


def groups(pairs: NDArray[np.int64]) -> list[int]:
    """A number for each of 20 rows, the same for linked ones."""
    return linked_groups(20, *pairs.T).tolist()


def test_all_that_are_alike_are_linked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    uris: list[str | None] = []
    for number in range(4):
        blobs = Image.fromarray(rng.integers(0, 200, (9, 12, 3), np.uint8)).resize((80, 60), Image.Resampling.BICUBIC)
        for again in range(3):
            path = tmp_path / f"{number}{again}.png"
            Image.fromarray(np.asarray(blobs) + np.uint8(9 * again)).save(path)
            uris.append(str(path))
    (tmp_path / "copy.png").write_bytes((tmp_path / "00.png").read_bytes())
    uris += [str(tmp_path / "copy.png"), str(tmp_path / "none.png"), None, None]
    looks = [None if uri is None else difference_hash(uri) for uri in uris]
    expected = {
        (a, b)
        for (a, one), (b, other) in combinations(enumerate(looks), 2)
        if one is not None and other is not None and differing_bits(one, other) <= MAX_DIFFERING_BITS
    }
    assert {(0, 1), (0, 2), (1, 2), (0, 12)} <= expected
    found = find_lookalikes(table_of(uris), jobs=2)
    assert {(int(a), int(b)) for a, b in found} <= expected
    assert groups(found) == groups(np.array(sorted(expected)))


def test_images_without_files_are_alike_to_none() -> None:
    table = table_of([None] * 5)
    assert find_lookalikes(table).tolist() == []
    assert similar_images(table, 1)["image"].tolist() == []


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 4), min_size=256, max_size=256))
def test_bits_count_where_either_picture_has_a_step(bits: list[tuple[int, int, int, int]]) -> None:
    columns = np.packbits(np.array(bits, np.uint8).T, axis=1)
    one, other = columns[:2], columns[2:]
    n_clear = sum(clear | other_clear for _, clear, _, other_clear in bits)
    n_differing = sum(step != other_step and bool(clear | other_clear) for step, clear, other_step, other_clear in bits)
    assert differing_bits(one, other) == math.ceil(n_differing * 256 / max(n_clear, 1))
    assert differing_bits(other, one) == differing_bits(one, other)


@pytest.mark.parametrize("shade", [0, 114, 255])
def test_other_pictures_in_the_same_padding_are_not_alike(tmp_path: Path, shade: int) -> None:
    """Where a small picture lies in wide padding, most bits of its hash tell nothing, and all of a smaller one."""
    uris: list[str | None] = []
    for number in range(8):
        padded = Image.new("RGB", (600, 600), (shade,) * 3)
        padded.paste(picture(number // 2, (330, 330)), (135, 135))
        uris.append(str(tmp_path / f"{number}.{('png', 'jpg')[number % 2]}"))
        padded.save(uris[-1])
    assert find_lookalikes(table_of(uris), jobs=1).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    Image.new("RGB", (600, 600), (shade,) * 3).save(tmp_path / "tiny.png")
    with Image.open(tmp_path / "tiny.png") as tiny:
        tiny.paste(picture(0, (120, 120)), (210, 210))
        tiny.save(tmp_path / "tiny.png")
    assert difference_hash(str(tmp_path / "tiny.png")) is None


@pytest.mark.parametrize("block", [2, 3, 100])
def test_looks_are_the_same_up_to_sixteen_bits(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bits = np.zeros((7, BITS), np.uint8)
    for row, n in enumerate((0, 16, 17, 0, 8, 240, 256)):
        bits[row, :n] = 1
    hashes = np.stack([bits, np.ones_like(bits)], axis=1)  # nowhere flat
    rows = np.array([1, 2, 4, 5, 7, 8, 9])  # the others cannot be decoded
    monkeypatch.setattr(module, "_difference_hashes", lambda images, jobs: (rows, np.packbits(hashes, axis=2)))
    monkeypatch.setattr(module, "_HASHES_AT_ONCE", block)
    expected = [(int(rows[a]), int(rows[b])) for a, b in combinations(range(7), 2) if (bits[a] != bits[b]).sum() <= 16]
    assert (1, 2) in expected
    found = find_lookalikes(table_of([None] * 10))
    assert {(a, b) for a, b in found.tolist()} <= set(expected)
    assert groups(found) == groups(np.array(expected))


def test_frames_of_a_still_scene_are_decoded_once_and_linked_with_few_comparisons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 drawings that are all alike took minutes: each of 125,000 pairs was decoded again."""
    blocks = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8).repeat(8, 0).repeat(8, 1)
    uris: list[str | None] = []
    for number in range(30):
        blocks[number, number] ^= 1  # no two files are equal
        uris.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(blocks).save(str(uris[-1]))
    decoded, compared = list[str](), list[None]()
    drawing_of, are_two_drawings = module._drawing_of, module._are_two_drawings
    monkeypatch.setattr(module, "_drawing_of", lambda uri: (decoded.append(uri), drawing_of(uri))[1])
    monkeypatch.setattr(
        module, "_are_two_drawings", lambda one, other: (compared.append(None), are_two_drawings(one, other))[1]
    )
    assert find_lookalikes(table_of(uris), jobs=1).tolist() == [[0, number] for number in range(1, 30)]
    assert len(decoded) == 30
    assert len(compared) == 29
