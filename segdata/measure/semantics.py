"""Semantics: what segments say of themselves beside their category: attributes, and secondary categories."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch
from segdata.core.taxonomy import Taxonomy


def attributes(batch: Batch, taxonomy: Taxonomy) -> pa.Table:
    """One row per attribute that a segment has and the taxonomy names: segment, name, value (JSON text; null: none)."""
    names = sorted({each.name for category in taxonomy.categories for each in category.attributes})
    said = batch.segments["attributes"].combine_chunks()
    count = pc.fill_null(pc.list_value_length(_as_list(said)), 0).to_numpy(zero_copy_only=False)
    entries = _as_list(said).flatten()
    key, value = entries.field(0), entries.field(1)
    named = pc.is_in(key, value_set=pa.array(names, pa.string()))
    segment = pa.array(np.repeat(np.arange(batch.n_segments, dtype=np.int64), count))
    return pa.table({"segment": segment, "name": key, "value": value}).filter(named)


def also(batch: Batch) -> pa.Table:
    """One row per secondary category of a segment: segment, category_id."""
    said = batch.segments["also"].combine_chunks()
    count = pc.fill_null(pc.list_value_length(said), 0).to_numpy(zero_copy_only=False)
    segment = np.repeat(np.arange(batch.n_segments, dtype=np.int64), count)
    return pa.table({"segment": segment, "category_id": said.flatten()})


def _as_list(maps: pa.Array) -> pa.Array:
    """A map column as lists of key and value: maps have no length of their own in pyarrow."""
    return maps.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])))
