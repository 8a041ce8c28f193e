"""What rules leave out, and the four sides of a frame: each kind of segment, even and odd sizes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, find_rule
from segdata.core.table import Table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from segdata.rules.displaced_labels import _beyond_picture
from tests.generators.sequences import sequence_dataset
from tests.memory import Memory, make_batch
from tests.rules.campaigns import with_tables
from tests.rules.scenes import complete
from tests.rules.test_dataset_statistics import counts, with_splits
from tests.rules.test_rules_by_loops import CAR, images, scattered

Labels = NDArray[np.int64]
NOTHING_DRAWN = {
    "pairs": Table({name: np.zeros(0, np.int64) for name in ("a", "b", "shared")}),
    "outlines": Table({name: np.zeros(0, np.int64) for name in ("segment", "rings")}),
}


def check(code: str, tables: Tables, **options: Any) -> list[RowFinding]:  # Any: options of all types
    return list(find_rule(code).check(tables, **options))


def renamed(tables: Tables, *categories: Category) -> Tables:
    """With another taxonomy."""
    return replace(tables, profile=replace(tables.profile, taxonomy=Taxonomy(categories=categories)))


@pytest.mark.parametrize(("name", "n"), [("9" * 5000, 0), ("0" * 5000, 1)], ids=["large", "zeros"])
def test_a_category_whose_name_is_a_number_of_5000_digits(name: str, n: int) -> None:
    """SEG215 compares such numbers with the number of classes; Python converts 4,300 digits at most."""
    tables = complete(counts([[1, 1, 0, 0]] * 2 + [[0, 0, 1, 1]] * 2))
    ids = [each.id for each in tables.profile.taxonomy.categories]
    named = [Category(id=id_, name=each) for id_, each in zip(ids, (name, "1", "cat", "dog"), strict=False)]
    tables = renamed(tables, *named)
    found = check("SEG215", replace(tables, profile=replace(tables.profile, task="instance")))
    assert len([each for each in found if "numbers for names" in each.message]) == n


@pytest.mark.parametrize("size", [(20, 20), (20, 21), (21, 20), (21, 21)])
def test_a_stray_pixel_at_each_side_of_the_frame(size: tuple[int, int]) -> None:
    """The frame may have cut it; one pixel from the frame it is stray."""
    height, width = size
    for y, x in [(0, 9), (height - 1, 9), (9, 0), (9, width - 1), (1, 9), (height - 2, 9), (9, 1), (9, width - 2)]:
        labels = np.zeros((1, height, width), np.int64)
        labels[0, 5:15, 5:15] = 1
        labels[0, 3:17, 9] = labels[0, 9, 3:17] = 0
        labels[0, y, x] = 1
        tables = measure_source(sequence_dataset(labels, task="semantic"), find_rule("SEG106").needs, jobs=1)
        inside = 0 < y < height - 1 and 0 < x < width - 1
        assert len(check("SEG106", tables)) == inside, (y, x)


@pytest.mark.parametrize("seed", range(6))
def test_holes_that_nothing_fills_as_scipy_labels_them(seed: int) -> None:
    """Pixels without a segment that touch at a corner are one hole."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((1, 24, 25 + seed)) > 0.2).astype(np.int64)
    tables = measure_source(sequence_dataset(labels, task="semantic"), find_rule("SEG107").needs, jobs=1)
    regions, n = ndimage.label(labels[0] == 0, np.ones((3, 3)))
    rim = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    areas = [int((regions == region).sum()) for region in range(1, n + 1) if region not in rim]
    assert sorted(tables.holes["area"].tolist()) == sorted(areas)
    assert tables.holes["empty"].all()


@pytest.mark.parametrize(("kind", "n"), [("thing", 2), ("stuff", 0)])
def test_only_things_are_counted(kind: str, n: int) -> None:
    """How many pieces of grass an image has means nothing."""
    usual = [[n, 0, 0, 0] for n in (38, 40, 41, 42, 44, 39, 37, 45, 40, 41, 43, 40)]
    tables = complete(counts([*usual, [400, 0, 0, 0], [2, 0, 0, 0]]))
    categories = [msgspec.structs.replace(each, kind=kind) for each in tables.profile.taxonomy.categories]
    assert len(check("SEG308", renamed(tables, *categories))) == n


@pytest.mark.parametrize("crowds", [(False, False), (True, False), (False, True), (True, True)])
def test_a_crowd_is_no_duplicate(crowds: tuple[bool, bool]) -> None:
    """A region of many things may cover what another one covers."""
    mask = np.zeros((20, 20), bool)
    mask[4:12, 5:15] = True
    batch = make_batch([{"image_id": "a", "width": 20, "height": 20}], [(0, None)], [(0, 1, mask), (0, 1, mask)],
                       iscrowd=crowds)  # fmt: skip
    profile = replace(sequence_dataset(mask[None].astype(np.int64), task="instance").profile, sequences=())
    tables = measure_source(Memory(profile, batch), find_rule("SEG104").needs, jobs=1)
    assert len(check("SEG104", tables)) == (not any(crowds))


@pytest.mark.parametrize(("size", "n"), [((0, 0), 0), ((1, 1), 1), ((3, 2), 1)])
def test_images_of_unknown_size_are_not_filled(size: tuple[int, int], n: int) -> None:
    tables = images(4, 3, 2)
    sides = {name: np.full(4, side) for name, side in zip(("width", "height"), size, strict=True)}
    segments = scattered(np.random.default_rng(0), tables, 4, (CAR,)).segments
    row = np.arange(4)
    segments = segments.beside(annotation=row, image=row, area=np.full(4, size[0] * size[1]))
    assert len(check("SEG129", replace(tables, images=tables.images.beside(**sides), segments=segments))) == n


