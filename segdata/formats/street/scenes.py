"""Street scenes: pair label files with images; read and write masks of label ids and instance numbers.

KITTI and Mapillary Vistas have `<split>/<images>/<name>` and `<split>/<labels>/<name>`.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError, UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, with_folder
from segdata.core.profile import Profile, RasterRule, Task
from segdata.core.runs import Flags, Ints, number_groups
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared import STREET_MASK_LOSSES, writing
from segdata.formats.shared.file_names import Namesakes
from segdata.formats.shared.image_index import Cell, write_index
from segdata.formats.shared.image_names import no_images_defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import UNKNOWN, UNLABELLED, Legend, MaskFile, ValueRuns, decode_entry_mask
from segdata.formats.shared.pairing import Pairing, pair_masks
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names

NO_SPLIT = "default"  # replaces a missing split folder, as in Datumaro and CVAT
_TRAINING = "training"  # the default split


@dataclass(frozen=True, slots=True)
class SceneFiles:
    """The files of a dataset by key: the path below the folder of a kind, beginning with the split's folder."""

    labels: Mapping[str, Mapping[str, Path]]  # key -> kind of labels -> file
    pictures: Mapping[str, tuple[str, Path]]  # key -> image_id and file
    named: Callable[[str], str]  # returns the image name for a key if the file is missing
    places: Mapping[str, str]  # kind of content -> the folder that was read
    defects: tuple[Defect, ...] = ()  # of files that are not read


def unique_key(key: str, name: str, taken: Container[str]) -> str:
    """`key`, with the file's extension if another file of that name has it already (a.jpg, a.png)."""
    return key + PurePosixPath(name).suffix if key in taken else key


