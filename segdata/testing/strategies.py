"""Hypothesis strategies: small random datasets with all features that a format may lose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.core.batch import Batch
from segdata.core.profile import ImageSequence, Policy, Profile, SequenceKind
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import Mask, runs_of_masks

Draw = Callable[[st.SearchStrategy[Any]], Any]  # Any: a strategy may draw anything
NAMES = st.text("abcäß水 _-", min_size=1, max_size=4)
_JSON = st.sampled_from(["true", "null", "1.5", '"ä"', "[1,2]", '{"a":{"b":[]}}'])
_ATTRIBUTES = st.none() | st.dictionaries(st.sampled_from(["occluded", "ä b"]), _JSON, min_size=1).map(
    lambda attributes: sorted(attributes.items())
)

# Categories that every video format has a place for.
VIDEO_TAXONOMY = Taxonomy(
    categories=(
        Category(id=1, name="car"),
        Category(id=2, name="pedestrian"),
        Category(id=9, name="ignored", kind="void"),
    )
)
_SEGMENT_COLUMNS = (
    "annotation", "segment_id", "category_id", "also", "iscrowd", "track_id", "score", "source", "rings", "attributes"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Details:
    """The features of random datasets; a format's tests switch off those that do not apply."""

    overlaps: bool = True  # segments of an annotation may share pixels
    several: bool = True  # images may have several annotators
    extras: bool = True  # columns beside pixels and categories may have values
    void: bool = True  # categories of kind void occur


@st.composite
def taxonomies(draw: Draw, details: Details = Details()) -> Taxonomy:  # frozen
    """Up to four categories with different ids (1 to 200), names and colours."""
    kinds = ["thing", "stuff", "void"] if details.void else ["thing", "stuff"]
    ids = draw(st.lists(st.integers(1, 200), min_size=1, max_size=4, unique=True))
    return Taxonomy(
        categories=tuple(
            Category(
                id=id_,
                name=f"{draw(NAMES)}{id_}",
                kind=draw(st.sampled_from(kinds)),
                color=(id_, draw(st.integers(0, 255)), 7) if draw(st.booleans()) else None,
                parent=draw(st.sampled_from([None, "group"])),
                aliases=("old",) if details.extras and place == 0 and draw(st.booleans()) else (),
            )
            for place, id_ in enumerate(ids)
        )
    )


@st.composite
def masks(draw: Draw, height: int, width: int) -> Mask:
    """A mask of some pixels: noise, a box, a box with a hole, all of it, or nothing."""
    shape = draw(st.sampled_from(["noise", "box", "ring", "all", "nothing"]))
    if shape == "noise":
        noise: Mask = draw(arrays(bool, (height, width)))
        return noise
    mask = np.zeros((height, width), bool)
    if shape == "all":
        mask[:] = True
    elif shape != "nothing":
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
        mask[top:bottom, left:right] = True
        if shape == "ring":
            mask[top + 1 : bottom - 1, left + 1 : right - 1] = False
    return mask


