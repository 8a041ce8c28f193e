"""Revision writer: the Parquet tables of a canonical dataset, written batch by batch, by this machine or a cluster."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.atomic_files import sync, sync_tree, unique_token, write_whole
from segdata.core.batch import Batch, replace_column
from segdata.core.cluster import Cluster, ClusterError, Portion, RemoteDataset
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Defect
from segdata.core.losses import LossCounter
from segdata.core.paths import as_url, relative_channels, relative_uri
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import bounding_boxes
from segdata.core.schema import ANNOTATIONS, IMAGES, SEGMENTS, SEQUENCES, runs_to_rle
from segdata.core.storage import size_of, upload_file
from segdata.core.taxonomy import dump_taxonomy
from segdata.formats.shapes.polygons import RasterDisagreement, raster_disagreement
from segdata.store import manifest as manifests
from segdata.store.manifest import DeclaredPolicy, Lost, Manifest, Origin, Revision
from segdata.store.revision_reader import part_name

if TYPE_CHECKING:
    from distributed import Future
    from pyarrow.parquet import ParquetWriter


_GROUP_SEGMENTS = 8_192  # minimum size of a row group, which is completed by its last image
PART_SEGMENTS = 1_000_000  # size at which the next part file begins
# Polygons are drawn on a grid of 0.01 or 0.1 px, so their coordinates repeat: a third smaller with a dictionary.
_RINGS = "rings.list.element.list.element"
_LEVELS = {"counts": 9, _RINGS: 3}  # zstd's, 1 for other columns: level 9 makes counts 6 % smaller than level 3


class RevisionWriter:
    """Writes the tables of one revision into a folder; nothing refers to them until the manifest is committed.

    Batches must come in ascending order of image_id, every image once: so each row group holds whole images, and its
    statistics on image_id lead a reader to the row groups of an image. If `writes_parts` is false, workers write the
    files of segments.
    """

    def __init__(self, folder: Path, root: Path, *, writes_parts: bool = True) -> None:
        self._writes_parts = writes_parts
        self._folder, self._root = folder, root
        self._stack = ExitStack()
        self._last_image = ""
        self._part: ParquetWriter | None = None
        self._part_rows = self._n_parts = 0

    def __enter__(self) -> "RevisionWriter":
        (self._folder / "segments").mkdir(parents=True)
        self._images = self._open(self._folder / "images.parquet", IMAGES)
        self._annotations = self._open(self._folder / "annotations.parquet", ANNOTATIONS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._n_parts == 0 and kind is None:
            self._next_part()
        self._stack.close()
        if self._part is not None:
            self._part.close()

    @property
    def n_parts(self) -> int:
        """The number of part files of segments so far."""
        return self._n_parts

    def add(self, batch: Batch) -> None:
        """Append the images of a batch."""
        if batch.images.num_rows == 0:
            return
        self.add_rows(batch.images, annotation_rows(batch), batch.n_segments)
        if batch.n_segments:
            assert self._part is not None
            _write_row_groups(self._part, segment_rows(batch))

    def add_rows(self, images: pa.Table, annotations: pa.Table, n_segments: int) -> None:
        """Append images and canonical annotations, and count their segments, which a worker may write.

        Raises ValueError unless images come in ascending order of image_id, each once.
        """
        names = images["image_id"].to_pylist()
        if any(a >= b for a, b in zip([self._last_image, *names], names, strict=False) if a):
            raise ValueError(f"images must come in ascending order of image_id, each once: {names[0]!r} …")
        self._last_image = names[-1]
        self._images.write_table(self._with_relative_uris(images))
        self._annotations.write_table(annotations)
        if n_segments:
            if self._n_parts == 0 or self._part_rows >= PART_SEGMENTS:
                self._next_part()
            self._part_rows += n_segments

    def _next_part(self) -> None:
        if self._part is not None:
            self._part.close()
        if self._writes_parts:
            self._part = open_writer(self._folder / "segments" / part_name(self._n_parts), SEGMENTS)
        self._n_parts, self._part_rows = self._n_parts + 1, 0

    def _open(self, path: Path, schema: pa.Schema) -> "ParquetWriter":
        return self._stack.enter_context(open_writer(path, schema))

    def _with_relative_uris(self, images: pa.Table) -> pa.Table:
        """Make the URIs of images inside the dataset's folder relative, so that the folder can be moved."""
        uris = [relative_uri(uri, self._root) for uri in images["uri"].to_pylist()]
        channels = [relative_channels(image_channels, self._root) for image_channels in images["channels"].to_pylist()]
        return replace_column(replace_column(images, "uri", uris), "channels", channels).cast(IMAGES)


def write_sequences(folder: Path, sequences: Iterable[ImageSequence]) -> None:
    """Write sequences.parquet."""
    rows = [
        {
            "sequence": sequence.name,
            "kind": sequence.kind,
            "affine": sequence.affine,
            "axes": sequence.axes,
            "spacing": sequence.spacing,
            "dtype": sequence.dtype,
            "header": sequence.header,
        }
        for sequence in sequences
    ]
    with open_writer(folder / "sequences.parquet", SEQUENCES) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=SEQUENCES))


def annotation_rows(batch: Batch) -> pa.Table:
    """The annotations of a batch as canonical rows."""
    image_id = batch.images["image_id"].take(batch.annotations["image"])
    return pa.Table.from_arrays(
        [image_id if name == "image_id" else batch.annotations[name] for name in ANNOTATIONS.names], schema=ANNOTATIONS
    )