def chosen_option(options: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str | None:
    """The value of an option, None if it is not set; raises SegdataError for values outside `choices`."""
    value = options.get(name)
    if value is None:
        return None
    check_choice(name, value, choices)
    return str(value)


def pair_files(root: Path, files: SceneFiles, kinds: Sequence[str], kind: str | None, images: Path | None) -> Pairing:
    """The entries, in the order of image ids; `record` is the kind of labels that is read.

    `kinds` are the readable kinds, in order of preference; `kind` is the requested one. `images` is the user's folder
    of images. Files without a partner are SEG011, if the split's other files have one. Raises UnreadableError if there
    are no labels, or none of that kind.
    """
    available = [known for known in kinds if any(known in by_kind for by_kind in files.labels.values())]
    if not files.labels:
        raise UnreadableError(f"{root}: no labels in the places where this format keeps them; see `segdata formats`")
    if kind is not None and kind not in available:
        raise UnreadableError(f"{root}: no labels of the kind {kind!r}; there are {', '.join(available) or 'none'}")
    wanted = kinds if kind is None else (kind,)
    entries = {key: _entry(files, key, wanted) for key in sorted(files.labels.keys() | files.pictures.keys())}
    defects = [*files.defects, *_pairing_defects(root, files, entries, kind)]
    if entries and not files.pictures:
        defects.append(no_images_defect(len(entries), root, images))
    in_order = sorted(entries.values(), key=lambda entry: entry.image_id)
    return Pairing(tuple(in_order), tuple(defects), not files.pictures, dict(files.places))


def _entry(files: SceneFiles, key: str, wanted: Sequence[str]) -> ImageEntry:
    """The image of a key with its labels of the first wanted kind, if it has any."""
    image_id, image = files.pictures.get(key, (files.named(key), None))
    labels = files.labels.get(key, {})
    kind = next((kind for kind in wanted if kind in labels), None)
    label_files = () if kind is None else (labels[kind],)
    return ImageEntry(image_id, image, label_files, kind, split=_split(key) or None)


def _pairing_defects(
    root: Path, files: SceneFiles, entries: Mapping[str, ImageEntry], kind: str | None
) -> Iterator[Defect]:
    """SEG002 for labels of other kinds alone, and SEG011 for files without a partner; `kind` is the requested one."""
    labelled_splits = {_split(key) for key in files.labels}
    stray_images = Namesakes(key for key in files.pictures if key not in files.labels)
    stray_labels = Namesakes(key for key in files.labels if key not in files.pictures)
    for key, entry in entries.items():
        if key in files.labels and not entry.files:
            message = f"no labels of the kind {kind!r} here" if kind else "colours cannot be turned back into labels"
            path = next(iter(files.labels[key].values()))
            yield Defect("SEG002", message, relative_path(root, path), image=entry.image_id)
        elif key not in files.labels and _split(key) in labelled_splits:
            message = f"an image without labels{stray_labels.hint(key, 'a label file')}"
            yield Defect("SEG011", message, relative_path(root, files.pictures[key][1]), image=entry.image_id)
        elif key in files.labels and entry.image is None and files.pictures:
            message = f"labels without an image{stray_images.hint(key, 'an image')}"
            yield Defect("SEG011", message, relative_path(root, entry.files[0]), image=entry.image_id)


def pair_by_index(
    root: Path,
    images: Path | None,
    kind: str | None,
    kind_of: Callable[[Path], str],
    relabelled: Callable[[str, Path], Path],
) -> Pairing:
    """The entries of a dataset that segdata wrote, by its `images.csv`.

    `kind` is the requested kind of labels; `kind_of` returns a file's kind, `relabelled` the file of another kind.
    """
    pairing = pair_masks(root, images)
    entries = []
    for entry in pairing.entries:
        for path in entry.files[:1]:
            read = kind or kind_of(path)
            entry = replace(entry, files=(relabelled(read, path),), record=read)
        entries.append(entry)
    return msgspec.structs.replace(pairing, entries=tuple(entries))


def _split(key: str) -> str:
    """The split of a key; "" for keys without one, and for the default folder."""
    folder = key.partition("/")[0] if "/" in key else ""
    return "" if folder == NO_SPLIT else folder


def split_files(root: Path, images: Path | None, pictures: str, suffix: str, kinds: Mapping[str, str]) -> SceneFiles:
    """The files of a dataset whose splits are folders in the root, or of a single split.

    Parameters
    ----------
    images : your folder of images: of all splits, or with a folder for each
    pictures : the folder of images in a split
    suffix : of images that are not here
    kinds : kind of labels -> its folder in a split
    """
    labels: dict[str, dict[str, Path]] = {}
    pictures_by_key: dict[str, tuple[str, Path]] = {}
    for split in _splits(root, [pictures, *kinds.values()]):
        name = split.relative_to(root).as_posix() if split != root else NO_SPLIT
        for kind, folder in kinds.items():
            for key, (_, path) in _keyed_files(name, split / folder).items():
                labels.setdefault(key, {})[kind] = path
        places = [split / pictures] if images is None else [images / name / pictures, images / name, images]
        place = next((candidate for candidate in places if candidate.is_dir()), None)
        prefix = (name + "/" if split != root else "") + pictures + "/"
        pictures_by_key |= {key: (prefix + picture, path) for key, (picture, path) in _keyed_files(name, place).items()}
    if images is not None:  # one folder may serve all splits: each takes the images for which it has labels
        pictures_by_key = {
            key: picture
            for key, picture in pictures_by_key.items()
            if key in labels or (images / key.partition("/")[0]).is_dir()
        }
    read = {"labels": ", ".join(kinds.values())} | ({"images": pictures} if pictures_by_key else {})
    return SceneFiles(labels, pictures_by_key, partial(_image_name, pictures, suffix), read)


def _splits(root: Path, folders: list[str]) -> list[Path]:
    """The folders with any of `folders`: the root, else those in it."""
    for places in ([root], sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []):
        splits = [place for place in places if any((place / folder).is_dir() for folder in folders)]
        if splits:
            return splits
    return []


def _keyed_files(split: str, folder: Path | None) -> dict[str, tuple[str, Path]]:
    keyed: dict[str, tuple[str, Path]] = {}
    for name, path in ImageFolder.below(folder).paths.items():
        keyed[unique_key(f"{split}/{PurePosixPath(name).with_suffix('').as_posix()}", name, keyed)] = name, path
    return keyed


def _image_name(pictures: str, suffix: str, key: str) -> str:
    split, _, name = key.partition("/")
    return f"{'' if split == NO_SPLIT else split + '/'}{pictures}/{name}{suffix}"


def folder_kind(path: Path) -> str:
    """The kind of labels of a file: the name of its folder."""
    return path.parent.name


def with_folder_kind(kind: str, path: Path) -> Path:
    """The file of another kind of labels for the same image."""
    return path.parent.with_name(kind) / path.name


def stem_of(pictures: str, split: str | None, image_id: str) -> str:
    """`<split>/<name>` of an image; `mask_path` inserts the folder of the kind between the two."""
    path, folder = PurePosixPath(image_id), split or _TRAINING
    folders = [part for part in path.parent.parts if part not in (folder, pictures)]
    return f"{folder}/{'_'.join([*folders, path.stem])}"


def mask_path(folder: str, stem: str, kind: str) -> str:
    """The path of a mask in the folder of its kind, which is in `folder` (with a slash, or "") of its split."""
    split, _, name = stem.partition("/")
    return f"{split}/{folder}{kind}/{name}.png"


NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class InstanceEncoding:
    """Encoding of label and instance number in one pixel value."""

    divisor: int  # value = label id * divisor + number
    first: int  # the number of the first instance
    plain: bool  # whether values below the divisor are label ids without a number
    what: str  # the dataset's name in messages

    def split(self, values: Ints) -> tuple[Ints, Ints]:
        """(n,) the label id and the number of each value; `NO_NUMBER` for values without one."""
        is_label = self.plain & (values < self.divisor)
        label, number = np.divmod(values, self.divisor)
        return np.where(is_label, values, label), np.where(is_label | (number < self.first), NO_NUMBER, number)

    def region(self, labels: Ints) -> Ints:
        """(n,) the value of pixels with a label but no number."""
        return labels if self.plain else labels * self.divisor

    def values(self, labels: Ints, numbered: Ints, ids: Ints) -> Ints:
        """(n,) the value of each segment of one image.

        Parameters
        ----------
        labels : (n,) label ids
        numbered : (n,) 1: it is an instance, 0: a region, -1: it may be either
        ids : (n,) segment ids; an id is kept if it is unique and a valid value

        Raises SegdataError if a label has more instances than numbers.
        """
        label, number = self.split(ids)
        has_number = number != NO_NUMBER
        _, same, count = np.unique(ids, return_inverse=True, return_counts=True)
        own = (label == labels) & (count[same] == 1) & (numbered != np.where(has_number, 0, 1))
        own &= has_number | (ids == self.region(labels))
        values = np.where(own, ids, self.region(labels))
        wanting = (numbered == 1) & ~own
        for label_id in np.unique(labels[wanting]).tolist():
            rows = np.flatnonzero(wanting & (labels == label_id))
            values[rows] = self._free(label_id, values[own & has_number & (labels == label_id)], len(rows))
        return values

    def _free(self, label: int, taken: Ints, count: int) -> Ints:
        """(count,) the lowest free values of a label."""
        values = label * self.divisor + np.arange(self.first, self.divisor, dtype=np.int64)
        free = np.setdiff1d(values, taken)
        if len(free) < count:
            n_wanted = count + len(taken)
            raise SegdataError(
                f"{n_wanted:,} instances of label {label}: {self.what} counts {self.first} to {self.divisor - 1}, "
                f"and the next value would be another label's ({label * self.divisor + self.divisor})"
            )
        return free[:count]


CITYSCAPES = InstanceEncoding(1000, first=0, plain=True, what="Cityscapes")
KITTI = InstanceEncoding(256, first=1, plain=False, what="KITTI")
VISTAS = InstanceEncoding(256, first=0, plain=False, what="Mapillary Vistas")


@dataclass(frozen=True, slots=True)
class LabelMapping:
    """Label ids and their categories."""

    naming: CategoryNames
    legend: Legend  # label id -> category id, or NOBODY for unlabelled pixels
    things: Ints  # (k,) the category ids that are things
    labels: Taxonomy  # the format's labels

    def is_thing(self, categories: Ints) -> Flags:
        """(n,) whether each category is a thing."""
        return np.isin(categories, self.things)


def label_mapping(labels: Taxonomy, taxonomy: Taxonomy | None, code: Mapping[int, int] | None = None) -> LabelMapping:
    """Map a format's labels to categories.

    Parameters
    ----------
    labels : the format's labels, with the ids in its files, and `unlabelled` for unlabelled pixels
    taxonomy : the user's taxonomy, searched for a label's name, then for its aliases
    code : ids in the files -> ids in `labels`, if they differ
    """
    name_of = {label.id: _name_in_taxonomy(label, taxonomy) for label in labels.categories}
    named = resolve_names(name_of.values(), taxonomy, labels)
    meaning = {id_: named.to[name] for id_, name in name_of.items()}
    coded = meaning if code is None else {value: meaning[id_] for value, id_ in code.items() if id_ in meaning}
    if code is None and labels.unlabelled_id is not None:
        coded = coded | {labels.unlabelled_id: UNLABELLED}
    kinds = {label.id: label.kind for label in reversed(named.taxonomy.categories)}
    things = [id_ for label in labels.categories if kinds.get(id_ := meaning[label.id], label.kind) == "thing"]
    return LabelMapping(named, Legend.from_mapping(coded), np.array(things, np.int64), labels)


def _name_in_taxonomy(label: Category, taxonomy: Taxonomy | None) -> str:
    """The first of a label's names and aliases that the user's taxonomy has, else its name."""
    by_name = taxonomy.by_name() if taxonomy is not None else {}
    return next((name for name in (label.name, *label.aliases) if name in by_name), label.name)


def label_ids(labels: Taxonomy, taxonomy: Taxonomy) -> dict[int, int]:
    """Category id -> label id for writing, such that `label_mapping` reads the same category.

    Omits categories that the format's `labels` lack.
    """
    by_name = taxonomy.by_name()
    return {
        by_name[name].id: label.id
        for label in reversed(labels.categories)
        if (name := _name_in_taxonomy(label, taxonomy)) in by_name
    }


@dataclass(frozen=True, slots=True)
class LabelMaskReader:
    """Reads masks of one kind."""

    root: Path  # of the dataset
    mapping: LabelMapping  # the meaning of label ids
    numbering: InstanceEncoding | None  # encoding of values with numbers; None: values are label ids
    groups: bool  # whether an unnumbered region of a thing is a crowd
    joins_stuff: bool = False  # whether numbers of stuff are ignored

    def read(self, entry: ImageEntry) -> ImageAnnotation:
        """The segments in the mask of an entry; raises BrokenLabelsError if it cannot be read at all."""
        mask = self.decode(entry)
        return self.segments(ValueRuns.of(mask.pixels), relative_path(self.root, entry.files[0]), mask)

    def decode(self, entry: ImageEntry) -> MaskFile:
        """Decode the mask of an entry; raises BrokenLabelsError if it cannot hold label ids."""
        mask = decode_entry_mask(self.root, entry)
        file = relative_path(self.root, entry.files[0])
        if mask.coloured:
            raise BrokenLabelsError(Defect("SEG009", f"{mask.encoding}: colours, where ids are expected", file))
        if self.numbering is not None and not self.numbering.plain and mask.values.dtype == np.uint8:
            message = (
                f"8 bits cannot hold label id * {self.numbering.divisor} + number: the labels are lost; save 16 bits"
            )
            raise BrokenLabelsError(Defect("SEG010", message, file, pixels=mask.values.size))
        return mask

    def split(self, values: Ints) -> tuple[Ints, Ints]:
        """(n,) the label ids and numbers of values."""
        if self.numbering is None:
            return values, np.full(len(values), NO_NUMBER, np.int64)
        return self.numbering.split(values)

    def segments(self, runs: ValueRuns, file: str, mask: MaskFile | None = None) -> ImageAnnotation:
        """One segment for each numbered value, and one for each category of the other values.

        A segment's id is its lowest value; in masks without numbers it is the category's id.
        """
        labels, numbers = self.split(runs.value)
        category = self.mapping.legend.read(labels)
        thing = self.mapping.is_thing(category)
        numbers = np.where(thing | ((numbers > 0) & (not self.joins_stuff)), numbers, NO_NUMBER)
        known_rows = np.flatnonzero(category > UNKNOWN)
        first, segment = _group_values(category[known_rows], labels[known_rows], numbers[known_rows])
        rows = known_rows[first]
        defects = self._defects(runs, labels, category == UNKNOWN, mask, file)
        if self.numbering is not None and self.numbering.plain:
            defects += _numbered_stuff(runs, labels, rows[(numbers[rows] > 0) & ~thing[rows]], self.mapping)
        owner = np.full(len(runs.value), -1, np.int32)
        owner[known_rows] = segment
        return ImageAnnotation(
            size=(runs.height, runs.width),
            segment_id=category[rows] if self.numbering is None else runs.value[rows],
            category_id=category[rows],
            runs=runs.assign_owners(owner, len(rows)),
            columns={
                "file": [file] * len(rows),
                "place": [f"value {value}" for value in runs.value[rows].tolist()],
                "iscrowd": (thing[rows] & (numbers[rows] == NO_NUMBER) & self.groups).tolist(),
            },
            encoding=None if mask is None else mask.encoding,
            defects=defects,
        )

    def _defects(self, runs: ValueRuns, labels: Ints, unknown: Flags, mask: MaskFile | None, file: str) -> list[Defect]:
        """SEG009 for each unknown label id, or SEG010 if the file's encoding changed values."""
        pixels = int(runs.area[unknown].sum())
        if mask is not None and mask.lossy:
            return [Defect("SEG010", f"{mask.lossy} changes values; save ids as PNG", file, pixels=pixels)]
        if pixels and mask is not None and self.numbering is not None and mask.values.dtype == np.uint8:
            message = (
                f"8 bits cannot hold values of {self.numbering.divisor} or more: numbers have wrapped, {pixels:,} px "
                "have no meaning, and others may have a wrong one; save 16 bits"
            )
            raise BrokenLabelsError(Defect("SEG010", message, file, pixels=pixels))
        unknown_labels: list[int] = np.unique(labels[unknown]).tolist()
        return [self._unknown(runs, np.flatnonzero(unknown & (labels == label)), label) for label in unknown_labels]

    def _unknown(self, runs: ValueRuns, rows: Ints, label: int) -> Defect:
        """SEG009 for one label id, with its values and the first pixel."""
        first = int(runs.start[np.isin(runs.row, rows).argmax()])
        x, y = divmod(first, runs.height)
        area = int(runs.area[rows].sum())
        values = ", ".join(map(str, runs.value[rows[:5]].tolist())) + (", …" if len(rows) > 5 else "")
        what = f"label {label} (value {values})" if self.numbering is not None else f"value {label}"
        message = f"{what} is not one of the labels: {area:,} px, the first at x={x}, y={y}"
        return Defect("SEG009", message, place=f"x={x}, y={y}", pixels=area)


def _numbered_stuff(runs: ValueRuns, labels: Ints, rows: Ints, mapping: LabelMapping) -> list[Defect]:
    """SEG206 for values, by row, that number stuff as if it were an object."""
    stuff = {label.id: label.name for label in mapping.labels.categories if label.kind == "stuff"}
    values = zip(*(own[rows].tolist() for own in (runs.value, labels, runs.area)), strict=True)
    return [
        Defect(
            "SEG206",
            f"value {value} is that of an object, and {stuff[label]!r} is stuff: its value is {label}",
            pixels=pixels,
            severity="warning",
        )
        for value, label, pixels in values
        if label in stuff
    ]


def _group_values(category: Ints, labels: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """The first row of each segment (m,), ascending, and the segment (n,) of each row.

    Numbered rows are grouped by label and number, others by category alone.
    """
    if len(category) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    keys = np.stack([category, np.where(numbers == NO_NUMBER, -1, labels), numbers], axis=1)
    return number_groups(keys)


def open_scenes(
    request: ReadRequest,
    format: str,
    pairing: Pairing,
    naming: CategoryNames,
    readers: Mapping[str, Callable[[ImageEntry], ImageAnnotation]],
    numbered: bool,
    raster_rule: RasterRule = "mask-native",
) -> PerImageSource:
    """The source, with exhaustive coverage and no overlap, since each pixel of a scene has one label.

    `readers` maps an entry's `record` to its reader. `numbered`: whether some labels distinguish instances.
    """
    task: Task = "panoptic" if numbered else "semantic"
    profile = naming.profile(
        format, request.root, task, "exhaustive", "forbid", raster_rule=raster_rule, places=pairing.places
    )
    reader = partial(_read_entry, request.root, readers)
    return PerImageSource(request.root, profile, pairing.entries, pairing.defects, reader, request.annotator)


def _read_entry(
    root: Path, readers: Mapping[str, Callable[[ImageEntry], ImageAnnotation]], entry: ImageEntry
) -> list[ImageAnnotation]:
    reader = readers.get(str(entry.record))
    if reader is None:  # images.csv may name any file
        message = f"is in no folder of labels ({', '.join(readers)})"
        raise BrokenLabelsError(Defect("SEG004", message, relative_path(root, entry.files[0])))
    return [reader(entry)]


_NOT_WRITTEN = -1  # instead of a label id
Pixels = NDArray[np.uint16]
LABEL_IDS = np.arange(256, dtype=np.uint8)  # for masks that hold label ids unchanged


@dataclass(frozen=True, slots=True)
class MaskStyle:
    """A format's way of writing masks."""

    numbering: InstanceEncoding  # of instance masks
    label_of: Mapping[int, int]  # category id -> label id; omits categories that are not written
    blank: int  # the label id of unlabelled pixels
    # the name of an image's files below the target, by its split (None: it has none) and image_id
    stem: Callable[[str | None, str], str]
    path: Callable[[str, str], str]  # the path of a mask below the target, by the stem and the kind of mask
    instances: str  # the kind of instance masks
    # kind of label masks -> (256,) value by label id; the first kind has label ids
    labels: Mapping[str, NDArray[np.uint8]]
    palette: bytes | None = None  # of label masks; None: they are grey
    crowds: bool = True  # a region of a thing without a number is a crowd


def write_scenes(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, style: MaskStyle
) -> None:
    """Write a dataset: the first annotation of each image, and of overlapping segments the later one.

    A semantic dataset gets only masks of label ids, since it does not say which pixels of a thing are one instance.
    Raises SegdataError if an image has more instances of a label than there are numbers.
    """
    writing.start_folder(target, profile, losses)
    write_index(target, _rows(profile, batches, target, losses, style), videos=True)


def _rows(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter, style: MaskStyle
) -> Iterator[tuple[Cell, ...]]:
    """Write the masks, and yield the rows of the index."""
    numbering = None if profile.task == "semantic" else style.numbering
    blank = style.blank if numbering is None else int(numbering.region(np.array([style.blank], np.int64))[0])
    things = [
        category.id for category in profile.taxonomy.categories if category.kind == "thing" and numbering is not None
    ]
    stems = _FileStems(style)
    for batch in batches:
        segment_values = _SegmentValues.from_batch(batch, style, np.array(things, np.int64))
        writing.count_losses(batch, losses, STREET_MASK_LOSSES - {"crowd"}, writing.INDEXED)
        for image in writing.segments_by_image(batch):
            path = None
            if image.annotated:
                image = _visible_segments(image, segment_values)
                values = segment_values.fill(image, numbering)
                pixels = writing.paint_and_count(batch, image, values, blank, np.uint16, losses)
                stem = stems.stem(image.image_id, image.split)
                path = _save_masks(target, stem, pixels, style, numbered=numbering is not None)
            yield image.index_row(path, videos=True)
        _count(batch, segment_values, profile, style, numbering is not None, losses)


def _save_masks(target: Path, stem: str, pixels: Pixels, style: MaskStyle, *, numbered: bool) -> str:
    """Write the masks of one image; returns the path of the one with these values.

    `numbered`: `pixels` (height, width) are instance values, else label ids.
    """
    labels = (
        style.numbering.split(np.arange(2**16, dtype=np.int64))[0].astype(np.uint16)[pixels] if numbered else pixels
    )
    images = {kind: Image.fromarray(values[labels]) for kind, values in style.labels.items()}
    main = next(iter(images))
    if style.palette is not None:
        for image in images.values():
            image.putpalette(style.palette)
    if numbered:
        main = style.instances
        images[main] = Image.fromarray(pixels)
    for kind, image in images.items():
        path = target / style.path(stem, kind)
        image.save(with_folder(path))
    return style.path(stem, main)


@dataclass(frozen=True, slots=True)
class _SegmentValues:
    """The pixel values of a batch's segments."""

    label: Ints  # (n_segments,) the label id, `_NOT_WRITTEN` for none
    numbered: Ints  # (n_segments,) 1: instance, 0: region, -1: single stuff segment, which may have a number
    crowd: Flags  # (n_segments,) whether it is a crowd that will not be read as one
    ids: Ints  # (n_segments,) segment ids
    value: Ints  # (n_segments,) the value, once chosen

    @staticmethod
    def from_batch(batch: Batch, style: MaskStyle, things: Ints) -> "_SegmentValues":
        categories = batch.segment_category
        label = np.array([style.label_of.get(category, _NOT_WRITTEN) for category in categories.tolist()], np.int64)
        label[label == style.blank] = _NOT_WRITTEN  # so that unpainted pixels are blank
        is_thing = np.isin(categories, things)
        crowd = batch.segment_is_crowd
        is_crowd_kept = crowd & is_thing & style.crowds
        keys = np.stack([batch.segment_annotation, label], axis=1)
        _, same, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        is_single = count[same] == 1
        numbered = np.where(is_thing & ~is_crowd_kept, 1, np.where(~is_thing & is_single, -1, 0))
        ids = batch.segments["segment_id"].fill_null(-1).to_numpy()
        return _SegmentValues(label, numbered, crowd & ~is_crowd_kept, ids, np.full(len(label), _NOT_WRITTEN, np.int64))

    def fill(self, image: writing.ImageSegments, numbering: InstanceEncoding | None) -> Ints:
        """Choose the values (n,) of one image's segments; raises SegdataError if there are too many."""
        rows = image.segments
        label = self.label[rows]
        try:
            self.value[rows] = (
                label if numbering is None else numbering.values(label, self.numbered[rows], self.ids[rows])
            )
        except SegdataError as error:
            raise SegdataError(f"image {image.image_id!r}: {error}") from error
        return self.value[rows]


def _visible_segments(image: writing.ImageSegments, segment_values: _SegmentValues) -> writing.ImageSegments:
    kept = np.flatnonzero((segment_values.label[image.segments] >= 0) & (image.runs.areas(len(image.segments)) > 0))
    return image.only(kept)


def _count(
    batch: Batch,
    segment_values: _SegmentValues,
    profile: Profile,
    style: MaskStyle,
    numbered: bool,
    losses: LossCounter,
) -> None:
    """Count the losses of masks; `numbered`: values are segment ids, else label ids."""
    is_written, areas = writing.in_first_annotation(batch), batch.runs.areas(batch.n_segments)
    categories = batch.segment_category
    void = (segment_values.label == _NOT_WRITTEN) & np.isin(categories, profile.taxonomy.void_ids)
    blank_categories = [category for category, label in style.label_of.items() if label == style.blank]
    blank = ~void & np.isin(categories, blank_categories)
    kinds: tuple[tuple[LossKind, Flags], ...] = (
        ("void", void),
        ("unlabelled", blank),
        ("crowd", segment_values.crowd),
    )
    for kind, flags in kinds:
        rows = np.flatnonzero(is_written & flags)
        writing.count_segments(batch, rows, kind, losses, areas)
    others = np.flatnonzero(~void & ~blank)
    # Segments without pixels have no value, but their category is known.
    values = np.where((segment_values.label >= 0) & (segment_values.value < 0), 0, segment_values.value)[others]
    writing.count_category_mask_losses(batch.take_segments(others), values, losses, ids=values if numbered else None)


class _FileStems:
    """Gives each image a unique name for its files."""

    def __init__(self, style: MaskStyle) -> None:
        self._style = style
        self._taken: set[str] = set()

    def stem(self, image_id: str, split: str | None) -> str:
        """The path below the target, without the folders of kinds; raises SegdataError for an unsafe id."""
        if is_unsafe_path(image_id):
            raise SegdataError(f"image id {image_id!r} leaves the dataset's root, so its masks have no place")
        folder = split if split and not is_unsafe_path(split) and re.fullmatch(r"[\w. -]*\w", split) else None
        stem = self._style.stem(folder, image_id)
        if stem.lower() in self._taken:  # a.jpg and a.png, or names that some file systems do not tell apart
            stem = f"{stem}-{len(self._taken)}"
        self._taken.add(stem.lower())
        return stem
