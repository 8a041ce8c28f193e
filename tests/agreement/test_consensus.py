"""What a consensus is: what all say is so, nobody comes first, and every labelled pixel is decided or told."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.agreement.consensus import (
    ConsensusMethod,
    ReachedConsensus,
    RegionVote,
    reach_consensus,
    undecided_regions,
    voters,
)
from segdata.agreement.votes import collect_votes, pairwise_iou
from segdata.core.batch import replace_column
from segdata.core.errors import SegdataError
from segdata.core.overlay import SweepRuns
from segdata.core.runs import NumberLine
from segdata.testing.pictures import masks_of_runs
from tests.generators.panels import Panel, panel, panels

METHODS = [ConsensusMethod("majority"), ConsensusMethod("staple"), ConsensusMethod("instances")]
methods = st.sampled_from(METHODS)


def repeated(drawn: Panel, n: int) -> Panel:
    """The first annotator's work by n annotators."""
    own = drawn.select(np.array([each == "a" for each in drawn.batch.annotations["annotator"].to_pylist()], bool)).batch
    names = tuple("abcdef"[:n])
    n_own = own.annotations.num_rows
    annotations = pa.concat_tables([own.annotations] * n)
    order = np.argsort(np.tile(own.annotation_image, n), kind="stable")
    rank = np.argsort(order)
    segment = np.concatenate([rank[own.segment_annotation + k * n_own] for k in range(n)])
    by = np.argsort(segment, kind="stable")
    many = type(own)(
        own.images,
        replace_column(annotations, "annotator", np.repeat(names, n_own).tolist()).take(pa.array(order)),
        replace_column(pa.concat_tables([own.segments] * n), "annotation", segment.astype(np.int32)).take(pa.array(by)),
        own.runs.concatenate([own.runs] * n, [own.n_segments] * n).take(by, own.n_segments * n),
    )
    return Panel(many, names, drawn.categories)


def of(drawn: Panel, method: ConsensusMethod, **more: object) -> ReachedConsensus:
    return reach_consensus(drawn, method, **more)  # type: ignore[arg-type]  # options


def claims(batch_image: np.ndarray, code: np.ndarray, runs: object, height: np.ndarray, width: np.ndarray) -> Counter:  # type: ignore[type-arg]
    """(image, category, pixels of a segment) -> how often."""
    masks = masks_of_runs(runs, height, width)  # type: ignore[arg-type]
    rows = zip(batch_image.tolist(), code.tolist(), masks, strict=True)
    return Counter((image, each, mask.tobytes()) for image, each, mask in rows if mask.any())


def shown(found: ReachedConsensus, drawn: Panel) -> Counter:  # type: ignore[type-arg]
    height, width = (side[found.image] for side in drawn.batch.image_size)
    found.runs.checked(height, width)
    return claims(found.image, found.category, found.runs, height, width)


@settings(max_examples=30)
@given(panels(annotators=1, void=False), st.integers(2, 4))
def test_what_all_draw_alike_is_the_consensus(drawn: Panel, n: int) -> None:
    """Segment by segment for things, also where segments of an annotation share pixels."""
    same = repeated(drawn, n)
    found = of(same, ConsensusMethod("instances"))
    assert len(found.undecided.start) == 0
    segments = drawn.batch.segments
    code = segments["category_id"].to_numpy() - 1
    things = np.array([each.kind == "thing" for each in drawn.categories])[code]
    chosen = drawn.batch.take_segments(np.flatnonzero(things))
    wanted = claims(chosen.segment_image, code[things], chosen.runs, *chosen.segment_size)
    kept = found.track >= 0
    whole = Counter(
        {key: times for key, times in shown(found, drawn).items() if drawn.categories[key[1]].kind == "thing"}
    )
    assert set(whole) == set(wanted)
    assert kept.sum() == sum(wanted.values())
    assert (found.support[kept] == 1).all()
    np.testing.assert_allclose(found.iou[kept], 1)


