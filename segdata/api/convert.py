"""Convert a dataset from one format to another, count what is lost, and verify the result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, get_args

from segdata.api.read import Data, Progress, ReadOptions, no_progress, read
from segdata.core.batch import Batch
from segdata.core.config import Option
from segdata.core.dataset import OpenDataset
from segdata.core.errors import LossError, SegdataError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import Format, Loss, LossCounter, find_format
from segdata.core.rule_runner import reader_errors, select_rules
from segdata.dataset import Dataset
from segdata.formats.shapes.source_polygons import RasterDisagreement, raster_disagreement
from segdata.formats.shared.derived_sources import AlteredSource
from segdata.formats.shared.images import image_limits
from segdata.formats.shared.pairing import INDEX_FILE
from segdata.report.conversion import CERTIFICATE_NAME, ConversionOutcome, DataLocation, certificate_json
from segdata.store.diff.compare import verify_conversion
from segdata.store.output import ImageCopies, StagedOutput, check_free, move_beside_masks
from segdata.store.remap import Remap, TaxonomyMap, with_taxonomy_map

if TYPE_CHECKING:
    import pandas as pd

OnLoss = Literal["warn", "error", "allow"]


class Conversion(ConversionOutcome):
    """What a conversion did."""

    __slots__ = ()

    def table(self) -> "pd.DataFrame":
        """The losses as a pandas table, one row each: kind, of, count, pixels, examples."""
        import pandas as pd

        names = ["kind", "of", "count", "pixels", "examples", "images"]
        return pd.DataFrame([{name: getattr(loss, name) for name in names} for loss in self.losses], columns=names)

    def __repr__(self) -> str:
        written = f"{self.n_images} images, {self.n_segments} segments to {str(self.target)!r} ({self.format})"
        return f"Conversion({written}; {len(self.losses)} kinds of loss, {len(self.defects)} defects)"


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
    announce: Callable[[Sequence[Loss]], None] = lambda losses: None,
    write_options: Mapping[str, Option] | None = None,
    taxonomy_map: str | Path | TaxonomyMap | None = None,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Write a dataset in another format: `segdata.Dataset.convert` of ``read(data, **opening)``.

    Also takes, for callers that show progress: `announce`, called with all losses when everything is written but before
    it is moved into place; and for `copy_images` a function that makes the copier of a folder.

    Losses are counted in the same pass that writes the target, under a hidden name: which pixels are lost is known only
    when they are painted. What a killed conversion leaves has a hidden name; the next one to this target removes it.
    """
    check_choice("on_loss", on_loss, get_args(OnLoss))
    format = find_format(to)
    if format.write is None:
        raise SegdataError(f"format {to} can only be read")
    options = write_options or {}
    format.check_options(options, "write")
    dataset: OpenDataset = read(data, **opening)
    remap: Remap | None = None
    if taxonomy_map is not None:
        dataset, remap = with_taxonomy_map(dataset, taxonomy_map)
    select_rules(dataset.config)  # what is wrong in the configuration is said now, not when all is written
    path = Path(target)
    stream = _ConversionStream(dataset, LossCounter(), progress, remap)
    batches = stream.batches(jobs)
    certificate: Path | None = None
    copies: ImageCopies | None = None
    with StagedOutput(path) as placing:
        if copy_images:
            beside = format.is_file(path)
            folder = placing.beside(check_free(path.with_name("images")).name) if beside else placing.made / "images"
            copies = ImageCopies(folder) if copy_images is True else copy_images(folder)
            batches = (copies.batch(batch) for batch in batches)
        try:
            with image_limits():
                format.write(dataset.profile, batches, placing.made, stream.losses, **options)
            remarks = () if copies is None else (*copies.remarks, *_arrange_images(format, placing.made))
            losses = stream.check(on_loss)
            announce(losses)
            if to not in _KEEPS_LOSSES:
                certificate = (
                    path / CERTIFICATE_NAME if placing.made.is_dir() else path.with_suffix(f".{CERTIFICATE_NAME}")
                )
                certificate_path = (
                    placing.made / CERTIFICATE_NAME if placing.made.is_dir() else placing.beside(certificate.name)
                )
                certificate_path.write_text(stream.certified(path, to), encoding="utf-8", newline="\n")
            placing.commit()
        except SegdataError as error:
            error.args = (placing.told(str(error)),)
            raise
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
            raise SegdataError(placing.told(f"{path}: cannot be written: {reason}; nothing is left behind")) from error
    shown = verify_conversion(dataset, read(path, format=to), losses, jobs) if verify else None
    return Conversion(
        path,
        to,
        stream.n_images,
        stream.n_segments,
        losses,
        tuple(stream.defects),
        None if shown is None else shown.difference.n_kept,
        len(reader_errors(stream.defects, dataset.config)),
        shown,
        certificate,
        stream.apart,
        remarks,
    )


