"""The rows that every run measures: images, annotations, segments with area and box, and the defects met."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch
from segdata.core.runs import boxes


def images(batch: Batch) -> pa.Table:
    """One row per image: what the reader knows; sizes in pixels, 0 where unknown."""
    height, width = batch.image_size
    kept = ["image_id", "uri", "sha256", "sequence", "frame", "split", "group", "camera", "timestamp", "metadata"]
    return batch.images.select(kept).append_column("width", pa.array(width)).append_column("height", pa.array(height))


def annotations(batch: Batch) -> pa.Table:
    """One row per annotation: its image, who, and how many segments."""
    count = np.bincount(batch.segment_annotation, minlength=batch.annotations.num_rows)
    kept = ["image", "annotator", "source", "stage", "created", "seconds", "coverage", "encoding", "file"]
    return batch.annotations.select(kept).append_column("n_segments", pa.array(count.astype(np.int64)))


def segments(batch: Batch) -> pa.Table:
    """One row per segment: ids, category, area and box in pixels, and what its file declares of them."""
    height, _ = batch.segment_size
    x, y, width, high = boxes(batch.runs, height, batch.n_segments)
    kept = ["annotation", "segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "source"]
    columns = {name: batch.segments[name] for name in kept}
    columns["iscrowd"] = columns["iscrowd"].fill_null(False)
    columns["image"] = pa.array(batch.segment_image)
    columns["area"] = pa.array(batch.runs.areas(batch.n_segments))
    columns |= {"x": pa.array(x), "y": pa.array(y), "width": pa.array(width), "height": pa.array(high)}
    columns["declared_area"] = batch.segments["declared_area"]
    columns |= _declared_box(batch)
    columns |= {"file": batch.segments["file"], "place": batch.segments["place"]}
    return pa.table(columns)


def _declared_box(batch: Batch) -> dict[str, pa.Array]:
    """The declared bbox as four columns of float64; null where none is declared, or not of four numbers."""
    declared = batch.segments["declared_bbox"].combine_chunks()
    fits = pc.fill_null(pc.equal(pc.list_value_length(declared), 4), False)
    declared = pc.if_else(fits, declared, pa.scalar([None] * 4, type=declared.type))
    return {f"declared_{name}": pc.list_element(declared, at) for at, name in enumerate(("x", "y", "width", "height"))}
