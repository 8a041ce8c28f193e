"""Convert a dataset from one format to another, count what is lost, and verify the result."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import numpy as np

from segdata.api.read import Data, ReadOptions, read
from segdata.api.result import records_table
from segdata.core.batch import Batch
from segdata.core.cluster import Cluster, connect
from segdata.core.config import Option
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, check_choice, count_noun, reworded_errors
from segdata.core.executor import Progress, default_jobs, no_progress
from segdata.core.finding import Defect
from segdata.core.format import Format, find_format
from segdata.core.losses import LOSSES_FILE, Loss, LossCounter, LossError
from segdata.core.paths import as_url
from segdata.core.profile import Profile
from segdata.core.rule_runner import reader_errors, select_rules
from segdata.core.storage import check_free_url, delete_below, join_url, upload
from segdata.dataset import Dataset
from segdata.formats.shapes.polygons import RasterDisagreement, raster_disagreement
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.image_index import INDEX_FILE
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.writing import segment_examples
from segdata.report.edits import ConversionOutcome, DataLocation, certificate_json
from segdata.store.diff.compare import verify_conversion
from segdata.store.output import ImageCopies, StagedOutput, check_free, move_beside_masks
from segdata.store.remap import Remap, TaxonomyMap, with_taxonomy_map
from segdata.store.revision_writer import PortionSummary, load_on_cluster, write_canonical_on_cluster

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client


_COCO_RULES = frozenset({"coco", "mask-native"})  # raster rules under which COCO's polygons have the same pixels

# Defects with which part of the source is not read. After other defects, everything is read, as is an image with an
# unsafe path (SEG015) that was renamed.
_UNREAD_CODES = frozenset({"SEG001", "SEG004", "SEG005", "SEG006", "SEG007", "SEG009", "SEG014", "SEG015", "SEG021"})


def _is_unread(defect: Defect) -> bool:
    """Whether a defect means that part of the source was not read; for SEG017 only if values are no integers."""
    if defect.lost is not None:
        return defect.lost
    return defect.code in _UNREAD_CODES or (defect.code == "SEG017" and bool(defect.pixels))


class ConversionStream:
    """Counts the batches on their way to the writer; unreadable data are a loss at the end."""

    def __init__(
        self, dataset: OpenDataset, losses: LossCounter, progress: Callable[[int], None], remap: Remap | None = None
    ) -> None:
        self.losses, self.defects = losses, list(dataset.source.defects)
        self.n_images = self.n_segments = 0
        self._batch: Batch | None = None  # the one that is being written
        self.apart: RasterDisagreement | None = (
            None if dataset.profile.raster_rule in _COCO_RULES else RasterDisagreement()
        )
        self._dataset, self._progress, self._remap = dataset, progress, remap

    def _unread(self) -> list[Defect]:
        """The defects due to which part of the source was not read."""
        lost = [defect for defect in self.defects if defect.severity != "info" and _is_unread(defect)]
        present = (
            set(self._dataset.source.image_ids) if any(defect.code == "SEG015" for defect in lost) else frozenset()
        )
        return [defect for defect in lost if defect.code != "SEG015" or defect.image not in present]

    def batches(self, jobs: int, loaded: Iterable[Batch] | None = None) -> Iterator[Batch]:
        """Yield all batches in ascending order of image_id, or those of `loaded`, which has this order."""
        for batch in self._dataset.batches(jobs, in_order=True) if loaded is None else loaded:
            apart = None if self.apart is None else raster_disagreement(batch)
            self.count(batch.n_segments, batch.defects, apart)
            self._batch = batch
            yield batch
            self.advance(batch.images.num_rows)
        self._batch = None
        self.finish()

    def out_of_memory(self, format: str) -> SegdataError:
        """The message if memory runs out: the largest image of the current batch, and the remedy."""
        where = ""
        if self._batch is not None:
            columns = self._batch.images.select(["image_id", "width", "height"]).to_pylist()
            largest = max(columns, key=lambda image: image["width"] * image["height"])
            size = f"{largest['width']:,} x {largest['height']:,} pixels"
            where = f"; the largest image that was being written is {largest['image_id']!r} ({size})"
        return SegdataError(
            f"{self._dataset.profile.files}: out of memory while writing {format}{where}; if that is its size, try "
            "--jobs 1, more memory, or a format of polygons or run lengths such as coco-instances"
        )

    def count(self, n_segments: int, defects: Iterable[Defect], apart: RasterDisagreement | None) -> None:
        """Count a batch; `apart`: the difference of its pixels from COCO's, if requested."""
        self.defects.extend(defects)
        self.n_segments += n_segments
        if self.apart is not None and apart is not None:
            self.apart += apart

    def advance(self, n_images: int) -> None:
        """Count images that are written."""
        self.n_images += n_images
        self._progress(n_images)

    def finish(self) -> None:
        """Count unreadable data, when everything except the list of losses is written."""
        if self._remap is not None:
            self._remap.count(self.losses)
        unread = self._unread()
        examples = (
            " ".join(filter(None, (defect.code, "in", defect.file or defect.image, defect.place))) for defect in unread
        )
        pixels = sum(defect.pixels or 0 for defect in unread)
        self.losses.add("unreadable", "defects", len(unread), pixels, examples)

    def check(self, on_loss: Literal["warn", "error", "allow"]) -> tuple[Loss, ...]:
        """The losses; raises SegdataError if there was nothing to write, LossError if a loss is not allowed."""
        if self.n_images == 0:
            first = f": {self.defects[0].file or ''}: {self.defects[0].message}" if self.defects else ""
            raise SegdataError(f"{self._dataset.profile.files}: no image could be read{first}")
        losses = self.losses.listed()
        if on_loss == "error" and losses:
            raise LossError(losses)
        return tuple(losses)


