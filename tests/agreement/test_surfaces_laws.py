"""Laws of boundary agreement: what turning, moving, swapping and batching change, and what not."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segdata.agreement.instance_matching import instance_tables
from segdata.agreement.paired_segments import pair_annotators
from segdata.testing.pictures import masks_of_runs
from tests.agreement.dense_boundaries import assd, assert_like, blobs, measured, nsd, one, only
from tests.generators.panels import Panel, panel_of_masks


def transformed(panel: Panel, how: Any) -> Panel:
    """The same panel with every mask turned or mirrored."""
    height, width = panel.batch.segment_size
    masks = masks_of_runs(panel.batch.runs, height, width)
    sizes = [
        how(np.zeros(size, bool)).shape
        for size in zip(*(each.tolist() for each in panel.batch.image_size), strict=True)
    ]
    layers: list[list[Any]] = [[None] * len(sizes) for _ in panel.annotators]
    who = [panel.annotators.index(name) for name in panel.batch.annotations["annotator"].to_pylist()]
    for annotation, image in enumerate(panel.batch.annotation_image.tolist()):
        layers[who[annotation]][image] = []
    for annotation, code, mask in zip(
        panel.batch.segment_annotation.tolist(), panel.batch.segments["category_id"].to_pylist(), masks, strict=True
    ):
        layers[who[annotation]][panel.batch.annotation_image[annotation]].append((code - 1, how(mask)))
    return panel_of_masks(sizes, layers, [each.kind for each in panel.categories])


@settings(max_examples=30)
@given(panel=blobs(), how=st.sampled_from([np.transpose, np.flipud, np.fliplr]))
def test_nothing_depends_on_orientation_order_or_batch(panel: Panel, how: Any) -> None:
    """Pictures may be turned or mirrored and measured one by one; who comes first only turns the offset."""
    found = measured(only(panel))
    who_comes_first_only_turns_the_offset(panel)
    a_batch_is_as_its_images_one_by_one(panel, found)
    turned = measured(only(transformed(panel, how)))
    assert len(found) == len(turned)
    for row, other in zip(found, turned, strict=True):
        assert_like(row, other)


def swap(name: str) -> str:
    return name[:-1] + {"a": "b", "b": "a"}[name[-1]] if name.endswith(("_a", "_b")) else name


def who_comes_first_only_turns_the_offset(panel: Panel) -> None:
    opposite = only(panel)
    matches = instance_tables(opposite)["matches"]
    swapped = {"a": matches["b"], "b": matches["a"]}
    for row, other in zip(measured(opposite, matches), measured(opposite.swap, swapped), strict=True):
        turned = {swap(name): value for name, value in other.items()}
        assert_like(row, turned | {"offset": -other["offset"]})


@settings(max_examples=15)
@given(panel=blobs(void=False))
def test_the_same_drawn_twice(panel: Panel) -> None:
    opposite = only(panel)
    for row in measured(replace(opposite, b=opposite.a)):
        assert nsd(row) == 1
        assert row["band_both"] == row["band_any"]
        assert (row["hd"], row["hd95"], assd(row)) == (0, 0, 0)
        assert row["offset"] == 0 or np.isnan(row["offset"])


@settings(max_examples=10)
@given(x=st.integers(0, 30), y=st.integers(0, 30))
def test_where_a_pair_lies_changes_nothing(x: int, y: int) -> None:
    rng = np.random.default_rng(3)
    shapes = [ndimage.gaussian_filter(rng.normal(size=(60, 50)), 4) > 0 for _ in range(2)]
    rows = []
    for left, top in ((0, 0), (x, y)):
        masks = []
        for shape in shapes:
            masks.append(np.zeros((190, 180), bool))
            masks[-1][50 + top : 110 + top, 50 + left : 100 + left] = shape
        rows.append(one(*masks))
    assert_like(*rows)


def a_batch_is_as_its_images_one_by_one(panel: Panel, together: list[dict[str, float]]) -> None:
    alone = []
    for image in range(3):
        single = replace(panel, batch=panel.batch.take_images(np.array([image])))
        opposite = next(pair_annotators(single))
        alone += [row | {"pair": image} for row in measured(opposite)]
    assert len(together) == len(alone)
    for row, other in zip(together, alone, strict=True):
        assert_like(row, other)