@settings(max_examples=30)
@given(panels(annotators=1), methods, st.integers(2, 4))
def test_pixels_that_all_draw_alike_are_the_consensus(drawn: Panel, method: ConsensusMethod, n: int) -> None:
    """Of every category, also where categories overlap; STAPLE sees the segment on top alone, and void goes first."""
    same = repeated(drawn, n)
    found = of(same, method)
    assert len(found.undecided.start) == 0
    masks = {}
    for image, code, mask in zip(
        found.image.tolist(),
        found.category.tolist(),
        masks_of_runs(found.runs, *(side[found.image] for side in drawn.batch.image_size)),
        strict=True,
    ):
        masks[image, code] = masks.get((image, code), np.zeros_like(mask)) | mask
    batch = drawn.batch
    height, width = batch.image_size
    wanted, void = {}, [np.zeros(size, bool) for size in zip(height.tolist(), width.tolist(), strict=True)]
    listed = list(
        zip(
            batch.segment_image.tolist(),
            (batch.segments["category_id"].to_numpy() - 1).tolist(),
            masks_of_runs(batch.runs, *batch.segment_size),
            strict=True,
        )
    )
    for image, code, mask in listed:
        void[image] |= mask & (drawn.categories[code].kind == "void")
    for at, (image, code, mask) in enumerate(listed):
        if drawn.categories[code].kind != "void":
            mask = mask & ~void[image]
            if method.name == "staple":
                for of_image, _, above in listed[at + 1 :]:
                    mask = mask & ~above if of_image == image else mask
        wanted[image, code] = wanted.get((image, code), np.zeros_like(mask)) | mask
    assert {key for key, mask in wanted.items() if mask.any()} == set(masks)
    for key, mask in masks.items():
        np.testing.assert_array_equal(mask, wanted[key])


@settings(max_examples=25)
@given(panels(annotators=3), methods, st.permutations([0, 1, 2]), st.booleans())
def test_nobody_comes_first(drawn: Panel, method: ConsensusMethod, order: list[int], paint: bool) -> None:
    void = 3 if paint else None
    names = {each: drawn.annotators[order[k]] for k, each in enumerate(drawn.annotators)}
    batch = drawn.batch
    people = [names[each] for each in batch.annotations["annotator"].to_pylist()]
    renamed = type(batch)(
        batch.images, replace_column(batch.annotations, "annotator", people), batch.segments, batch.runs
    )
    one, other = (of(each, method, void=void) for each in (drawn, Panel(renamed, drawn.annotators, drawn.categories)))
    assert shown(one, drawn) == shown(other, drawn)
    np.testing.assert_allclose(np.sort(one.support), np.sort(other.support))


@settings(max_examples=30)
@given(panels(annotators=3), methods, st.sampled_from(["forbid", "allow"]))
def test_every_labelled_pixel_is_decided_or_told(drawn: Panel, method: ConsensusMethod, overlap: str) -> None:
    """Decided by a segment, by most who say that nothing is there, or without a consensus; void fills that."""
    found, filled = of(drawn, method, overlap=overlap), of(drawn, method, overlap=overlap, void=3)
    height, width = drawn.batch.image_size
    of_segments = [np.zeros(size, int) for size in zip(height.tolist(), width.tolist(), strict=True)]
    for image, mask in zip(
        found.image.tolist(), masks_of_runs(found.runs, height[found.image], width[found.image]), strict=True
    ):
        of_segments[image] += mask
    told = [np.zeros_like(each) for each in of_segments]
    frame, x, y = found.votes.line.lower(found.undecided.start)
    for i, n in enumerate(found.undecided.end - found.undecided.start):
        told[frame[i]][y[i] : y[i] + n, x[i]] += 1
    for segments, undecided in zip(of_segments, told, strict=True):
        assert undecided.max() <= 1
        assert not (undecided & (segments > 0)).any()
    assert sum(each.sum() for each in told) == sum(
        each.pixels for each in undecided_regions(drawn.batch, found, drawn.annotators)
    )
    more = filled.runs.areas(len(filled)).sum() - found.runs.areas(len(found)).sum()
    assert more == sum(each.sum() for each in told)
    assert len(filled.undecided.start) == len(found.undecided.start)


