"""Cluster writer: a canonical dataset whose segments workers write; nothing refers to it until all is there.

The portions of images, and so the row groups and files, are those that one process writes: the bytes are the same.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from segdata.core.atomic_files import sync, unique_token
from segdata.core.cluster import Cluster, ClusterError, Portion, RemoteDataset
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Defect
from segdata.core.format import LossCounter
from segdata.core.paths import as_url
from segdata.core.storage import size_of, upload_file
from segdata.formats.shapes.polygons import RasterDisagreement, raster_disagreement
from segdata.store.revision_reader import part_name
from segdata.store.revision_writer import (
    RevisionWriter,
    annotation_rows,
    commit_revision,
    segment_rows,
    write_part,
)

if TYPE_CHECKING:
    from distributed import Future

    from segdata.core.batch import Batch


def load_on_cluster(cluster: Cluster, data: OpenDataset, *, in_order: bool = True) -> "Iterator[Batch]":
    """The batches of a dataset, loaded by workers; few wait at once. See `OpenDataset.batches`."""
    remote, cut = RemoteDataset.cut(data)
    portions = data.sorted_chunks() if in_order else data.chunks()
    return cluster.run_ordered(_load, map(cut, portions), cluster.share(remote))


def _load(portion: Portion, remote: RemoteDataset) -> "Batch":
    return remote.load(portion)


@dataclass(frozen=True, slots=True)
class EncodedPortion:
    """A portion of images as canonical rows, in a worker."""

    images: pa.Table
    annotations: pa.Table
    segments: pa.Table
    defects: tuple[Defect, ...]
    apart: RasterDisagreement | None


@dataclass(frozen=True, slots=True)
class PortionSummary:
    """What comes back of a portion: the rows of images and annotations, how many segments, and what was met."""

    images: pa.Table
    annotations: pa.Table
    n_segments: int
    defects: tuple[Defect, ...]
    apart: RasterDisagreement | None


def _encode(portion: Portion, remote: RemoteDataset, *, compare: bool) -> EncodedPortion:
    batch = remote.load(portion)
    apart = raster_disagreement(batch) if compare else None
    return EncodedPortion(batch.images, annotation_rows(batch), segment_rows(batch), batch.defects, apart)


def _summarise(portion: EncodedPortion) -> PortionSummary:
    n = portion.segments.num_rows
    return PortionSummary(portion.images, portion.annotations, n, portion.defects, portion.apart)


def _write_part(portions: list[EncodedPortion], path: str) -> int:
    """Write a part file, in a worker, completely or not at all; returns its size in bytes."""
    if as_url(path) is not None:
        with TemporaryDirectory(prefix="segdata-") as scratch:
            made = Path(scratch) / "part.parquet"
            write_part(made, (portion.segments for portion in portions))
            return upload_file(made, path)
    target = Path(path)
    partial = target.with_name(f".{target.name}.{unique_token()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_part(partial, (portion.segments for portion in portions))
        sync(partial)
        partial.replace(target)
    except OSError as error:
        raise ClusterError(f"{path}: a worker cannot write it ({error.strerror}); {_SHARED}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return target.stat().st_size


_SHARED = "the target must be on a disk that all workers share, at the same path, or a URL such as s3://"


def write_canonical_on_cluster(
    cluster: Cluster,
    data: OpenDataset,
    target: Path,
    losses: LossCounter,
    made: str | None,
    seen: Callable[[PortionSummary], None],
    finish: Callable[[], None],
    parts_url: str | None = None,
) -> None:
    """Write a dataset as the revision r0001, as `segdata.store.revision_writer.write_canonical` does.

    Parameters
    ----------
    cluster : loads, encodes and writes the segments; images and annotations come here, in order
    made : as for `write_canonical`
    seen : is called with the summary of each portion, in order
    finish : is called before the manifest is written, which lists the losses
    parts_url : where workers write the files of segments, the URL of the dataset; None: to `target`, on a shared disk
    """
    remote_data, cut = RemoteDataset.cut(data)
    remote, portions = cluster.share(remote_data), map(cut, data.sorted_chunks())
    compare = data.profile.raster_rule not in ("coco", "mask-native")
    folder = target / "r0001"
    place = str((folder / "segments").absolute()) if parts_url is None else f"{parts_url}/r0001/segments"
    parts: list[Future] = []
    target.mkdir(parents=True, exist_ok=True)
    with RevisionWriter(folder, target, writes_parts=False) as writer:
        waiting: list[Future] = []
        for summary, encoded in cluster.pipeline(_encode, _summarise, portions, remote, compare=compare):
            number = writer.n_parts
            writer.add_rows(summary.images, summary.annotations, summary.n_segments)
            if writer.n_parts != number and waiting:
                parts.append(_submit_part(cluster, waiting, place, number - 1))
                waiting = []
            if summary.n_segments:
                waiting.append(encoded)
            seen(summary)
        if waiting or writer.n_parts == 0:
            parts.append(_submit_part(cluster, waiting, place, max(writer.n_parts - 1, 0)))
            waiting = []
        _check_parts(place, cluster.results(parts))
    finish()
    commit_revision(data.profile, target, writer.n_parts, losses, made)


def _submit_part(cluster: Cluster, portions: "list[Future]", place: str, number: int) -> "Future":
    return cluster.submit(_write_part, portions, f"{place}/{part_name(number)}")


def _check_parts(place: str, sizes: Iterable[int]) -> None:
    """Raise ClusterError where a part that a worker has written is not there."""
    for number, size in enumerate(sizes):
        path = f"{place}/{part_name(number)}"
        if (size_of(path) if as_url(path) else _file_size(Path(path))) != size:
            raise ClusterError(f"{path}: a worker has written it to a disk of its own; {_SHARED}")


def _file_size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
