"""Derived sources: opened datasets joined, or changed batch by batch: sequences, regions of interest, image files."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segdata.core.batch import Batch, concatenate_batches, replace_column
from segdata.core.config import Sequences
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError, check_choice, list_names
from segdata.core.finding import Defect
from segdata.core.format import Detached, PortionReader, Source, detach
from segdata.core.paths import slice_uri
from segdata.core.profile import ImageSequence, Profile
from segdata.core.runs import Ints
from segdata.core.safe_text import whole_number
from segdata.core.schema import runs_to_rle
from segdata.formats.shared.file_names import match_names
from segdata.formats.shared.image_names import no_images_defect
from segdata.formats.shared.images import ImageFolder, read_header, size_defects, undecodable_file
from segdata.formats.shared.mask_files import ValueRuns, decode_mask
from segdata.formats.shared.per_image import relative_path


class WrappedSource(msgspec.Struct, frozen=True):
    """Base of sources that wrap another one: forwards everything but `load` to it."""

    source: Source

    @property
    def profile(self) -> Profile:
        """Delegates to the source."""
        return self.source.profile

    @property
    def image_ids(self) -> Sequence[str]:
        """Delegates to the source."""
        return self.source.image_ids

    @property
    def defects(self) -> Sequence[Defect]:
        """Delegates to the source."""
        return self.source.defects

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """Delegates to the source; None where it has no such method."""
        return getattr(self.source, "files", None)

    def chunks(self) -> list[Ints]:
        """Delegates to the source."""
        return self.source.chunks()


class AlteredSource(WrappedSource, frozen=True):
    """A source whose batches are changed as they are loaded.

    Attributes
    ----------
    source : the dataset
    alter : returns the changed batch; called from any thread, and in other processes where it can be pickled
    extra_defects : defects of the whole dataset, beside the source's
    """

    alter: Callable[[Batch], Batch]
    extra_defects: tuple[Defect, ...] = ()

    @property
    def defects(self) -> Sequence[Defect]:
        """The source's defects, then the extra ones."""
        return (*self.source.defects, *self.extra_defects)

    def load(self, rows: Ints) -> Batch:
        """The source's batch, altered."""
        return self.alter(self.source.load(rows))

    def detached(self) -> Detached | None:
        """Delegates to the source."""
        detached = detach(self.source)
        return None if detached is None else Detached(_AlteredReader(detached.reader, self.alter), detached.cut)


class _AlteredReader(msgspec.Struct, frozen=True):
    """Loads portions of a source in another process, and alters them."""

    reader: PortionReader
    alter: Callable[[Batch], Batch]

    def load(self, portion: Any) -> Batch:  # Any: what the reader takes
        return self.alter(self.reader.load(portion))


def keep_batch(batch: Batch) -> Batch:
    """Return the batch unchanged: the `alter` of an `AlteredSource` that only adds defects."""
    return batch


ORIGINS = ("human", "model", "consensus")


def with_origin(source: Source, origin: str) -> AlteredSource:
    """`source` with `origin` (one of `ORIGINS`) for all annotations that state no origin."""
    check_choice("source", origin, ORIGINS)
    return AlteredSource(source, partial(_with_origin, origin=origin))


def _with_origin(batch: Batch, origin: str) -> Batch:
    annotations = replace_column(batch.annotations, "source", pc.fill_null(batch.annotations["source"], origin))
    return replace(batch, annotations=annotations)


def _told_once(defects: Iterable[Defect]) -> Iterator[Defect]:
    """The defects; a warning or an info that several files have, each once and as a whole, is one, at the first.

    So is a file that belongs to no source.
    """
    alike: dict[Defect, list[Defect]] = {}
    for defect in defects:
        of_file = defect.severity in ("warning", "info") and defect.image is None and not defect.segments
        alike.setdefault(replace(defect, file=None, place=None) if of_file else defect, []).append(defect)
    for same in alike.values():
        first, *others = same
        files = list(dict.fromkeys(defect.file for defect in same))
        if others and all(files) and len(files) == len(same):
            yield replace(first, message=f"{first.message}; so it is in {list_names(files[1:])}")
        else:
            yield from dict.fromkeys(same) if first.code == "SEG011" else same  # a file that no document names


