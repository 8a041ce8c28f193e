"""DICOM scenes: segments on the slices of a small series, drawn by Hypothesis or given, as a dataset to be written."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, table
from segdata.core.profile import Policy, Profile
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.dense import runs_of_masks
from segdata.testing.dicom_files import CtSeries
from segdata.testing.strategies import masks

Mask = NDArray[np.bool_]
Scene = list[list[tuple[int, int | None, Mask]]]  # of each slice its segments: category, track, mask
_TAXONOMY = Taxonomy(categories=(Category(id=1, name="Lebér \\ 水"), Category(id=2, name="b", color=(1, 2, 250))))


@st.composite
def scenes(draw: Any, n_slices: int, size: tuple[int, int]) -> Scene:  # Any: Hypothesis' function
    """Up to two segments on each slice; they may overlap, and be one with others."""
    return [
        [
            (draw(st.integers(1, 2)), draw(st.sampled_from([None, 5, 6])), draw(masks(*size)))
            for _ in range(draw(st.integers(0, 2)))
        ]
        for _ in range(n_slices)
    ]


def dataset_of(series: CtSeries, scene: Scene) -> tuple[Profile, Batch]:
    """A scene on the slices of a series, drawn by the model Ann; a third slice is not annotated where it is empty."""
    n = len(scene)
    annotated = [k for k, each in enumerate(scene) if each or k < 2]
    rows = [(annotated.index(k), *each, id_) for k, some in enumerate(scene) for id_, each in enumerate(some, 1)]
    height, width = series.size
    batch = Batch(
        table(
            BATCH_IMAGES,
            n,
            image_id=[f"a/{k}.dcm" for k in range(n)],
            uri=[path.as_uri() for path in series.paths],
            height=[height] * n,
            width=[width] * n,
            sequence=["a"] * n,
            frame=list(range(10, 10 + n)),
        ),
        table(
            BATCH_ANNOTATIONS,
            len(annotated),
            image=annotated,
            annotator=["Ann"] * len(annotated),
            source=["model"] * len(annotated),
        ),
        table(
            BATCH_SEGMENTS,
            len(rows),
            annotation=[row[0] for row in rows],
            category_id=[row[1] for row in rows],
            track_id=[row[2] for row in rows],
            segment_id=[row[4] for row in rows],
            iscrowd=[False] * len(rows),
        ),
        runs_of_masks([row[3] for row in rows]),
    )
    return Profile("x", "x", "instance", _TAXONOMY, True, Policy("sparse"), Policy("allow")), batch
