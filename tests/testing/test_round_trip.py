"""The law finds what a format loses without saying so."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segdata.core.batch import Batch
from segdata.core.format import find_format
from segdata.core.losses import LossCounter, LossKind
from segdata.core.profile import Policy, Profile
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import Mask, runs_of_masks
from segdata.testing.round_trip import assert_round_trip

Change = Callable[[Batch], Batch]
PROFILE = Profile(
    name="small",
    format="small",
    task="instance",
    taxonomy=Taxonomy(categories=(Category(id=1, name="cat"), Category(id=2, name="dog"))),
    taxonomy_declared=True,
    coverage=Policy("sparse"),
    overlap=Policy("allow"),
)


def small() -> Batch:
    """Two images, one segment with a score on the first."""
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    return Batch(
        make_table(BATCH_IMAGES, 2, image_id=["a.png", "b.png"], width=[3, 3], height=[3, 3]),
        make_table(BATCH_ANNOTATIONS, 2, image=[0, 1]),
        make_table(BATCH_SEGMENTS, 1, annotation=[0], segment_id=[5], category_id=[1], score=[0.5]),
        runs_of_masks([mask]),
    )


def with_column(name: str, value: object) -> Change:
    """A batch whose segments have another value in a column."""

    def change(batch: Batch) -> Batch:
        columns = {each: batch.segments[each] for each in BATCH_SEGMENTS.names}
        return replace(batch, segments=make_table(BATCH_SEGMENTS, 1, **(columns | {name: [value]})))

    return change


CHANGES: list[Change] = [
    with_column("score", None),
    with_column("segment_id", 6),
    with_column("category_id", 2),
    with_column("iscrowd", True),
    with_column("track_id", 0),
    lambda batch: replace(batch, runs=runs_of_masks([np.ones((3, 3), bool)])),
    lambda batch: batch.take_segments(np.array([], np.int64)),
    lambda batch: batch.take_images(np.array([0])),
]


@pytest.mark.parametrize("change", CHANGES)
def test_silent_change_breaks_the_law(tmp_path: Path, change: Change) -> None:
    honest = find_format("coco-instances")

    def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
        assert honest.write is not None
        honest.write(profile, [change(batch) for batch in batches], target, losses)

    with pytest.raises(AssertionError):
        assert_round_trip(replace(honest, write=write), PROFILE, [small()], tmp_path)


def test_the_difference_is_shown(tmp_path: Path) -> None:
    """Value by value, as it was written and as it was read."""
    honest = find_format("coco-instances")

    def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
        assert honest.write is not None
        honest.write(profile, map(with_column("score", 0.25), batches), target, losses)

    difference = r"from what was written:\n  /images/a.png/annotations/0/segments/0/score: written 0.5, read 0.25\n"
    with pytest.raises(AssertionError, match=difference):
        assert_round_trip(replace(honest, write=write), PROFILE, [small()], tmp_path)


def test_honest_format_keeps_the_law(tmp_path: Path) -> None:
    assert assert_round_trip(find_format("coco-instances"), PROFILE, [small()], tmp_path).listed() == []


def test_counted_loss_must_be_declared(tmp_path: Path) -> None:
    honest = find_format("coco-instances")

    def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
        losses.add("hole", "segments", 1)

    with pytest.raises(AssertionError, match="counts \\['hole'\\] and does not declare it"):
        assert_round_trip(replace(honest, write=write), PROFILE, [small()], tmp_path)
    declaring = replace(honest, write=write, losses=honest.losses | {"hole"})
    with pytest.raises(AssertionError, match="counts \\['hole'\\] without their pixels"):
        assert_round_trip(declaring, PROFILE, [small()], tmp_path)


RING = np.array([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 1]], bool)  # a ring, and a bar beside it


def ring_and_bar() -> Batch:
    """One image with one segment of two parts, one of which has a hole."""
    return Batch(
        make_table(BATCH_IMAGES, 1, image_id=["a.png"], width=[5], height=[3]),
        make_table(BATCH_ANNOTATIONS, 1, image=[0]),
        make_table(BATCH_SEGMENTS, 1, annotation=[0], segment_id=[5], category_id=[1]),
        runs_of_masks([RING]),
    )


def parted(batch: Batch, masks: list[Mask]) -> Batch:
    """Each mask a segment of its own."""
    columns = {"annotation": [0] * len(masks), "category_id": [1] * len(masks)}
    segments = make_table(BATCH_SEGMENTS, len(masks), segment_id=range(5, len(masks) + 5), **columns)
    return replace(batch, segments=segments, runs=runs_of_masks(masks))


def ring_only() -> Mask:
    """The ring without the bar."""
    ring = RING.copy()
    ring[:, 3:] = False
    return ring


def filled() -> Mask:
    """The ring without its hole, and the bar."""
    mask = RING.copy()
    mask[:, :3] = True
    return mask


LOSSY: list[tuple[frozenset[LossKind], list[Mask]]] = [
    (frozenset({"part", "segment-id"}), [ring_only(), RING & ~ring_only()]),
    (frozenset({"hole"}), [filled()]),
    (frozenset({"hole", "part", "segment-id"}), [filled() & ~(RING & ~ring_only()), RING & ~ring_only()]),
]


@pytest.mark.parametrize(("kinds", "masks"), LOSSY, ids=["part", "hole", "hole and part"])
def test_counted_parts_and_holes_keep_the_law(tmp_path: Path, kinds: frozenset[LossKind], masks: list[Mask]) -> None:
    """A format that makes segments of parts, or fills holes, keeps the law if it counts that, and breaks it if not."""
    honest = find_format("coco-instances")

    def law(counted: frozenset[LossKind], masks: list[Mask], name: str) -> None:
        def write(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
            assert honest.write is not None
            for kind in counted:
                losses.add(kind, "segments", 1, int(kind == "hole"))
            honest.write(profile, [parted(batch, masks) for batch in batches], target, losses)

        (tmp_path / name).mkdir()
        assert_round_trip(
            replace(honest, write=write, losses=honest.losses | kinds), PROFILE, [ring_and_bar()], tmp_path / name
        )

    law(kinds, masks, "counted")
    with pytest.raises(AssertionError, match="differs from what was written"):
        law(frozenset(), masks, "silent")
    with pytest.raises(AssertionError, match="differs from what was written"):
        law(kinds, masks[:1] if len(masks) > 1 else [ring_only()], "fewer")  # a part is missing
