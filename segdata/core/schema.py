"""Schema: the columns of the canonical tables, and COCO's compressed RLE, the form of pixels on disk."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core import kernels
from segdata.core.runs import Ints, Runs

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
        ("coverage", pa.string()),  # as `core.config.encode_coverage` writes it; null: as the dataset
        ("attributes", TEXTS),
    ]
)

SEQUENCES = pa.schema(
    [
        ("sequence", pa.string()),
        ("kind", pa.string()),  # video | volume
        # Lists have no fixed size (`SEQUENCE_LENGTHS`): pyarrow before 26 reads none of these that is null.
        ("affine", pa.list_(pa.float64())),
        ("axes", pa.string()),
        ("spacing", pa.list_(pa.float64())),
        ("dtype", pa.string()),
        ("header", pa.binary()),
    ]
)
SEQUENCE_LENGTHS = {"affine": 16, "spacing": 3}  # row by row; mm

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


def make_table(schema: pa.Schema, n_rows: int, **columns: object) -> pa.Table:
    """A table of `schema`; columns not given are null. Values may be sequences, numpy or Arrow arrays.

    Raises KeyError if `schema` has no such column.
    """
    unknown = columns.keys() - set(schema.names)
    if unknown:
        raise KeyError(f"no such column: {sorted(unknown)}")
    arrays = []
    for field in schema:
        values = columns.get(field.name)
        if values is None or (isinstance(values, list) and values.count(None) == len(values) == n_rows):
            arrays.append(pa.nulls(n_rows, field.type))
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            arrays.append(values.cast(field.type) if values.type != field.type else values)
        else:
            arrays.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def flat_bytes(values: pa.Array) -> tuple[NDArray[np.uint8], Ints]:
    """The bytes of n texts or binaries in one array, and their offsets (n + 1,).

    Null counts as empty. If there is no null, nothing is copied.
    """
    large = values.fill_null(b"" if pa.types.is_binary(values.type) else "").cast(pa.large_binary())
    _, offsets, data = large.buffers()
    offset = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return text, offset


RLE_ERRORS = {
    1: "counts hold a byte that no compressed RLE has",
    2: "counts end in the middle of a number, or hold one that is too long",
    3: "counts hold a negative number",
    4: "counts sum to less than height x width",
    5: "counts sum to more than height x width",
}


def rle_to_runs(counts: pa.Array, height: Ints, width: Ints) -> tuple[Runs, NDArray[np.uint8]]:
    """Runs of n segments and an error code each (0: fine, else a key of `RLE_ERRORS`; such a segment has no runs).

    `counts` (n,) binary, COCO compressed RLE; `height` and `width` (n,) of each segment's image, in pixels.
    """
    text, offset = flat_bytes(counts)
    start, length, owner, error = kernels.decode_counts(text, offset, height, width)
    return Runs(start, length, owner), error


def runs_to_rle(runs: Runs, height: Ints, width: Ints) -> pa.Array:
    """(n,) binary: the compressed RLE of every owner, byte for byte as pycocotools writes it."""
    n_owners = len(height)
    text, offset = kernels.encode_counts(runs.start, runs.length, runs.offsets(n_owners), height, width)
    large = pa.Array.from_buffers(pa.large_binary(), n_owners, [None, pa.py_buffer(offset), pa.py_buffer(text)])
    return large.cast(pa.binary())