@settings(max_examples=25)
@given(panels(annotators=3))
def test_iou_of_every_two(drawn: Panel) -> None:
    votes = collect_votes(drawn)
    found = pairwise_iou(votes)
    for case in range(len(found)):
        rows = votes.case == case
        vote, pixels = votes.vote[rows], votes.pixels[rows]
        for code in range(3):
            ratios = []
            for i, j in ((0, 1), (0, 2), (1, 2)):
                both = (vote[:, [i, j]] != -2).all(axis=1) & (vote[:, [i, j]] != 3).all(axis=1)
                a, b = (vote[:, k] == code for k in (i, j))
                if (both & (a | b)).any():
                    ratios.append(pixels[both & a & b].sum() / pixels[both & (a | b)].sum())
            np.testing.assert_allclose(found[case, code], np.mean(ratios) if ratios else np.nan)


@settings(max_examples=25)
@given(panels(annotators=3, overlapping=False), methods)
def test_no_two_segments_share_pixels_where_they_must_not(drawn: Panel, method: ConsensusMethod) -> None:
    found = of(drawn, method, overlap="forbid", void=3)
    side = SweepRuns.from_runs(found.runs, NumberLine.from_sizes(*drawn.batch.image_size), found.image)
    assert (side.start[1:] >= side.end[:-1]).all()


def test_things_by_majority_of_annotators() -> None:
    """Two of three have A, one has B, and the third's C is not where the others see C."""
    drawn = panel("AAA...\nAAA.BB", "AAA...\nAAA...", "......\n......")
    found = of(drawn, ConsensusMethod("instances"))
    assert (len(found), found.n_rejected, found.n_disputed) == (1, 1, 0)
    assert found.support.tolist() == [pytest.approx(2 / 3)]
    (region,) = [masks_of_runs(found.runs, np.array([2]), np.array([6]))[0]]
    assert region.sum() == 6


def test_two_annotators_have_no_majority_alone() -> None:
    drawn = panel("AAA...\nAAA.BB", "AAA...\nAAA...")
    found = of(drawn, ConsensusMethod("instances"))
    assert (len(found), found.n_rejected, found.n_disputed) == (1, 0, 1)
    (region,) = undecided_regions(drawn.batch, found, drawn.annotators)
    assert (region.bbox, region.pixels) == ((4, 1, 2, 1), 2)
    assert list(region.votes) == ["a", "b"]
    assert region.votes["b"] == [RegionVote("(nothing)", 2)]


def test_a_larger_share_can_be_asked_for() -> None:
    drawn = panel("aa", "aa", "a.")
    assert of(drawn, ConsensusMethod("majority")).runs.areas(1).tolist() == [2]
    found = of(drawn, ConsensusMethod("majority", 0.7))
    assert found.runs.areas(1).tolist() == [1]
    assert found.undecided.end.tolist() == (found.undecided.start + 1).tolist()


def test_a_second_pass_is_no_second_voice() -> None:
    drawn = panel("aa", "..", "..")
    names = ["anna", "anna (2)", "ben"]
    annotations = replace_column(drawn.batch.annotations, "annotator", names)
    batch = type(drawn.batch)(drawn.batch.images, annotations, drawn.batch.segments, drawn.batch.runs)
    assert voters(batch).tolist() == [True, False, True]
    assert voters(replace(drawn, batch=batch).select(np.array([True, True, False])).batch).tolist() == [False, False]


@pytest.mark.parametrize(
    ("name", "task", "least", "said"),
    [
        ("mean", "semantic", 0.5, "mean"),
        ("auto", "semantic", 0.4, "0.5 or more"),
        ("auto", "semantic", 1.0, "0.5 or more"),
        ("instances", "semantic", 0.5, "semantic data have none"),
    ],
)
def test_misuse(name: str, task: str, least: float, said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        ConsensusMethod.from_name(name, task, least)  # type: ignore[arg-type]  # a task


def test_auto() -> None:
    assert ConsensusMethod.from_name("auto", "semantic") == ConsensusMethod("majority")
    assert ConsensusMethod.from_name("auto", "panoptic", 0.6) == ConsensusMethod("instances", 0.6)
