"""A revision of a canonical dataset on disk, opened: small tables are read now, segments when they are asked for."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segdata.core.columns import ANNOTATIONS, IMAGES, SEGMENTS, SEQUENCES
from segdata.core.defect import Defect
from segdata.core.errors import UnreadableError
from segdata.core.profile import Profile
from segdata.store.source import CanonicalSource, Part, conformed, unreadable
from segdata.store.write import part_name, sequences_of


def open_revision(folder: Path, root: Path, profile: Profile, n_parts: int = 0) -> CanonicalSource:
    """The revision in `folder` of the dataset at `root`, of which dataset.yaml and taxonomy.yaml say `profile`.

    `n_parts`: how many part files of segments there must be, at least. Raises UnreadableError where there is no folder.
    """
    if not folder.is_dir():
        raise UnreadableError(f"{root}: dataset.yaml names revision {folder.name}, which has no folder")
    defects: list[Defect] = []
    images, annotations = (
        _whole(folder / f"{name}.parquet", root, schema, defects)
        for name, schema in (("images", IMAGES), ("annotations", ANNOTATIONS))
    )
    path = folder / "sequences.parquet"
    sequences = _whole(path, root, SEQUENCES, defects) if path.exists() else None
    paths = {folder / "segments" / part_name(number) for number in range(n_parts)}
    paths.update(folder.glob("segments/*.parquet"))
    return CanonicalSource(
        profile if sequences is None else replace(profile, sequences=sequences_of(sequences)),
        images,
        annotations,
        [part for path in sorted(paths) for part in _parts(path, root, defects)],
        files=(f"{folder.name}/images.parquet", f"{folder.name}/annotations.parquet"),
        root=root,
        defects=defects,
    )


def _whole(path: Path, root: Path, schema: pa.Schema, defects: list[Defect]) -> pa.Table | None:
    """A table that is small enough to hold; None, with a defect, where it is damaged."""
    try:
        return conformed(pq.ParquetFile(path).read(), schema).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        defects.append(unreadable("the table", error, path.relative_to(root).as_posix()))
        return None


def _parts(path: Path, root: Path, defects: list[Defect]) -> Iterator[Part]:
    """The row groups of a file of segments."""
    name = path.relative_to(root).as_posix()
    try:
        file = pq.ParquetFile(path)
        for number in range(file.num_row_groups):
            ids = pc.unique(file.read_row_group(number, columns=["image_id"])["image_id"].cast(pa.string()))
            ids.validate(full=True)
            yield Part(name, f"row group {number}", ids, partial(_row_group, path, number))
    except (OSError, KeyError, pa.ArrowException) as error:
        defects.append(unreadable("the part", error, name))


def _row_group(path: Path, number: int) -> pa.Table:
    return conformed(pq.ParquetFile(path).read_row_group(number), SEGMENTS)


def free_id(folder: Path) -> int:
    """A segment id that no segment of the revision in `folder` has, nor any smaller than it; at least 1."""
    highest = 0
    for path in folder.glob("segments/*.parquet"):
        found = pc.max(pq.ParquetFile(path).read(columns=["segment_id"])["segment_id"]).as_py()
        highest = max(highest, found or 0)
    return highest + 1