def _arrange_images(format: Format, made: Path) -> tuple[str, ...]:
    """Put the copies of images where the format's programs look for them; what has no place there."""
    if format.arrange is not None:
        return format.arrange(made)
    if format.image_of is not None and (made / INDEX_FILE).is_file():
        move_beside_masks(made, format.image_of)
    return ()


_EXACT_IN_COCO = frozenset({"coco", "mask-native"})  # raster rules of which COCO's polygons are no other reading
_KEEPS_LOSSES = frozenset({"canonical"})  # formats that say themselves what was lost on the way to them

# Defects that keep something of the source from being read; the others are read nevertheless, as is an image with an
# unsafe path (SEG015) where it has another name now.
_UNREAD = frozenset({"SEG001", "SEG004", "SEG005", "SEG006", "SEG007", "SEG009", "SEG014", "SEG015"})


def _is_unread(defect: Defect) -> bool:
    """Whether something of the source was left out; of SEG017 only values that are no whole numbers."""
    if defect.lost is not None:
        return defect.lost
    return defect.code in _UNREAD or (defect.code == "SEG017" and bool(defect.pixels))


class _ConversionStream:
    """The batches on their way to the writer, counted; at their end, what could not be read is a loss."""

    def __init__(
        self, dataset: OpenDataset, losses: LossCounter, progress: Progress, remap: Remap | None = None
    ) -> None:
        self.losses, self.defects = losses, list(dataset.source.defects)
        self.n_images = self.n_segments = 0
        self.apart: RasterDisagreement | None = (
            None if dataset.profile.raster_rule in _EXACT_IN_COCO else RasterDisagreement()
        )
        self._dataset, self._progress, self._remap = dataset, progress, remap

    def _unread(self) -> list[Defect]:
        """The defects that lost something of the source."""
        lost = [defect for defect in self.defects if defect.severity != "info" and _is_unread(defect)]
        present = (
            set(self._dataset.source.image_ids) if any(defect.code == "SEG015" for defect in lost) else frozenset()
        )
        return [defect for defect in lost if defect.code != "SEG015" or defect.image not in present]

    def batches(self, jobs: int) -> Iterator[Batch]:
        """Every batch, images in ascending order of image_id."""
        for batch in self._dataset.batches(jobs, in_order=True):
            self.defects.extend(batch.defects)
            self.n_images += batch.images.num_rows
            self.n_segments += batch.n_segments
            if self.apart is not None:
                self.apart += raster_disagreement(batch)
            yield batch
            self._progress(batch.images.num_rows)
        if self._remap is not None:
            self._remap.count(self.losses)
        unread = self._unread()
        examples = (" ".join(filter(None, (each.code, "in", each.file or each.image, each.place))) for each in unread)
        pixels = sum(defect.pixels or 0 for defect in unread)
        self.losses.add("unreadable", "defects", len(unread), pixels, examples)

    def check(self, on_loss: OnLoss) -> tuple[Loss, ...]:
        """What was lost; raises where nothing was there to write, or something was lost that must not be."""
        if self.n_images == 0:
            first = f": {self.defects[0].file or ''}: {self.defects[0].message}" if self.defects else ""
            raise SegdataError(f"{self._dataset.profile.files}: no image could be read{first}")
        losses = self.losses.listed()
        if on_loss == "error" and losses:
            raise LossError(losses)
        return tuple(losses)

    def certified(self, target: Path, to: str) -> str:
        """The certificate of what was lost."""
        profile = self._dataset.profile
        files = profile.files if "://" in profile.files else Path(profile.files).absolute().as_posix()
        source, written = DataLocation(path=files, format=profile.format), DataLocation(path=target.name, format=to)
        return certificate_json(source, written, self.n_images, self.n_segments, self.losses.listed(), self.defects)


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