@pytest.mark.parametrize("n_objects", [5, 6])
def test_crowds_are_compared_with_just_as_many_objects_as_are_asked_for(n_objects: int) -> None:
    n = 3 + n_objects
    tables = scattered(np.random.default_rng(0), images(1, 9, 9), n, (CAR,))
    columns = {"iscrowd": np.arange(n) < 3, "area": np.array([10, 9, 11, *[10] * n_objects]), "parts": np.ones(n, int)}
    tables = with_tables(replace(tables, segments=tables.segments.beside(**columns)), **NOTHING_DRAWN)
    found = check("SEG121", tables, min_crowds=3, min_objects=6, max_share=0.4)
    assert [one.segments for one in found] == [(0, 1)] * (n_objects == 6)


@pytest.mark.parametrize("is_outlined", [False, True])
@pytest.mark.parametrize(
    ("parts", "small", "n_others", "n"),
    [(2, 3, 1, 1), (1, 3, 1, 0), (2, 2, 1, 0), (2, 3, 2, 0)],
    ids=["set for the parts", "one part each", "as large as crowds", "objects have parts, too"],
)
def test_objects_of_several_parts_are_no_crowds(
    parts: int, small: int, n_others: int, n: int, is_outlined: bool
) -> None:
    """Eleven crowds beside 40 objects, whose outlines say in how many parts they were drawn."""
    tables = scattered(np.random.default_rng(0), images(1, 9, 9), 51, (CAR,))
    is_crowd = np.arange(51) < 11
    columns = {
        "iscrowd": is_crowd,
        "area": np.where(is_crowd & (np.arange(51) >= small), 60, 10),
        "parts": np.where(is_crowd, parts, 1 + (np.arange(51) >= 51 - n_others)),
    }
    tables = with_tables(replace(tables, segments=tables.segments.beside(**columns)), **NOTHING_DRAWN)
    outlines = Table({"segment": np.flatnonzero(~is_crowd), "rings": columns["parts"][~is_crowd]})
    if is_outlined:  # pixels of one ring may fall apart
        tables = with_tables(tables, outlines=outlines)
        columns["parts"] = np.where(is_crowd, parts, 2)
        tables = replace(tables, segments=tables.segments.beside(**columns))
    found = check("SEG121", tables)
    total = 11 + n_others
    words = f"set on 11 of {total} segments of several parts, of which 3 are no larger than a typical object"
    assert [words in one.message for one in found] == [True] * n


@pytest.mark.parametrize("seed", range(12))
def test_outlines_far_beyond_their_picture(seed: int) -> None:
    """By more than a quarter of its longer side: two or more, and a fifth of those of the image."""
    rng = np.random.default_rng(seed)
    tables = scattered(rng, images(4, 20, 40), 30, (CAR,))
    tables = replace(tables, images=tables.images.beside(width=np.array([20, 20, 80, 20])))
    overshoot = rng.choice([0.0, 9.0, 10.0, 10.5, 20.0, 21.0], 30, p=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    segment = np.concatenate([rng.permutation(30)[:20], rng.integers(0, 30, 10)])
    found = _beyond_picture(with_tables(tables, outlines=Table({"segment": segment, "overshoot": overshoot})))
    expected = []
    for row in range(4):
        own = [far for k, far in zip(segment, overshoot, strict=True) if tables.segments["annotation"][k] == row]
        beyond = [far for far in own if far > (20 if row == 2 else 10)]
        if len(beyond) >= max(2, 0.2 * len(own)):
            expected.append((row, max(beyond)))
    assert list(zip(found["annotation"].tolist(), found["overshoot"].tolist(), strict=True)) == expected


@pytest.mark.parametrize("task", ["instance", "semantic"])
@pytest.mark.parametrize("seed", range(6))
def test_how_far_the_mix_of_a_split_is_from_the_others(seed: int, task: Any) -> None:
    """Segments are counted, of semantic data pixels; images that have nothing count in no split, nor those without."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, (12, 4))
    tables = counts(rows.tolist())
    area, names = rng.integers(1, 9, len(tables.segments)), ["train"] * 6 + ["val"] * 3 + ["test"] * 2
    tables = with_splits(replace(tables, segments=tables.segments.beside(area=area)), [*names, None])
    tables = replace(tables, profile=replace(tables.profile, task=task))
    amounts: dict[str, Counter[str]] = {name: Counter() for name in ("train", "val", "test")}
    for image, category, pixels in tables.segments.lines("image", "category_id", "area"):
        if image < 11:
            amounts[names[image]][tables.profile.name_of(category)] += pixels if task == "semantic" else 1
    used = {name for mix in amounts.values() for name in mix}
    found = check("SEG306", tables, min_distance=-1.0, rate=1.0)
    assert [one.message.split("'")[1] for one in found] == sorted(amounts)
    for one, split in zip(found, sorted(amounts), strict=True):
        own, rest = amounts[split], sum((mix for name, mix in amounts.items() if name != split), Counter())
        apart = {name: own[name] / own.total() - rest[name] / rest.total() for name in used}
        distance = sum(map(abs, apart.values())) / 2
        assert f"of {split!r} differs by {distance:.0%} from that of the others (by chance" in one.message
        largest = max(apart, key=lambda name: abs(apart[name]))
        assert abs(apart[str(one.category)]) == pytest.approx(abs(apart[largest]))
        shares = (mix[str(one.category)] / mix.total() for mix in (own, rest))
        shown = f"{one.category} " + " against ".join(f"{share:.1%}" for share in shares)
        assert one.message.partition("): ")[2].startswith(shown)
        assert one.message.count(" against ") == min(3, len(used))