class ChainedSource(msgspec.Struct, frozen=True, dict=True):
    """Several sources, one after the other.

    Attributes
    ----------
    profile : of the joined dataset
    sources : of images that have different ids
    extra_defects : defects of the whole, beside the sources'
    """

    profile: Profile
    sources: tuple[Source, ...]
    extra_defects: tuple[Defect, ...] = ()

    @cached_property
    def image_ids(self) -> Sequence[str]:
        """(n_images,) the ids of all sources."""
        return [image_id for source in self.sources for image_id in source.image_ids]

    @property
    def defects(self) -> Sequence[Defect]:
        """The defects of all sources, and the extra ones; once what all say of the whole, of no file and no image."""
        every = [defect for source in self.sources for defect in source.defects]
        whole = dict.fromkeys(defect for defect in every if defect.file is None and defect.image is None)
        return [*whole, *_told_once(defect for defect in every if defect not in whole), *self.extra_defects]

    @property
    def _first(self) -> Ints:
        """(n_sources + 1,) the first row of each source, and one past the last row."""
        return np.cumsum([0, *(len(source.image_ids) for source in self.sources)])

    @property
    def files(self) -> Callable[[int], Sequence[Path]] | None:
        """The files of the image at a row; None if one of the sources has no such method."""
        own = [files for source in self.sources if (files := getattr(source, "files", None)) is not None]
        return partial(self._files, own) if len(own) == len(self.sources) else None

    def _files(self, own: Sequence[Callable[[int], Sequence[Path]]], row: int) -> Sequence[Path]:
        source = int(np.searchsorted(self._first, row, side="right")) - 1
        return own[source](row - int(self._first[source]))

    def chunks(self) -> list[Ints]:
        """The sources' portions, rows counted over all."""
        return [
            rows + first for source, first in zip(self.sources, self._first, strict=False) for rows in source.chunks()
        ]

    def load(self, rows: Ints) -> Batch:
        """The images at these rows, in that order."""
        first = self._first
        source = np.searchsorted(first, rows, side="right") - 1
        stretches = np.split(rows, np.flatnonzero(np.diff(source)) + 1) if len(rows) else []
        source_rows = [int(np.searchsorted(first, stretch[0], side="right")) - 1 for stretch in stretches]
        return concatenate_batches(
            [self.sources[k].load(stretch - first[k]) for k, stretch in zip(source_rows, stretches, strict=True)]
        )


_FIELDS = {"{sequence}": r"(?P<sequence>.+?)", "{frame}": r"(?P<frame>[0-9]{1,18})", "*": r".*"}


class SequencedSource(AlteredSource, frozen=True):
    """A source whose profile names the sequences of its images."""

    known: Profile | None = None

    @property
    def profile(self) -> Profile:
        """The profile with the sequences; the source's own if none were found."""
        return self.known or self.source.profile


class RenamedSource(WrappedSource, frozen=True):
    """A source in a temporary folder whose messages name the original place.

    Attributes
    ----------
    source : the dataset
    rename : replaces temporary paths in a text by the original ones
    profile : the source's, with the original name
    has_urls : other processes can read the files at their original place
    """

    rename: Callable[[str], str]
    profile: Profile
    has_urls: bool = False

    @property
    def defects(self) -> Sequence[Defect]:
        """The source's defects with original paths."""
        return tuple(_rename_defect(defect, self.rename) for defect in self.source.defects)

    def load(self, rows: Ints) -> Batch:
        """The source's batch, its defects with original paths."""
        return _with_renamed_defects(self.source.load(rows), self.rename)

    def detached(self) -> Detached | None:
        """A reader for other processes, if they can read the files; else None."""
        detached = detach(self.source) if self.has_urls else None
        alter = partial(_with_renamed_defects, rename=self.rename)
        return None if detached is None else Detached(_AlteredReader(detached.reader, alter), detached.cut)


def _with_renamed_defects(batch: Batch, rename: Callable[[str], str]) -> Batch:
    return replace(batch, defects=tuple(_rename_defect(defect, rename) for defect in batch.defects))


def _rename_defect(defect: Defect, rename: Callable[[str], str]) -> Defect:
    return replace(defect, message=rename(defect.message), file=defect.file and rename(defect.file))


def with_sequences(source: Source, settings: Sequences, divisor: int | None) -> SequencedSource:
    """`source` with the sequences and frame numbers that a pattern of segdata.yaml finds in the names of its images.

    `divisor` is that of instance ids, for tracks that are numbers within a category. Raises SegdataError if the
    pattern has no `{frame}` or fits no image.
    """
    if settings.pattern.count("{frame}") != 1 or settings.pattern.count("{sequence}") > 1:
        raise SegdataError(
            f"sequences: the pattern {settings.pattern!r} needs {{frame}} once and may have {{sequence}} once"
        )
    words = re.split(r"(\{sequence\}|\{frame\}|\*)", settings.pattern)
    pattern = re.compile("".join(_FIELDS.get(word, re.escape(word)) for word in words))
    name = source.profile.name
    places = {image: _place(pattern, image, name) for image in source.image_ids}
    names = dict.fromkeys(place[0] for place in places.values() if place is not None)
    if not names:
        first = next(iter(source.image_ids), "none")
        raise SegdataError(f"sequences: no image fits the pattern {settings.pattern!r}; the first one is {first!r}")
    profile = source.profile
    sequences = tuple(ImageSequence(name, settings.kind) for name in names)
    things = np.array(profile.taxonomy.thing_ids, np.int64)
    alter = partial(_add_sequences, places=places, tracks=settings.tracks, divisor=divisor, things=things)
    return SequencedSource(source, alter, (), replace(profile, sequences=sequences))


