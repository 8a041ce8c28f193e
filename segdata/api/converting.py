"""Convert a dataset from one format to another, and say exactly what was lost."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Unpack, get_args

from segdata.api.opening import Data, Progress, ReadOptions, read, silent
from segdata.core.batch import Batch, replaced
from segdata.core.content import segment_keys
from segdata.core.dataset import Dataset
from segdata.core.defect import Defect
from segdata.core.errors import LossError, SegdataError, check_choice
from segdata.core.format import format_named
from segdata.core.judge import errors_among, selected
from segdata.core.loss import Loss, Losses
from segdata.formats.images import image_limits

OnLoss = Literal["warn", "error", "allow"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did.

    Attributes
    ----------
    target : what was written
    format : its format
    n_images, n_segments : how many were read; `losses` tells what of them the target does not have
    losses : what the target format could not hold, and what could not be read
    defects : what the reader met; `validate` turns these into findings
    verified : None: not asked for; else how many of the segments come back with the same image, category and pixels
    n_errors : how many of the defects `validate` calls errors; what they concern may be missing or wrong
    """

    target: Path
    format: str
    n_images: int
    n_segments: int
    losses: tuple[Loss, ...]
    defects: tuple[Defect, ...]
    verified: int | None = None
    n_errors: int = 0

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
    copy_images: bool = False,
    jobs: int = 0,
    progress: Progress = silent,
    **opening: Unpack[ReadOptions],
) -> Conversion:
    """Write a dataset in another format.

    Parameters
    ----------
    data : a file, a folder or a `Dataset`
    target : a folder, or for formats of one file that file; it must not exist, or be an empty folder
    to : the name of the format
    on_loss : with ``error`` nothing is written when anything is lost (`LossError`); else losses are counted
    verify : read the target again and count the segments that come back pixel for pixel
    copy_images : copy the image files into the target's folder ``images``; else they are referred to
    jobs : threads; 0: one per core
    progress : is called with the number of images done since the last call
    opening : format, taxonomy, images, config, only, annotator, roi: as for `read`

    Whatever goes wrong, nothing half-written stays behind.
    """
    check_choice("on_loss", on_loss, get_args(OnLoss))
    format = format_named(to)
    if format.write is None:
        raise SegdataError(f"format {to} can only be read")
    dataset = read(data, **opening)
    selected(dataset.config)  # what is wrong in the configuration is said now, not when all is written
    path = _free(Path(target))
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    places = {partial: path}  # where things are made, and where they go when all of it is done
    stream = _Stream(dataset, Losses(), progress)
    batches = stream.batches(jobs)
    if copy_images:
        folder = partial / "images"
        if to == _ONE_FILE and path.suffix.lower() == ".json":
            folder = path.with_name(f".{path.stem}.images.partial")
            places[folder] = _free(path.with_name("images"))
        batches = (_with_copied_images(batch, folder) for batch in batches)
    try:
        _remove(places)  # what a conversion left that was killed
        with image_limits():
            format.write(dataset.profile, batches, partial, stream.losses)
        stream.check(on_loss)
        _move(places)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        raise SegdataError(f"{path}: cannot be written: {reason}; nothing is left behind") from error
    finally:
        _remove(places)
    return Conversion(
        path,
        to,
        stream.n_images,
        stream.n_segments,
        tuple(stream.losses.listed()),
        tuple(stream.defects),
        _verified(dataset, path, to, jobs) if verify else None,
        len(errors_among(stream.defects, dataset.config)),
    )


_ONE_FILE = "coco-instances"  # the format whose target may be a file; copied images then go beside it

# Defects that keep something of the source from being read; the others are read nevertheless, as is an image with an
# unsafe path (SEG015) where it has another name now.
_UNREAD = frozenset({"SEG001", "SEG004", "SEG005", "SEG006", "SEG007", "SEG009", "SEG014", "SEG015"})


class _Stream:
    """The batches on their way to the writer, counted; at their end, what could not be read is a loss."""

    def __init__(self, dataset: Dataset, losses: Losses, progress: Progress) -> None:
        self.losses, self.defects = losses, list(dataset.source.defects)
        self.n_images = self.n_segments = 0
        self._dataset, self._progress = dataset, progress

    def _unread(self) -> list[Defect]:
        """The defects that lost something of the source."""
        lost = [each for each in self.defects if each.code in _UNREAD and each.severity != "info"]
        there = set(self._dataset.source.image_ids) if any(each.code == "SEG015" for each in lost) else frozenset()
        return [each for each in lost if each.code != "SEG015" or each.image not in there]

    def batches(self, jobs: int) -> Iterator[Batch]:
        """Every batch, images in ascending order of image_id."""
        for batch in self._dataset.batches(jobs, in_order=True):
            self.defects.extend(batch.defects)
            self.n_images += batch.images.num_rows
            self.n_segments += batch.n_segments
            yield batch
            self._progress(batch.images.num_rows)
        unread = self._unread()
        examples = (f"{each.code} in {each.file or each.image}{each.place or ''}" for each in unread)
        pixels = sum(defect.pixels or 0 for defect in unread)
        self.losses.add("unreadable", "defects", len(unread), pixels, examples)

    def check(self, on_loss: OnLoss) -> None:
        """Raise where nothing was there to write, or something was lost that must not be."""
        if self.n_images == 0:
            first = f": {self.defects[0].file or ''}: {self.defects[0].message}" if self.defects else ""
            raise SegdataError(f"{self._dataset.profile.files}: no image could be read{first}")
        if on_loss == "error" and self.losses.listed():
            raise LossError(self.losses.listed())


def _with_copied_images(batch: Batch, folder: Path) -> Batch:
    """The batch with its image files copied into `folder`."""
    uris = []
    for image_id, uri in zip(batch.images["image_id"].to_pylist(), batch.images["uri"].to_pylist(), strict=True):
        if uri is not None and "://" not in uri and Path(uri).is_file():
            target = folder / image_id
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(uri, target)
            uri = str(target.absolute())
        uris.append(uri)
    return replace(batch, images=replaced(batch.images, "uri", uris))


def _free(path: Path) -> Path:
    """`path`, when nothing is there, or an empty folder."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise SegdataError(f"{path}: exists already; name another target, or delete it first")
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    return path


def _move(places: dict[Path, Path]) -> None:
    """Put what was made where it belongs, all of it or nothing; the target itself comes last."""
    moved: dict[Path, Path] = {}
    try:
        for made, path in reversed(places.items()):
            if made.exists():
                if path.is_dir():
                    path.rmdir()
                made.replace(path)
                moved[made] = path
    except OSError:
        _remove(moved.values())
        raise


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(FileNotFoundError):
                path.unlink()


def _verified(dataset: Dataset, target: Path, to: str, jobs: int) -> int:
    """How many segments of the source are in the target with the same image, category and pixels."""
    written = read(target, format=to)
    with image_limits():
        before = segment_keys(dataset.batches(jobs), dataset.taxonomy)
        after = segment_keys(written.batches(jobs), written.taxonomy)
    return (before & after).total()
