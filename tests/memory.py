"""Datasets in memory: batches of masks, and batches as a source, so that a test can change one cell and compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Defect
from segdata.core.profile import Policy, Profile
from segdata.core.runs import Ints
from segdata.core.schema import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS, make_table
from segdata.core.taxonomy import Category, Taxonomy
from segdata.testing.pictures import Mask, masks_of_runs, runs_of_masks


@dataclass(frozen=True)
class Memory:
    """A source of one batch, in portions of `size` images."""

    profile: Profile
    batch: Batch
    size: int = 2
    defects: Sequence[Defect] = field(default=())

    @property
    def image_ids(self) -> list[str]:
        return self.batch.images["image_id"].to_pylist()

    def chunks(self) -> list[Ints]:
        rows = np.arange(len(self.image_ids))
        return [rows[k : k + self.size] for k in range(0, len(rows), self.size)]

    def load(self, rows: Ints) -> Batch:
        return concatenate_batches([self.batch.take_images(np.array([row])) for row in rows.tolist()])


def make_batch(
    images: Sequence[Mapping[str, Any]],  # Any: cells of all types
    annotations: Sequence[tuple[int, str | None]],
    segments: Sequence[tuple[int, int, Mask]],
    **columns: Sequence[Any],  # Any: as above
) -> Batch:
    """Images by their columns, annotations as (image, annotator), segments as (annotation, category, mask).

    Both are sorted by the first. `columns`: of the segments, whose ids count from 0.
    """
    names = dict.fromkeys(name for image in images for name in image)
    return Batch(
        make_table(BATCH_IMAGES, len(images), **{name: [image.get(name) for image in images] for name in names}),
        make_table(BATCH_ANNOTATIONS, len(annotations), image=[image for image, _ in annotations],
                   annotator=[who for _, who in annotations]),
        make_table(BATCH_SEGMENTS, len(segments), annotation=[row for row, _, _ in segments],
                   category_id=[category for _, category, _ in segments],
                   **{"segment_id": range(len(segments)), **columns}),
        runs_of_masks([mask for _, _, mask in segments]),
    )  # fmt: skip


def dataset(profile: Profile, batches: Sequence[Batch], size: int = 2) -> OpenDataset:
    """An open dataset of these batches."""
    return OpenDataset(Memory(profile, concatenate_batches(list(batches)), size), profile, Config())


TAXONOMY = Taxonomy(
    categories=(Category(id=1, name="road", kind="stuff"), Category(id=2, name="car"), Category(id=3, name="tree"))
)


def profile_of(taxonomy: Taxonomy, **fields: Any) -> Profile:  # Any: fields of all types
    """What is known of a dataset of instances with these categories, and whatever else is given."""
    plain = Profile("memory", "memory", "instance", taxonomy, True, Policy("sparse"), Policy("allow"))
    return replace(plain, **fields)


def drawn() -> list[Mask]:
    """Four segments on images of 6 x 8: two of anna's on the first image, one of bob's, and one on the second image."""
    masks = np.zeros((4, 6, 8), bool)
    masks[0, :4] = masks[1, 2:, 3:7] = masks[2, :, :5] = masks[3, 1:5, 1:5] = True
    return list(masks)


SMALL = Batch(
    make_table(
        BATCH_IMAGES, 3, image_id=["a.png", "b.png", "c.png"], width=[8, 8, 8], height=[6, 6, 6],
        split=["train", None, None], metadata=[[("weather", '"rain"')], None, None],
    ),
    make_table(
        BATCH_ANNOTATIONS, 4, image=[0, 0, 1, 2], annotator=["anna", "bob", "anna", "anna"],
        stage=["reviewed", None, None, None],
    ),
    make_table(
        BATCH_SEGMENTS, 4, annotation=[0, 0, 1, 2], segment_id=[1, 2, 1, 7], category_id=[1, 2, 1, 2],
        iscrowd=[False, False, False, True], track_id=[None, 5, None, None], score=[None, 0.5, None, None],
        source=[None, "model", None, None], also=[None, [3], None, None],
        rings=[None, [[3.0, 2, 7, 2, 7, 6, 3, 6]], None, None],
        attributes=[None, [("occluded", "true"), ("colour", '"red"')], None, None],
    ),
    runs_of_masks(drawn()),
)  # fmt: skip


def small(batch: Batch = SMALL, taxonomy: Taxonomy = TAXONOMY) -> OpenDataset:
    """The small dataset, or what a test made of it."""
    return dataset(profile_of(taxonomy), [batch])


def with_cell(name: str, column: str, row: int, value: Any) -> Batch:
    """The small batch with one other cell; `name` is that of the table."""
    rows = getattr(SMALL, name)
    values = rows[column].to_pylist()
    assert values[row] != value
    values[row] = value
    return replace(SMALL, **{name: replace_column(rows, column, values)})


def with_masks(change: Callable[[list[Mask]], object]) -> Batch:
    """The small batch with other pixels."""
    masks = drawn()
    change(masks)
    return replace(SMALL, runs=runs_of_masks(masks))


def memberships(batch: Batch, name_of: Callable[[int], str]) -> dict[tuple[str, int], frozenset[tuple[str, int]]]:
    """By image and row of the annotation in it: every (category, pixel) that some segment claims."""
    found: dict[tuple[str, int], frozenset[tuple[str, int]]] = {}
    images, first = batch.images["image_id"].to_pylist(), {}
    for row, image in enumerate(batch.annotation_image.tolist()):
        first.setdefault(image, row)
        found[images[image], row - first[image]] = frozenset()
    masks = masks_of_runs(batch.runs, *batch.segment_size)
    for row, (mask, category) in enumerate(zip(masks, batch.segments["category_id"].to_pylist(), strict=True)):
        annotation = int(batch.segment_annotation[row])
        image = int(batch.annotation_image[annotation])
        claimed = {(name_of(category), place) for place in np.flatnonzero(mask.T).tolist()}
        found[images[image], annotation - first[image]] |= claimed
    return found
