"""Hypothesis strategies: small random videos, with tracks that come, go and return."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.profile import Policy, Profile
from segdata.core.sequence import ImageSequence
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.dense import Mask, runs_of_masks
from segdata.testing.strategies import Draw, masks

# Categories that every video format has a place for.
STREET = Taxonomy(
    categories=(
        Category(id=1, name="car"),
        Category(id=2, name="pedestrian"),
        Category(id=9, name="ignored", kind="void"),
    )
)


@st.composite
def films(draw: Draw, taxonomy: Taxonomy = STREET, tracked: bool = False) -> tuple[Profile, list[Batch]]:
    """Up to three videos of one to four frames; segments of a frame do not overlap.

    `tracked`: every segment that is not void has a track and pixels.
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
        for frame in sorted(draw(st.sets(st.integers(0, 20), min_size=1, max_size=4))):
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
        table(BATCH_IMAGES, len(images["image_id"]), **images),
        table(BATCH_ANNOTATIONS, len(annotated), image=annotated),
        table(BATCH_SEGMENTS, len(drawn), iscrowd=[False] * len(drawn), **segments),
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
        sequences=tuple(ImageSequence(name) for name in names),
    )
    return profile, [batch]
