"""Small videos and volumes from arrays of labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.finding import Defect
from segdata.core.profile import ImageSequence, Policy, Profile, SequenceKind, Task
from segdata.core.runs import Ints
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import runs_of_masks


@dataclass(frozen=True, slots=True)
class SequenceDataset:
    """A dataset in memory that can be measured like one that was read from files.

    Attributes
    ----------
    profile, batch : what is known of it, and all of its images
    portions : rows of its images as they are loaded; None: all at once
    """

    profile: Profile
    batch: Batch
    portions: list[Ints] | None = None
    defects: Sequence[Defect] = field(default=())

    @property
    def image_ids(self) -> Sequence[str]:
        """The images' names."""
        return cast(list[str], self.batch.images["image_id"].to_pylist())

    def chunks(self) -> list[Ints]:
        """As `portions` says."""
        return [np.arange(self.batch.images.num_rows)] if self.portions is None else self.portions

    def load(self, rows: Ints) -> Batch:
        """Some of the images, in the order of `rows`."""
        order = np.argsort(rows, kind="stable")
        batch = self.batch.take_images(rows[order])
        return (
            batch if (order == np.arange(len(rows))).all() else reorder_images(batch, np.argsort(order, kind="stable"))
        )


def reorder_images(batch: Batch, rows: Ints) -> Batch:
    """The images of a batch in another order."""
    return concatenate_batches([batch.take_images(np.array([row])) for row in rows])


def sequence_dataset(
    labels: NDArray[np.int64],
    *,
    kind: SequenceKind = "video",
    tracked: bool = False,
    unannotated: Sequence[int] = (),
    frames: Sequence[int] | None = None,
    task: Task = "semantic",
    void: Sequence[int] = (),
    tracks: Sequence[int] = (),
) -> SequenceDataset:
    """One sequence of frames (n, height, width), label 0 being nothing: each other value of a frame is a segment.

    A label is a category, and with `tracked` a track, too; `tracks` are those of the labels from 1 on, where several
    have one. `frames`: their numbers. `void`: the categories of that kind.
    """
    n, height, width = labels.shape
    annotated = [frame for frame in range(n) if frame not in unannotated]
    shown = [(row, int(value)) for row, frame in enumerate(annotated) for value in np.unique(labels[frame]) if value]
    batch = Batch(
        make_table(
            BATCH_IMAGES,
            n,
            image_id=[f"{frame:04d}.png" for frame in range(n)],
            height=[height] * n,
            width=[width] * n,
            sequence=["film"] * n,
            frame=list(range(n) if frames is None else frames),
        ),
        make_table(BATCH_ANNOTATIONS, len(annotated), image=pa.array(annotated, pa.int32())),
        make_table(
            BATCH_SEGMENTS,
            len(shown),
            annotation=[row for row, _ in shown],
            segment_id=[value for _, value in shown],
            category_id=[value for _, value in shown],
            track_id=[tracks[value - 1] if tracks else value if tracked else None for _, value in shown],
            iscrowd=[False] * len(shown),
        ),
        runs_of_masks([labels[annotated[row]] == value for row, value in shown]),
    )
    named = [
        Category(id=id_, name=f"c{id_}", kind="void" if id_ in void else "thing")
        for id_ in sorted({value for _, value in shown})
    ]
    profile = Profile(
        name="film",
        format="film",
        task=task,
        taxonomy=Taxonomy(categories=tuple(named)),
        taxonomy_declared=True,
        coverage=Policy("sparse"),
        overlap=Policy("forbid"),
        sequences=(ImageSequence("film", kind),),
    )
    return SequenceDataset(profile, batch)