def segment_rows(batch: Batch) -> pa.Table:
    """The segments of a batch as canonical rows, pixels as compressed counts."""
    height, width = batch.segment_size
    n_segments = batch.n_segments
    box = np.stack(bounding_boxes(batch.runs, height, n_segments), axis=1).astype(np.int32)
    computed = {
        "image_id": batch.images["image_id"].take(pa.array(batch.segment_image)),
        "annotator": batch.annotations["annotator"].take(batch.segments["annotation"]),
        "counts": runs_to_rle(batch.runs, height, width),
        "area": pa.array(batch.runs.areas(n_segments)),
        "bbox": pa.FixedSizeListArray.from_arrays(pa.array(box.ravel()), 4),
    }
    arrays = [computed.get(name, batch.segments[name] if name not in computed else None) for name in SEGMENTS.names]
    return pa.Table.from_arrays(arrays, schema=SEGMENTS)


def open_writer(path: Path, schema: pa.Schema) -> "ParquetWriter":
    """Open a Parquet file of this schema for writing, with the compression of canonical tables."""
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    from pyarrow.parquet import ParquetWriter  # slow to import, and only canonical data need it

    return ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_LEVELS if "counts" in schema.names else None,
        use_dictionary=[*texts, *([_RINGS] if "rings" in schema.names else [])],
        write_statistics=["image_id"] if "image_id" in schema.names else False,
    )


def write_canonical(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, made: str | None = None
) -> None:
    """Write batches (images in ascending order of image_id) as the revision r0001.

    `made`: a short description of its origin; default: the format from which it is converted.
    """
    name = "r0001"
    target.mkdir(parents=True, exist_ok=True)
    with RevisionWriter(target / name, target) as writer:
        for batch in batches:
            writer.add(batch)
    commit_revision(profile, target, writer.n_parts, losses, made)


def write_part(path: Path, portions: Iterable[pa.Table]) -> None:
    """Write a file of segments, from portions of canonical rows."""
    with open_writer(path, SEGMENTS) as writer:
        for rows in portions:
            _write_row_groups(writer, rows)


def _write_row_groups(writer: "ParquetWriter", rows: pa.Table) -> None:
    """Write canonical rows of segments in row groups of some thousand rows of whole images.

    A reader of one image, such as a data loader, has to read its whole group.
    """
    names = rows["image_id"]
    first = np.concatenate([[0], np.flatnonzero(pc.not_equal(names[1:], names[:-1]).to_numpy()) + 1])  # of each image
    starts = first[np.flatnonzero(np.diff(first // _GROUP_SEGMENTS, prepend=-1))]
    for start, end in itertools.pairwise([*starts.tolist(), rows.num_rows]):
        writer.write_table(rows.slice(start, end - start), row_group_size=end - start)


def commit_revision(profile: Profile, target: Path, n_parts: int, losses: LossCounter, made: str | None) -> None:
    """Complete the written revision r0001, and make it the current one of a new dataset."""
    name = "r0001"
    write_sequences(target / name, profile.sequences)
    sync_tree(target)  # before the manifest names it
    write_whole(target / "taxonomy.yaml", dump_taxonomy(profile.taxonomy))
    manifests.commit(
        target,
        Manifest(
            segdata=manifests.VERSION,
            name=profile.name,
            task=profile.task,
            coverage=DeclaredPolicy(profile.coverage.value, profile.coverage.declared),
            overlap=DeclaredPolicy(profile.overlap.value, profile.overlap.declared),
            raster_rule=profile.raster_rule,
            taxonomy_declared=profile.taxonomy_declared,
            named_by_files=profile.named_by_files,
            origin=Origin(
                profile.format, _origin_path(profile.files), tuple(Lost.from_loss(loss) for loss in losses.listed())
            ),
            revision=name,
            revisions=(Revision(name, manifests.now(), made or f"converted from {profile.format}", parts=n_parts),),
            # Categories are stored by id, so that old names are dropped.
            metadata={key: text for key, text in profile.metadata.items() if key != "aliases_used"},
        ),
    )


def _origin_path(files: str) -> str:
    """The path of the source, independent of the working directory: an absolute POSIX path, or a URI."""
    return files if not files or "://" in files else Path(files).absolute().as_posix()


def load_on_cluster(cluster: Cluster, data: OpenDataset, *, in_order: bool = True) -> "Iterator[Batch]":
    """Yield the batches of a dataset, loaded by workers, with a limited number in flight. See `OpenDataset.batches`."""
    remote, cut = RemoteDataset.cut(data)
    portions = data.sorted_chunks() if in_order else data.chunks()
    return cluster.run_ordered(_load, map(cut, portions), cluster.share(remote))


def _load(portion: Portion, remote: RemoteDataset) -> "Batch":
    return remote.load(portion)


@dataclass(frozen=True, slots=True)
class EncodedPortion:
    """A portion of images as canonical rows; used by workers."""

    images: pa.Table
    annotations: pa.Table
    segments: pa.Table
    defects: tuple[Defect, ...]
    apart: RasterDisagreement | None


@dataclass(frozen=True, slots=True)
class PortionSummary:
    """The result of writing a portion: rows of images and annotations, number of segments, and defects."""

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
    """Write a part file in a worker, atomically; returns its size in bytes."""
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
    """Raise ClusterError if a part that a worker has written is missing."""
    for number, size in enumerate(sizes):
        path = f"{place}/{part_name(number)}"
        if (size_of(path) if as_url(path) else _file_size(Path(path))) != size:
            raise ClusterError(f"{path}: a worker has written it to a disk of its own; {_SHARED}")


def _file_size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