def _place(pattern: re.Pattern[str], image: str, name: str) -> tuple[str, int] | None:
    """The sequence and frame number in an image's name; None if the pattern does not fit."""
    match = pattern.fullmatch(image)
    return None if match is None else (match.groupdict().get("sequence") or name, int(match["frame"]))


def _add_sequences(
    batch: Batch, places: dict[str, tuple[str, int] | None], tracks: str | None, divisor: int | None, things: Ints
) -> Batch:
    """The batch with sequences and frame numbers, and with tracks if segdata.yaml declares that ids are tracks."""
    frames = [places.get(image) for image in batch.images["image_id"].to_pylist()]
    images = replace_column(batch.images, "sequence", [place and place[0] for place in frames])
    images = replace_column(images, "frame", [place and place[1] for place in frames])
    if tracks is None:
        return replace(batch, images=images)
    track = batch.segments["segment_id"].to_numpy()
    if tracks == "numbers":
        track = track % (divisor or 1000)
    is_track = np.isin(batch.segment_category, things) & ((track > 0) | (tracks == "ids"))
    segments = replace_column(batch.segments, "track_id", pa.array(track, mask=~is_track))
    return replace(batch, images=images, segments=segments)


def with_regions_of_interest(source: Source, folder: Path) -> AlteredSource:
    """`source` with the regions of interest in `folder`: masks paired with images by name; 0 is outside.

    Raises SegdataError if no mask has the name of an image.
    """
    masks = ImageFolder.below(folder)
    partner, _ = match_names(masks.paths, source.image_ids)
    if not partner:
        raise SegdataError(f"{folder}: no mask has the name of an image; regions are paired with images as masks are")
    files = {image: masks.paths[mask] for mask, image in partner.items()}
    return AlteredSource(source, partial(_add_regions, files, folder))


def _add_regions(files: dict[str, Path], folder: Path, batch: Batch) -> Batch:
    """The batch with a region of interest for each image that has a mask of its size."""
    defects = list(batch.defects)
    regions = [
        _region(files[image], folder, image, (int(high), int(wide)), defects) if image in files else None
        for image, high, wide in zip(batch.images["image_id"].to_pylist(), *batch.image_size, strict=True)
    ]
    return replace(batch, images=replace_column(batch.images, "roi", regions), defects=tuple(defects))


def _region(path: Path, folder: Path, image: str, size: tuple[int, int], defects: list[Defect]) -> bytes | None:
    """The RLE counts of the region in a mask file; if it is unusable, None (the whole image) and a defect."""
    name = path.relative_to(folder).as_posix()
    try:
        values = decode_mask(path).values
    except OSError as error:
        defects.append(Defect("SEG001", f"region of interest cannot be read: {error}", name, image=image))
        return None
    if values.shape != size:
        message = f"the region of interest is {values.shape[1]}x{values.shape[0]}, the image {size[1]}x{size[0]}"
        defects.append(Defect("SEG003", message, name, image=image))
        return None
    values_runs = ValueRuns.of(values)
    inside = values_runs.assign_owners(np.where(values_runs.value == 0, -1, 0).astype(np.int32), 1)
    counts = runs_to_rle(inside, np.array([size[0]]), np.array([size[1]]))
    return bytes(counts[0].as_py())


def with_image_files(
    source: Source, root: Path, uris: Sequence[str | None], images: Path | None = None
) -> AlteredSource:
    """`source` with the defects of its image files, which are at `uris`, one for each image, or in the folder `images`.

    If no file exists, the dataset gets one defect of severity info, not one for each image. File names in defects
    start at `root`.
    """
    given = None if images is None else _GivenImages(images, _unique_names(source.image_ids))
    named = uris if given is None else list(map(given.uri, source.image_ids, uris))
    paths = [path for uri in named if (path := local_path(uri)) is not None]
    none_here = bool(paths) and not any(path.is_file() for path in paths)
    more = (no_images_defect(len(paths), paths[0].parent, images),) if none_here else ()
    return AlteredSource(source, partial(_with_defects, root, given, none_here), more)