def box_ring(mask: Mask) -> list[list[float]] | None:
    """The ring of a mask that is an upright box; None for any other."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    if not mask[top:bottom, left:right].all():
        return None
    corners = (left, top, right, top, right, bottom, left, bottom)
    return [[float(number) for number in corners]]


@st.composite
def batches(draw: Draw, taxonomy: Taxonomy, first: int = 0, details: Details = Details()) -> Batch:
    """Up to three images of different sizes with their annotations; `first` keeps image ids of batches apart."""
    images: dict[str, list[Any]] = {name: [] for name in ("image_id", "height", "width", "split", "metadata")}
    annotations: dict[str, list[Any]] = {name: [] for name in ("image", "annotator", "stage", "attributes")}
    segments: dict[str, list[Any]] = {name: [] for name in _SEGMENT_COLUMNS}
    pixel_masks: list[Mask] = []
    for row in range(draw(st.integers(0, 3))):
        images["image_id"].append(f"{first + row}{draw(st.sampled_from(['', '/ä', '/b/c']))}.png")
        size = draw(st.integers(1, 7)), draw(st.integers(1, 7))
        images["height"].append(size[0])
        images["width"].append(size[1])
        images["split"].append(_maybe(draw, details, st.just("train")))
        images["metadata"].append(_maybe(draw, details, _ATTRIBUTES))
        for number in range(draw(st.integers(0, 2 if details.several else 1))):
            named = details.extras or number > 0
            annotations["image"].append(row)
            annotations["annotator"].append(draw(st.sampled_from([None, "ann"])) if named and number == 0 else None)
            annotations["stage"].append(_maybe(draw, details, st.just("reviewed")))
            annotations["attributes"].append(_maybe(draw, details, _ATTRIBUTES))
            if number > 0:
                annotations["annotator"][-1] = "bob"
            _draw_segments(draw, taxonomy, details, size, len(annotations["image"]) - 1, segments, pixel_masks)
    return Batch(
        make_table(BATCH_IMAGES, len(images["image_id"]), **images),
        make_table(BATCH_ANNOTATIONS, len(annotations["image"]), **annotations),
        make_table(BATCH_SEGMENTS, len(pixel_masks), **segments),
        runs_of_masks(pixel_masks),
    )


def _maybe(draw: Draw, details: Details, strategy: st.SearchStrategy[Any]) -> Any:  # Any: as the strategy
    return draw(st.none() | strategy) if details.extras else None


def _draw_segments(
    draw: Draw, taxonomy: Taxonomy, details: Details, size: tuple[int, int], annotation: int,
    segments: dict[str, list[Any]], pixel_masks: list[Mask],
) -> None:  # fmt: skip
    """Add the segments of one annotation."""
    count = draw(st.integers(0, 3))
    ids = draw(st.lists(st.integers(0, 6) | st.just(2**24), min_size=count, max_size=count, unique=True))
    free = np.ones(size, bool)
    for id_ in ids:
        mask = draw(masks(*size))
        if not details.overlaps:
            mask = mask & free
            free &= ~mask
        pixel_masks.append(mask)
        category = draw(st.sampled_from(taxonomy.categories)).id
        ring = box_ring(mask)
        wrong_ring = [[0.0, 0, 1, 0, 1, 1, 0, 1]]
        values = (
            annotation, id_, category,
            _maybe(draw, details, st.just([category])),
            draw(st.booleans()) if details.extras else False,
            _maybe(draw, details, st.integers(0, 2**40)),
            _maybe(draw, details, st.floats(0, 1)),
            _maybe(draw, details, st.just("model")),
            _maybe(draw, details, st.sampled_from([wrong_ring, ring or wrong_ring])),
            _maybe(draw, details, _ATTRIBUTES),
        )  # fmt: skip
        for name, value in zip(_SEGMENT_COLUMNS, values, strict=True):
            segments[name].append(value)


@st.composite
def datasets(draw: Draw, details: Details = Details()) -> tuple[Profile, list[Batch]]:
    """A profile, and up to two batches of different images."""
    taxonomy = draw(taxonomies(details))
    profile = Profile(
        name="random",
        format="random",
        task=draw(st.sampled_from(["semantic", "instance", "panoptic"])),
        taxonomy=taxonomy,
        taxonomy_declared=True,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
    )
    count = draw(st.integers(1, 2))
    return profile, [draw(batches(taxonomy, 3 * place, details)) for place in range(count)]


@st.composite
def videos(
    draw: Draw, taxonomy: Taxonomy = VIDEO_TAXONOMY, tracked: bool = False, kind: SequenceKind = "video"
) -> tuple[Profile, list[Batch]]:
    """Up to three videos of one to four frames, or volumes of as many slices; segments of an image do not overlap.

    `tracked`: every segment that is not void has a track and pixels. Slices are numbered from 0, and frames have gaps.
    """
    images: dict[str, list[Any]] = {  # Any: columns of every type
        name: [] for name in ("image_id", "sequence", "frame", "split", "height", "width")
    }
    annotated: list[int] = []
    segments: dict[str, list[Any]] = {name: [] for name in ("annotation", "segment_id", "category_id", "track_id")}
    drawn: list[Mask] = []
    things = [each.id for each in taxonomy.categories if each.kind != "void"]
    for sequence in sorted(draw(st.sets(st.sampled_from(["0002", "a b", "train/x"]), min_size=1))):
        size = draw(st.integers(2, 6)), draw(st.integers(2, 6))
        split = draw(st.sampled_from([None, "train", "val"]))
        # A track is of one category.
        tracks = {id_: draw(st.sampled_from(things)) for id_ in draw(st.sets(st.integers(0, 3000), max_size=3))}
        frames = draw(st.sets(st.integers(0, 20), min_size=1, max_size=4))
        for frame in sorted(frames) if kind == "video" else range(len(frames)):
            for name, value in zip(images, (f"{sequence}/{frame:05d}.png", sequence, frame, split, *size), strict=True):
                images[name].append(value)
            if draw(st.integers(0, 5)) == 0:
                continue
            annotated.append(len(images["image_id"]) - 1)
            free = np.ones(size, bool)
            loose = [] if tracked else [(None, draw(st.sampled_from(taxonomy.categories)).id)]
            for number, (track, category) in enumerate([*tracks.items(), *loose]):
                mask = draw(masks(*size)) & free
                if (track is None or draw(st.booleans())) and (mask.any() or not tracked):
                    free &= ~mask
                    drawn.append(mask)
                    row = (len(annotated) - 1, number + 1, category, track)
                    for name, value in zip(segments, row, strict=True):
                        segments[name].append(value)
    batch = Batch(
        make_table(BATCH_IMAGES, len(images["image_id"]), **images),
        make_table(BATCH_ANNOTATIONS, len(annotated), image=annotated),
        make_table(BATCH_SEGMENTS, len(drawn), iscrowd=[False] * len(drawn), **segments),
        runs_of_masks(drawn),
    )
    names = dict.fromkeys(images["sequence"])
    profile = Profile(
        name="film",
        format="random",
        task="instance",
        taxonomy=taxonomy,
        taxonomy_declared=True,
        coverage=Policy("sparse"),
        overlap=Policy("allow"),
        sequences=tuple(ImageSequence(name, kind) for name in names),
    )
    return profile, [batch]
