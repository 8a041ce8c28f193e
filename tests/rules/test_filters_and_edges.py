"""What rules leave out, and the four sides of a frame: each kind of segment, even and odd sizes."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from segdata.core.finding import RowFinding
from segdata.core.rule import Tables, find_rule
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.measure import measure_source
from tests.generators.sequences import sequence_dataset
from tests.memory import Memory, make_batch
from tests.rules.scenes import complete
from tests.rules.test_dataset_statistics import counts

Labels = NDArray[np.int64]


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
