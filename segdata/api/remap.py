"""Remap: a dataset under other categories: renamed, joined and dropped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

from segdata.api.convert import Conversion, convert
from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.core.errors import SegdataError, count_noun
from segdata.store.remap import TaxonomyMap


def remap(
    data: Data,
    target: str | Path,
    mapping: str | Path | Mapping[str, str | None],
    *,
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Rename, join and drop categories: `segdata.Dataset.remap` of ``read(data, **opening)``."""
    if isinstance(mapping, Mapping):
        if not mapping:
            raise SegdataError("name a category to rename or drop")
        category_map: str | Path | TaxonomyMap = TaxonomyMap(categories=dict(mapping))
        origin = f"categories mapped: {', '.join(f'{old} -> {new or None}' for old, new in list(mapping.items())[:8])}"
        origin += f" and {count_noun(len(mapping) - 8, 'other')}" if len(mapping) > 8 else ""
    else:
        category_map, origin = mapping, f"categories mapped by {Path(mapping).name}"
    return convert(
        read(data, **opening),
        target,
        taxonomy_map=category_map,
        copy_images=copy_images,
        jobs=jobs,
        progress=progress,
        write_options={"made": origin},
    )