OnLoss = Literal["warn", "error", "allow"]


class Conversion(ConversionOutcome):
    """The result of a conversion.

    Attributes
    ----------
    target, format : what was written, and its format
    n_images, n_segments : how many were read; `losses` tells what of them the target does not have
    losses : by the target format, and by defects of the source
    defects : of the source; `validate` turns these into findings
    verified : how many segments came back with the same image, category and pixels; None: not asked for
    n_errors : how many of the defects `validate` calls errors; what they concern may be missing or wrong
    proof : whether anything differs that no counted loss explains; None: not asked for
    certificate : the file that lists the losses; None if dataset.yaml does
    apart : how far the source's own rule for drawing polygons and COCO's are apart; None if they are the same
    not_copied : with `copy_images`, a line for each reason why images were not copied, or not put where programs look
    """

    __slots__ = ()

    def table(self) -> "pd.DataFrame":
        """The losses as a pandas table, one row each: kind, of, count, pixels, examples."""
        return records_table(self.losses, ["kind", "of", "count", "pixels", "examples", "images"])

    def __repr__(self) -> str:
        read = f"{count_noun(self.n_images, 'image')}, {count_noun(self.n_segments, 'segment')}"
        losses = count_noun(len(self.losses), "kind of loss", "kinds of loss")
        written = f"{read} to {str(self.target)!r} ({self.format})"
        return f"Conversion({written}; {losses}, {count_noun(len(self.defects), 'defect')})"