class _GivenImages(msgspec.Struct, dict=True):
    """The image files below the user's `--images` folder, found by image id or by former path.

    The file of an id lies at that path; if there is none, it is the only one with that name, or the one of several
    whose folders are called alike. Slices of a volume, ``ct.nii.gz/0007``, are found by the name of the volume.
    """

    folder: Path  # that the user names
    # names of files that only one image or volume has; others need a folder of the same name, too
    unique: frozenset[str]

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        by_name: dict[str, list[Path]] = {}
        for where, _, names in os.walk(self.folder):
            for name in names:
                by_name.setdefault(name, []).append(Path(where, name))
        return by_name

    def uri(self, image_id: str, before: str | None) -> str:
        """The URI of the image's file; if no file is found, the place that its id implies."""
        whole = self.folder / image_id
        if whole.is_file():
            return _file_uri(whole, None)
        slice_of = _SLICE.fullmatch(image_id)
        names = [(image_id, None), *([(slice_of[1], int(slice_of[2]))] if slice_of else [])]
        if before is not None and before.startswith("file:"):
            parts = urlparse(before)
            names.append((unquote(parts.path), whole_number(parts.fragment.removeprefix("k="))))
        for name, k in names:
            path = self._nearest(PurePosixPath(name))
            if path is not None:
                return _file_uri(path, k)
        return str(whole)

    def _nearest(self, name: PurePosixPath) -> Path | None:
        """The file with this name; of several, the one that shares the most folders with it."""
        alike: dict[int, list[Path]] = {}
        for path in self._by_name.get(name.name, []):
            pairs = zip(reversed(path.parts), reversed(name.parts), strict=False)
            n_alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if n_alike > 1 or name.name in self.unique:
                alike.setdefault(n_alike, []).append(path)
        best = alike[max(alike)] if alike else []
        return best[0] if len(best) == 1 else None


def _unique_names(image_ids: Sequence[str]) -> frozenset[str]:
    """File names, without folders, that only one image or volume has."""
    files = {match[1] if (match := _SLICE.fullmatch(image_id)) else image_id for image_id in image_ids}
    counts = Counter(PurePosixPath(file).name for file in files)
    return frozenset(name for name, count in counts.items() if count == 1)


_SLICE = re.compile(r"(.+\.(?:nii|nii\.gz|nrrd|nhdr|mha|mhd))/([0-9]{1,9})", re.IGNORECASE)


def _file_uri(path: Path, k: int | None) -> str:
    """The path of an image file; for slice k of a volume or a DICOM file, the URI that its format gives it."""
    if path.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")):
        return slice_uri(path, k or 0)
    from segdata.core.medical_files import is_dicom  # seldom needed

    with suppress(OSError), path.open("rb") as file:
        if is_dicom(file.read(132)):
            return path.absolute().as_uri()
    return str(path)


def _with_defects(root: Path, given: _GivenImages | None, none_here: bool, batch: Batch) -> Batch:
    """The batch with the defects of its image files, and with their URIs in the folder that is given, if any is."""
    names, uris = batch.images["image_id"].to_pylist(), batch.images["uri"].to_pylist()
    uris = uris if given is None else list(map(given.uri, names, uris))
    defects = list(batch.defects)
    for name, uri, high, wide in zip(names, uris, *(side.tolist() for side in batch.image_size), strict=True):
        path = local_path(uri)
        if path is not None and not none_here:
            defects += _looked_at(name, path, relative_path(root, path), wide, high)
    return replace(batch, images=replace_column(batch.images, "uri", uris), defects=tuple(defects))


def find_image_root(data: OpenDataset) -> Path | None:
    """The folder relative to which image ids are paths of files, directly or one level below (`train/`, `val/`).

    Judged by the first and the last image of each portion; None if they are not found.
    """
    roots = set()
    for rows in data.chunks():
        for row in {int(rows[0]), int(rows[-1])}:
            image = data.source.load(rows[rows == row]).images
            path, name = local_path(image["uri"][0].as_py()), Path(str(image["image_id"][0].as_py()))
            if path is None or path.parts[-len(name.parts) :] != name.parts:
                return None
            roots.add(Path(*path.parts[: -len(name.parts)]))
    if not roots:
        return None
    shared = Path(os.path.commonpath(roots))
    return shared if all(root in (shared, shared / root.name) for root in roots) else None


def local_path(uri: str | None) -> Path | None:
    """The local file that a URI names; None if it names none."""
    return None if uri is None or "://" in uri else Path(uri)


def _looked_at(name: str, path: Path, file: str, width: int, height: int) -> list[Defect]:
    """The defects of the image file at `path`, which messages call `file`."""
    try:
        return size_defects(name, read_header(path), width, height, "size of the labels", file, None)
    except FileNotFoundError:
        return [Defect("SEG002", "the image file does not exist", file, image=name)]
    except OSError as error:
        return [undecodable_file("image", error, file, name)]
