"""The columns of the canonical tables. Types and meaning live here; the store writes exactly these."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TEXTS = pa.map_(pa.string(), pa.string())  # name -> value, each value as JSON, so that its type survives

IMAGES = pa.schema(
    [
        ("image_id", pa.string()),  # path below the images root, POSIX, with extension
        ("source_id", pa.string()),  # the id that the source's files used
        ("uri", pa.string()),  # where the image file is; null: none is known
        (
            "channels",
            pa.list_(pa.struct([("uri", pa.string()), ("name", pa.string()), ("modality", pa.string())])),
        ),  # null: one file
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sha256", pa.string()),
        ("sequence", pa.string()),
        ("frame", pa.int64()),
        ("split", pa.string()),
        ("group", pa.string()),  # patient, scene, drive: what must not be separated
        ("camera", pa.string()),
        ("timestamp", pa.string()),
        ("roi", pa.binary()),  # where labels are expected: COCO counts; null: everywhere
        ("metadata", TEXTS),
    ]
)

ANNOTATIONS = pa.schema(
    [
        ("image_id", pa.string()),
        ("annotator", pa.string()),  # null: the source names none
        ("source", pa.string()),  # human | model | consensus
        ("stage", pa.string()),  # drafted | annotated | reviewed | adjudicated | accepted
        ("reviewer", pa.string()),
        ("created", pa.string()),
        ("seconds", pa.float64()),
        ("coverage", pa.string()),  # as in core.coverage; null: as the dataset
        ("attributes", TEXTS),
    ]
)

SEQUENCES = pa.schema(
    [
        ("sequence", pa.string()),
        ("kind", pa.string()),  # video | volume
        ("affine", pa.list_(pa.float64(), 16)),
        ("axes", pa.string()),
        ("spacing", pa.list_(pa.float64(), 3)),  # mm
        ("dtype", pa.string()),
        ("header", pa.binary()),
    ]
)

SEGMENTS = pa.schema(
    [
        ("image_id", pa.string()),
        ("annotator", pa.string()),
        ("segment_id", pa.int64()),
        ("source_id", pa.string()),  # the source's own id where that is not an integer
        ("category_id", pa.int64()),
        ("also", pa.list_(pa.int64())),  # secondary categories
        ("counts", pa.binary()),  # COCO compressed RLE
        ("area", pa.int64()),  # pixels
        ("bbox", pa.list_(pa.int32(), 4)),  # x, y, width, height in pixels
        ("iscrowd", pa.bool_()),
        ("track_id", pa.int64()),
        ("score", pa.float64()),
        ("source", pa.string()),
        ("rings", pa.list_(pa.list_(pa.float64()))),  # the source's polygon; null once an edit changes the pixels
        ("attributes", TEXTS),
    ]
)

# In memory a segment knows its annotation by row, its pixels as runs; a raw source adds what its files declare.
BATCH_IMAGES = IMAGES
BATCH_ANNOTATIONS = pa.schema(
    [
        ("image", pa.int32()),  # row of the batch's images
        *[field for field in ANNOTATIONS if field.name != "image_id"],
        ("encoding", pa.string()),  # how the mask file stores values ("palette 8 bit"); null: no mask file
        ("file", pa.string()),  # where the annotation was read from; the first of several
    ]
)
BATCH_SEGMENTS = pa.schema(
    [
        ("annotation", pa.int32()),  # row of the batch's annotations
        *[field for field in SEGMENTS if field.name not in ("image_id", "annotator", "counts", "area", "bbox")],
        ("declared_area", pa.float64()),
        ("declared_bbox", pa.list_(pa.float64())),
        ("file", pa.string()),  # where the segment was read from
        ("place", pa.string()),  # a JSON pointer or pixel value in that file
    ]
)


def table(schema: pa.Schema, n_rows: int, **columns: object) -> pa.Table:
    """A table of `schema`; columns not given are null. Values may be sequences, numpy or Arrow arrays."""
    unknown = columns.keys() - set(schema.names)
    if unknown:
        raise KeyError(f"no such column: {sorted(unknown)}")
    arrays = []
    for field in schema:
        given = columns.get(field.name)
        if given is None:
            arrays.append(pa.nulls(n_rows, field.type))
        elif isinstance(given, (pa.Array, pa.ChunkedArray)):
            arrays.append(given.cast(field.type) if given.type != field.type else given)
        else:
            arrays.append(pa.array(given, type=field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def flat_bytes(values: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of n texts or binaries one after the other, and where each begins and the last ends (n + 1,).

    Null counts as empty. Nothing is copied where there is no null.
    """
    large = values.fill_null(b"" if pa.types.is_binary(values.type) else "").cast(pa.large_binary())
    _, offsets, data = large.buffers()
    offset = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return text, offset