def convert(
    data: Data,
    target: str | Path,
    *,
    to: str = "canonical",
    on_loss: OnLoss = "warn",
    verify: bool = False,
    copy_images: bool | Callable[[Path], ImageCopies] = False,
    jobs: int = 0,
    progress: Progress = no_progress,
    announce: Callable[[Sequence[Loss]], None] = no_progress,
    write_options: Mapping[str, Option] | None = None,
    taxonomy_map: str | Path | TaxonomyMap | None = None,
    client: "Client | str | None" = None,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Write the dataset in another format, and count exactly what that format cannot hold.

    Parameters
    ----------
    target : a folder or file that does not exist, or a URL where nothing is (``s3://bucket/data``), whose files are
        written by the time that the one comes which makes them a dataset
    copy_images, jobs, progress : see `Dataset`; instead of `copy_images`, a function
        that makes the copier of a folder
    to : the name of the format, as ``segdata formats`` lists them
    on_loss : ``error``: raise LossError and write nothing if anything would be lost; ``warn``, ``allow``: count losses
    verify : read the target again and compare everything; `proof.holds` says whether only counted losses differ
    taxonomy_map : a YAML file: old category -> new one
    write_options : of the format, as ``segdata formats NAME`` lists them
    client : read, decode and encode on a Dask cluster: a `distributed.Client`, or the address of its scheduler. Its
        workers write the segments of a canonical target, which must be on a disk that they share; this process writes
        other formats. The target is the same, byte for byte
    announce : called with all losses when everything is written, but before it is moved into place

    Losses are counted in the same pass that writes the target, under a hidden name: which pixels are lost is known only
    when they are painted. A killed conversion leaves only files with hidden names; the next one to this target removes
    it. A target that another program is writing is refused.

    A certificate of the losses goes with the result: in dataset.yaml of a canonical dataset, as ``losses.json`` in
    another folder, as ``coco.losses.json`` beside ``coco.json``.
    """
    check_choice("on_loss", on_loss, get_args(OnLoss))
    format = find_format(to)
    to = format.name
    if format.write is None:
        raise SegdataError(f"format {to} can only be read")
    options = write_options or {}
    format.check_options(options, "write")
    with default_jobs(jobs):
        dataset: OpenDataset = read(data, **opening)
    remap: Remap | None = None
    if taxonomy_map is not None:
        dataset, remap = with_taxonomy_map(dataset, taxonomy_map)
    select_rules(dataset.config)  # report configuration errors before anything is written
    dataset, left_out = _writable_names(dataset, format)
    plan = _Plan(
        dataset=dataset,
        left_out=left_out,
        format=format,
        on_loss=on_loss,
        copy_images=copy_images,
        jobs=jobs,
        progress=progress,
        announce=announce,
        options=options,
        remap=remap,
        client=client,
    )
    if (url := as_url(target)) is not None:
        return plan.write_to_url(url, verify)
    done = plan.write(Path(target))
    return _verify(dataset, done, jobs) if verify else done


_IMAGES_PER_CHUNK = 64  # loaded together to count their segments


def _writable_names(dataset: OpenDataset, format: Format) -> tuple[OpenDataset, Callable[[LossCounter], None]]:
    """The dataset without images whose names the format cannot hold, and a function that counts them as lost."""
    image_ids, rows = dataset.source.image_ids, dataset.source_rows
    reasons = {row: why for row in rows.tolist() if (why := format.names.why_not(image_ids[row]))}
    if not reasons:
        return dataset, lambda losses: None
    names = [f"{image_ids[row]!r}: {why}" for row, why in reasons.items()]
    if len(reasons) == len(rows):
        raise SegdataError(f"{dataset.profile.files}: image {names[0]}; {format.name} can hold no image; rename them")

    def count(losses: LossCounter) -> None:
        losses.add("image-name", "images", len(names), examples=names)
        lost = np.array(list(reasons), np.int64)
        for portion in np.array_split(lost, -(-len(lost) // _IMAGES_PER_CHUNK)):
            batch = dataset.source.load(portion)
            examples = segment_examples(batch, np.arange(batch.n_segments))
            losses.add("image-name", "segments", batch.n_segments, int(batch.runs.length.sum()), examples)

    return replace(dataset, rows=np.setdiff1d(rows, list(reasons))), count


def _verify(dataset: OpenDataset, done: Conversion, jobs: int) -> Conversion:
    """Read the target again, and add the comparison to the result."""
    proof = verify_conversion(dataset, read(done.target, format=done.format), done.losses, jobs)
    return replace(done, verified=proof.difference.n_kept, proof=proof)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The source and options of a conversion; see `convert`."""

    dataset: OpenDataset
    left_out: Callable[[LossCounter], None]  # counts the images whose names the format cannot hold
    format: Format
    on_loss: OnLoss
    copy_images: bool | Callable[[Path], ImageCopies]
    jobs: int
    progress: Progress
    announce: Callable[[Sequence[Loss]], None]
    options: Mapping[str, Option]
    remap: Remap | None
    client: "Client | str | None"

    def write_to_url(self, url: str, verify: bool) -> Conversion:
        """Write the dataset to a temporary folder, then to a URL, with the file that completes a dataset last.

        Workers of a cluster write the segments of a canonical dataset directly. If writing fails, nothing stays.
        """
        check_free_url(url)
        parent, _, name = url.rpartition("/")
        with TemporaryDirectory(prefix="segdata-") as scratch:
            local = Path(scratch).resolve() / name
            try:
                with reworded_errors(lambda message: message.replace(str(local), url)):
                    done = self.write(local, url)
                    if local.is_dir():
                        upload(local, url, "dataset.yaml" if self.format.name in _LOSS_KEEPING_FORMATS else LOSSES_FILE)
                    else:
                        upload(local.parent, parent, local.name)
            except BaseException:
                delete_below(url)
                raise
            folder = url if local.is_dir() else parent
        certificate = None if done.certificate is None else join_url(folder, done.certificate.name)
        shown: Any = {"target": url, "certificate": certificate}  # Any: texts in place of paths, which are only shown
        done = replace(done, **shown)
        return _verify(self.dataset, done, self.jobs) if verify else done

    def write(self, path: Path, parts_url: str | None = None) -> Conversion:
        """Write the dataset to a path of this machine; `parts_url`: where workers write files of segments instead."""
        dataset, format, to, options = self.dataset, self.format, self.format.name, self.options
        assert format.write is not None
        stream = ConversionStream(dataset, LossCounter(), self.progress, self.remap)
        self.left_out(stream.losses)
        certificate: Path | None = None
        with nullcontext() if self.client is None else connect(self.client) as cluster, StagedOutput(path) as placing:
            batches = stream.batches(self.jobs, None if cluster is None else _load_on_cluster(cluster, dataset))
            copies = self._image_copies(placing, path)
            if copies is not None:
                batches = (copies.batch(batch) for batch in batches)
            with _explained_errors(placing, path, stream, to):
                with image_limits():
                    if cluster is not None and to == "canonical" and copies is None:
                        _write_on_cluster(cluster, dataset, placing.made, stream, options, parts_url)
                    else:
                        format.write(dataset.profile, batches, placing.made, stream.losses, **options)
                remarks = () if copies is None else (*copies.remarks, *_arrange_images(format, placing.made))
                losses = stream.check(self.on_loss)
                self.announce(losses)
                if to not in _LOSS_KEEPING_FORMATS:
                    text = _write_certificate(stream, dataset.profile, path, to)
                    certificate = _place_certificate(placing, path, text)
                placing.commit()
        return Conversion(
            target=path,
            format=to,
            n_images=stream.n_images,
            n_segments=stream.n_segments,
            losses=losses,
            defects=tuple(stream.defects),
            verified=None,
            n_errors=len(reader_errors(stream.defects, dataset.config)),
            proof=None,
            certificate=certificate,
            apart=stream.apart,
            not_copied=remarks,
        )

    def _image_copies(self, placing: StagedOutput, path: Path) -> ImageCopies | None:
        """Where image files are copied to: `images` in the folder, or beside the file; None if they are not copied."""
        if not self.copy_images:
            return None
        is_file = self.format.is_file(path)
        folder = placing.sibling(check_free(path.with_name("images")).name) if is_file else placing.made / "images"
        return self.copy_images(folder) if callable(self.copy_images) else ImageCopies(folder)


def _place_certificate(placing: StagedOutput, path: Path, text: str) -> Path:
    """Write the certificate of losses into the folder, or beside the file; returns where it will be."""
    is_folder = placing.made.is_dir()
    certificate = path / LOSSES_FILE if is_folder else path.with_suffix(f".{LOSSES_FILE}")
    file = placing.made / LOSSES_FILE if is_folder else placing.sibling(certificate.name, replace=True)
    file.write_text(text, encoding="utf-8", newline="\n")
    return certificate


@contextmanager
def _explained_errors(placing: StagedOutput, path: Path, stream: "ConversionStream", to: str) -> Iterator[None]:
    """Say in errors what the user named, and that nothing is left behind."""
    try:
        yield
    except SegdataError as error:
        error.args = (placing.with_known_names(str(error)),)
        raise
    except MemoryError as error:
        raise stream.out_of_memory(to) from error
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        raise SegdataError(
            placing.with_known_names(f"{path}: cannot be written: {reason}; nothing is left behind")
        ) from error


def _load_on_cluster(cluster: Cluster, dataset: OpenDataset) -> Iterator[Batch]:
    """Yield the batches that workers load; nothing is sent before the first is requested."""
    yield from load_on_cluster(cluster, dataset)


def _write_on_cluster(
    cluster: Cluster,
    dataset: OpenDataset,
    folder: Path,
    stream: ConversionStream,
    options: Mapping[str, Option],
    parts_url: str | None,
) -> None:
    """Write a canonical dataset whose segments workers write."""

    def count_portion(summary: PortionSummary) -> None:
        stream.count(summary.n_segments, summary.defects, summary.apart)
        stream.advance(summary.images.num_rows)

    how = options.get("made")
    how = None if how is None else str(how)
    write_canonical_on_cluster(cluster, dataset, folder, stream.losses, how, count_portion, stream.finish, parts_url)


def _arrange_images(format: Format, folder: Path) -> tuple[str, ...]:
    """Move copied images to where the format's programs look for them; returns messages about the others."""
    if format.arrange is not None:
        return format.arrange(folder)
    if format.image_of is not None and (folder / INDEX_FILE).is_file():
        move_beside_masks(folder, format.image_of)
    return ()


_LOSS_KEEPING_FORMATS = frozenset({"canonical"})  # formats that store the losses themselves


def _write_certificate(stream: ConversionStream, profile: Profile, target: Path, to: str) -> str:
    """Write the certificate of losses."""
    files = profile.files if "://" in profile.files else Path(profile.files).absolute().as_posix()
    source, written = DataLocation(path=files, format=profile.format), DataLocation(path=target.name, format=to)
    return certificate_json(source, written, stream.n_images, stream.n_segments, stream.losses.listed(), stream.defects)


def write_derived(
    dataset: OpenDataset,
    target: str | Path,
    made: str,
    *,
    copy_images: bool | Callable[[Path], ImageCopies] = False,
    jobs: int = 0,
    progress: Progress = no_progress,
) -> Conversion:
    """Write a dataset made from another one as a new canonical dataset.

    `made` says how it came about, for dataset.yaml, which adds the revision that it came from. Raises SegdataError if
    the target exists.
    """
    origin = made if dataset.profile.revision is None else f"{made}; of revision {dataset.profile.revision}"
    return convert(
        dataset, target, copy_images=copy_images, jobs=jobs, progress=progress, write_options={"made": origin}
    )


def with_batches(dataset: Dataset, alter: Callable[[Batch], Batch]) -> Dataset:
    """The dataset with `alter` applied to each batch when it is loaded."""
    return replace(dataset, source=AlteredSource(dataset.source, alter))
