"""Dataset: an opened dataset as users of the library hold it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.columns import BATCH_ANNOTATIONS, BATCH_IMAGES, BATCH_SEGMENTS
from segdata.core.config import Config
from segdata.core.executor import run_ordered
from segdata.core.format import Source
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.core.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """An opened dataset: some images of a source, and what is known and decided about it.

    Attributes
    ----------
    source : what the format's reader opened
    profile : what is known of the dataset, with what the configuration declares
    config : segdata.yaml
    rows : (n_images,) the source's images that belong to it; None: all
    """

    source: Source
    profile: Profile
    config: Config
    rows: Ints | None = None

    def __len__(self) -> int:
        return len(self.source.image_ids) if self.rows is None else len(self.rows)

    @property
    def taxonomy(self) -> Taxonomy:
        """The categories."""
        return self.profile.taxonomy

    @property
    def image_ids(self) -> list[str]:
        """The images, in the order of the source."""
        every = self.source.image_ids
        return list(every) if self.rows is None else [every[row] for row in self.rows]

    def chunks(self) -> list[Ints]:
        """Rows of the source's images in portions that are good to load at once."""
        portions = self.source.chunks()
        if self.rows is None:
            return portions
        kept = (portion[np.isin(portion, self.rows)] for portion in portions)
        return [portion for portion in kept if len(portion)]

    def sorted_chunks(self) -> list[Ints]:
        """The same number of portions, with the images in ascending order of image_id."""
        rows = np.arange(len(self.source.image_ids)) if self.rows is None else self.rows
        ids = np.array(self.source.image_ids, dtype=object)[rows]
        order = rows[np.argsort(ids, kind="stable")]
        return [portion for portion in np.array_split(order, max(len(self.chunks()), 1)) if len(portion)]

    def batches(self, jobs: int = 0, *, in_order: bool = False) -> Iterator[Batch]:
        """The dataset's batches, loaded by `jobs` threads (0: one per core).

        `in_order`: images in ascending order of image_id; else in the order of the source.
        """
        return run_ordered(self.source.load, self.sorted_chunks() if in_order else self.chunks(), jobs)

    @cached_property
    def images(self) -> "pd.DataFrame":
        """One row per image; the columns of `segdata.core.columns.IMAGES`."""
        return _frame([batch.images for batch in self.batches()], BATCH_IMAGES)

    @cached_property
    def annotations(self) -> "pd.DataFrame":
        """One row per annotation, with image_id; the columns of `segdata.core.columns.ANNOTATIONS`."""
        tables = [_named(batch.annotations, batch, batch.annotation_image) for batch in self.batches()]
        return _frame(tables, BATCH_ANNOTATIONS).drop(columns="image", errors="ignore")

    @cached_property
    def segments(self) -> "pd.DataFrame":
        """One row per segment, with image_id, annotator and area in pixels; pixels themselves are in `batches`."""
        tables = []
        for batch in self.batches():
            annotator = batch.annotations["annotator"].take(batch.segments["annotation"])
            rows = batch.segments.append_column("annotator", annotator)
            rows = rows.append_column("area", pa.array(batch.runs.areas(batch.n_segments)))
            tables.append(_named(rows, batch, batch.segment_image))
        return _frame(tables, BATCH_SEGMENTS).drop(columns="annotation", errors="ignore")


def _named(rows: pa.Table, batch: Batch, image: Ints | np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Table:
    """`rows` with the image_id of each as the first column."""
    return rows.add_column(0, "image_id", batch.images["image_id"].take(pa.array(image)))


def _frame(tables: list[pa.Table], schema: pa.Schema) -> "pd.DataFrame":
    """The tables as one pandas table."""
    together = pa.concat_tables(tables) if tables else schema.empty_table()
    return together.to_pandas()  # type: ignore[no-any-return]  # pyarrow has no types
