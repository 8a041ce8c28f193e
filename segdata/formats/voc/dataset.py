"""Datasets in VOC's layout: read and write lists of images and splits, and the masks and boxes of each image."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, UnreadableError, count_noun
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import is_unsafe_path, with_folder, without_extension
from segdata.core.profile import Profile, Task
from segdata.core.runs import Flags, Ints, bounding_boxes
from segdata.core.taxonomy import Taxonomy
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared import writing
from segdata.formats.shared.file_names import has_images
from segdata.formats.shared.image_index import Cell, has_index, images_without_labels, read_index, write_index
from segdata.formats.shared.image_names import images_folder, missing_images
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import (
    UNKNOWN,
    ValueRuns,
    decode_entry_mask,
    decode_mask,
    undecodable_mask,
    unknown_value_defects,
    unpack_color,
)
from segdata.formats.shared.per_image import ImageAnnotation, ImageEntry, PerImageSource, relative_path
from segdata.formats.shared.taxonomies import write_sidecars
from segdata.formats.voc import LOSSES
from segdata.formats.voc.boxes import (
    COLUMNS,
    Attributes,
    BoxedObject,
    annotation_xml,
    match_boxes,
    object_xml,
    read_boxes,
    xml_attributes,
)
from segdata.formats.voc.classes import (
    BACKGROUND,
    LABELMAP,
    MAX_OBJECTS,
    OBJECT_PALETTE,
    VOC,
    VOID,
    ClassMap,
    ClassPalette,
    JoinedMasks,
    class_map,
    class_palette,
    join_masks,
    object_numbers,
    palette_image,
    write_label_map,
)

LISTS = Path("ImageSets", "Segmentation")
NO_SPLIT = "default"  # CVAT's and Datumaro's list of images that belong to no split
_UNION_LISTS = frozenset({"trainval", NO_SPLIT})  # the images of other lists again
_CLASS_LINE = re.compile(r"(\S+)\s+(?:-1|0|1)")  # a line of a class's list: whether the image has it
_SBD_LINE = re.compile(r"/?JPEGImages/(\S+)\.\w+\s+/?SegmentationClass\w*/\S+")  # a line of SBD's lists
CLASSES, OBJECTS, BOXES, IMAGES = "SegmentationClass", "SegmentationObject", "Annotations", "JPEGImages"
_IMAGE_FOLDERS = (IMAGES, "images")  # convert --copy-images writes to the second
Columns = dict[str, list[object]]
_CLASS_FOLDERS = (CLASSES, f"{CLASSES}PNG", f"{CLASSES}Aug", f"{CLASSES}Raw")


@dataclass(frozen=True, slots=True)
class _ListLine:
    """A line of a list: file, line number from 1, the image's stem, and what is written if it is no stem."""

    path: Path
    number: int
    stem: str
    written: str = ""


def _read_lists(
    root: Path, folder: Path, masked: Container[str], pictures: Container[str]
) -> tuple[dict[str, str | None], list[Defect]]:
    """Read the lists of the dataset in `folder`: the split of each listed image, and the defects of the lists.

    `masked` are the stems of images with a mask, `pictures` those of image files. An image listed without a mask is
    SEG002, unless no image of its list has one, as in a test set. Names in defects start at `root`.
    """
    defects: list[Defect] = []
    lists: dict[Path, list[_ListLine]] = {}
    for path in sorted((folder / LISTS).glob("*.txt"), key=lambda path: (path.stem in _UNION_LISTS, path.name)):
        try:
            lists[path] = list(_read_lines(path, masked))
        except SegdataError as error:
            message = f"the list cannot be read: {str(error).removeprefix(f'{path}: ')}"
            defects.append(Defect("SEG001", message, relative_path(root, path)))
    base_of = _extended_lists({path: {line.stem for line in lines} for path, lines in lists.items()})
    first_lines: dict[str, _ListLine] = {}
    for path, listed in lists.items():
        file = relative_path(root, path)
        elsewhere = _masks_elsewhere(folder, listed, masked) if path in base_of else None
        lines = listed if elsewhere is None else [line for line in listed if line.stem in masked]
        if elsewhere is not None:
            message = (
                f"{count_noun(len(listed) - len(lines), 'image')} of this list have masks in {elsewhere}/, which is "
                f"not read; read that with --read-option classes={elsewhere}"
            )
            defects.append(Defect("SEG011", message, file, severity="info"))
        defects += _list_defects(file, lines, masked, pictures)
        defects += _line_defects(file, lines, masked, base_of, first_lines)
    names = {stem: base_of.get(line.path, line.path).stem for stem, line in first_lines.items()}
    return {stem: None if name == NO_SPLIT else name for stem, name in names.items()}, defects


def _list_defects(
    file: str, lines: Sequence[_ListLine], masked: Container[str], pictures: Container[str]
) -> Iterator[Defect]:
    """The defects of a list as a whole: none of its images has a mask, or it names files instead of stems."""
    if lines and not any(line.stem in masked for line in lines):
        message = f"none of its {count_noun(len(lines), 'image')} has a mask: they are read as not annotated"
        severity: Severity = "info"
        is_test = lines[0].path.stem.startswith("test")  # many users lack the images of test sets
        if pictures and not is_test and not any(line.stem in pictures for line in lines):
            message += "; none has a file here, either: it may be a list of another release"
            severity = "warning"
        yield Defect("SEG002", message, file, severity=severity)
    extended = [line for line in lines if line.written]
    if extended:
        message = (
            f"names files instead of stems ({extended[0].written!a} for {extended[0].stem!a}) in "
            f"{count_noun(len(extended), 'line')}: read as stems, which training code may not do"
        )
        yield Defect("SEG002", message, file, severity="warning", lost=False)


def _line_defects(
    file: str,
    lines: Sequence[_ListLine],
    masked: Container[str],
    base_of: Mapping[Path, Path],
    first_lines: dict[str, _ListLine],
) -> Iterator[Defect]:
    """The defects of a list's lines: unsafe names, images in two splits, listed twice, or without a mask.

    Adds to `first_lines`, the first line that names each image. `base_of`: see `_extended_lists`.
    """
    has_masks = any(line.stem in masked for line in lines)
    for line in lines:
        defect = partial(Defect, file=file, line=line.number, image=line.stem)
        if is_unsafe_path(line.stem):
            yield defect("SEG015", f"path {line.stem!r} leaves the dataset's root; name files below it")
            continue
        before = first_lines.setdefault(line.stem, line)
        if before is line:
            if has_masks and line.stem not in masked:
                yield defect("SEG002", f"{line.stem!r} is listed but has no mask")
        elif before.path == line.path:
            yield defect("SEG008", f"{line.stem!r} is already listed in line {before.number} of {before.path.name}")
        elif line.path.stem not in _UNION_LISTS and _base(line.path, base_of) != _base(before.path, base_of):
            message = f"it is in {before.path.name} (line {before.number}) and in {line.path.name}: in two splits"
            yield defect("SEG304", message, lost=False)


def _base(path: Path, base_of: Mapping[Path, Path]) -> Path:
    return base_of.get(path, path)


def _extended_lists(stems: Mapping[Path, set[str]]) -> dict[Path, Path]:
    """List -> the list that it extends by name and content, as `train_aug.txt` extends `train.txt`."""
    return {
        path: base
        for path in stems
        for base in sorted(stems, key=lambda base: -len(base.stem))  # the shortest name counts
        if path.stem not in _UNION_LISTS and path.stem.startswith(base.stem) and stems[base] < stems[path]
        if stems[base]
    }


def _masks_elsewhere(folder: Path, lines: Sequence[_ListLine], masked: Container[str]) -> str | None:
    """Another usual folder of class masks that has all masks missing for listed images; None if there is none."""
    stems = {line.stem for line in lines if line.stem not in masked}
    named = (name for name in _CLASS_FOLDERS if stems and (folder / name).is_dir())
    return next((name for name in named if _by_stem(folder / name).keys() >= stems), None)


def _read_lines(path: Path, known_stems: Container[str]) -> Iterator[_ListLine]:
    """Read the images in a list, in VOC's form (one stem per line, also with a class's 1, 0 or -1) or SBD's."""
    for number, text in enumerate(read_utf8(path).split("\n"), 1):
        line = text.rstrip("\r")
        pair = _SBD_LINE.fullmatch(line.strip())
        flagged = _CLASS_LINE.fullmatch(line.strip())
        stem = pair[1] if pair else line if line in known_stems else line.strip()
        if flagged and flagged[1] in known_stems and stem not in known_stems:
            stem = flagged[1]
        if stem and not stem.startswith("#"):
            bare = stem.removesuffix(PurePosixPath(stem).suffix)
            bare = bare if bare in known_stems else PurePosixPath(bare).name
            is_file = stem not in known_stems and bare in known_stems
            yield _ListLine(path, number, bare, stem) if is_file else _ListLine(path, number, stem)


@dataclass(frozen=True, slots=True)
class _LabelFiles:
    """The label files of one image; None for a missing file."""

    classes: Path
    objects: Path | None
    boxes: Path | None


def _voc_folder(root: Path, classes: str) -> Path:
    """The folder of one VOC dataset, at `root` or up to two below it (``VOCdevkit/VOC2012``).

    Raises UnreadableError if there is none, or several.
    """
    levels = ([root], sorted(root.glob("*")), sorted(root.glob("*/*")))
    names = (classes, *_CLASS_FOLDERS)  # datasets differ in which of the usual names they have
    with_masks = ([path for path in level if any((path / name).is_dir() for name in names)] for level in levels)
    folders = next((level for level in with_masks if any((path / classes).is_dir() for path in level)), [])
    if not folders:
        raise UnreadableError(f"{root}: no folder {classes}/; VOC keeps its masks in {CLASSES}/ and {OBJECTS}/")
    if len(folders) > 1:
        shown = ", ".join(path.relative_to(root).as_posix() for path in folders)
        raise UnreadableError(f"{root}: holds several datasets ({shown}); give one of them as DATA")
    return folders[0]


def _list_images(
    root: Path, folder: Path, classes: str, images: Path | None
) -> tuple[list[ImageEntry], list[Defect], bool, dict[str, str]]:
    """The images of the dataset in `folder`, with their `_LabelFiles` as records, and the defects of lists and files.

    Names in defects start at `root`, `images` is your folder of images. Returns also whether there are masks of
    objects, without which classes are all that is known, and the folders of masks and images that are read.
    """
    masks = _by_stem(folder / classes)
    objects = _by_stem(folder / classes.replace(CLASSES, OBJECTS)) or _by_stem(folder / OBJECTS)
    if not masks and not has_index(folder):
        raise UnreadableError(f"{folder / classes}: holds no mask files")
    place = images or next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    rows, index_defects = read_index(folder, place) if has_index(folder) else ([], [])
    pictures = _by_stem(place)
    splits, defects = _read_lists(root, folder, masks, pictures)
    stems = sorted(masks.keys() | (splits.keys() if splits or rows else pictures.keys()))
    labels = {
        stem: _LabelFiles(mask, objects.get(stem), path if (path := folder / BOXES / f"{stem}.xml").is_file() else None)
        for stem, mask in masks.items()
    }
    of_mask = {_stem(row.files[0], folder / classes): row for row in rows if row.files}
    entries = [_entry(stem, labels.get(stem), of_mask.get(stem), pictures, splits) for stem in stems]
    entries += images_without_labels(rows, entries)
    image_of = {_stem(Path(entry.image_id)): entry.image_id for entry in entries}
    defects = [replace(defect, image=image_of.get(str(defect.image), defect.image)) for defect in defects]
    defects += [*index_defects, *_unpaired_files(root, masks, objects, splits, entries, bool(rows))]
    annotated = {entry.image_id for entry in entries if entry.files}
    missing = missing_images(entries, folder, images)
    defects += [defect for defect in missing if defect.image is None or defect.image in annotated]
    places = {"masks": (folder / classes).as_posix()} | ({"images": place.as_posix()} if place else {})
    entries.sort(key=lambda entry: entry.image_id)
    return entries, defects, bool(objects), places


def _entry(
    stem: str,
    labels: _LabelFiles | None,
    row: ImageEntry | None,
    pictures: Mapping[str, Path],
    splits: Mapping[str, str | None],
) -> ImageEntry:
    """The entry of a stem; images.csv takes precedence over names."""
    if row is not None:
        return replace(row, files=(labels.classes,) if labels else (), record=labels)
    files = (labels.classes,) if labels else ()
    image = pictures.get(stem)
    suffix = image.suffix if image else labels.classes.suffix if labels else ""
    return ImageEntry(stem + suffix, image, files, labels, split=splits.get(stem))


def _unpaired_files(
    root: Path,
    masks: Mapping[str, Path],
    objects: Mapping[str, Path],
    splits: Mapping[str, str | None],
    entries: list[ImageEntry],
    has_index: bool,
) -> Iterator[Defect]:
    for stem in sorted(objects.keys() - masks.keys() - splits.keys()):
        message = f"a mask of objects without one of classes: the categories of {stem!r} are unknown"
        yield Defect("SEG002", message, relative_path(root, objects[stem]))
    unlisted = sorted(masks.keys() - splits.keys()) if splits else []
    if unlisted:
        message = f"no list in ImageSets/Segmentation names {count_noun(len(unlisted), 'mask')} ({unlisted[0]!r} …)"
        yield Defect("SEG011", message, severity="info")
    if not splits and not has_index:
        for entry in entries:
            if not entry.is_annotated and entry.image is not None and _stem(Path(entry.image_id)) not in objects:
                yield Defect("SEG011", "an image without mask", relative_path(root, entry.image), image=entry.image_id)


def _by_stem(folder: Path | None) -> dict[str, Path]:
    """Path without extension -> image file below a folder; PNG takes precedence."""
    files = ImageFolder.below(folder).paths.values()
    named = sorted(files, key=lambda path: (path.suffix.lower() != ".png", path.suffix), reverse=True)
    return {_stem(path, folder): path for path in named} if folder else {}


def _stem(path: Path, folder: Path | None = None) -> str:
    """A path below a folder, without extension."""
    below_it = path.relative_to(folder) if folder and path.is_relative_to(folder) else path
    stem = PurePosixPath(below_it)
    return without_extension(stem) if stem.name else "."  # images.csv may name the folder itself


@dataclass(frozen=True, slots=True)
class _Classes:
    """The values of a class mask without its pixels, to save memory."""

    runs: ValueRuns  # of its values
    category: Ints  # the category id of each value (UNLABELLED, UNKNOWN)
    coloured: bool  # as in `MaskFile`
    encoding: str  # as in `MaskFile`


@dataclass(frozen=True, slots=True)
class _VocImageReader:
    """Reads the images of a dataset."""

    root: Path  # base of the paths in defects
    classes: ClassMap  # the meaning of the values in class masks
    named: Mapping[str, int]  # category ids by name, for the XML files
    things: Ints  # (k,) the ids of countable categories
    has_objects: bool  # whether the dataset has masks of objects

    @staticmethod
    def from_classes(root: Path, classes: ClassMap, has_objects: bool) -> "_VocImageReader":
        """The reader of a dataset with these classes."""
        taxonomy = classes.taxonomy
        named = {name: category.id for name, category in taxonomy.by_name().items()}
        named |= {name: id_ for id_, name in classes.categories.unknown.items()}
        things = np.array(taxonomy.thing_ids, np.int64)
        return _VocImageReader(root, classes, named, things, has_objects)

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """The objects and regions of one image."""
        labels: _LabelFiles = entry.record
        classes, defects = self._classes(entry)
        joined = self._join_masks(labels, classes.runs, classes.category, defects)
        regions = np.arange(len(joined.category_id)) >= joined.n_objects
        columns: Columns = {
            "file": [relative_path(self.root, labels.classes)] * len(regions),
            "place": _places(classes, joined),
            "iscrowd": (regions & self.has_objects & np.isin(joined.category_id, self.things)).tolist(),
        }
        if labels.boxes is not None and joined.n_objects:
            self._describe(labels.boxes, joined, classes.runs, columns, defects)
        return [
            ImageAnnotation(
                size=(classes.runs.height, classes.runs.width),
                segment_id=joined.segment_id,
                category_id=joined.category_id,
                runs=joined.runs,
                columns=columns,
                encoding=classes.encoding,
                defects=defects,
            )
        ]

    def _classes(self, entry: ImageEntry) -> tuple[_Classes, list[Defect]]:
        stored = decode_entry_mask(self.root, entry)
        mask = stored.as_grey() if self.classes.greys else stored
        runs = ValueRuns.of(mask.pixels)
        category = self.classes.read(mask, runs)
        unsure = bool(mask.lossy or (category == UNKNOWN).any())
        defects = unknown_value_defects(mask, runs, category, self.classes.taxonomy) if unsure else []
        encoding = mask.encoding.partition(", palette")[0]  # the palette's colours have no meaning here
        return _Classes(runs, category, mask.coloured, encoding), defects

    def _join_masks(self, labels: _LabelFiles, runs: ValueRuns, category: Ints, defects: list[Defect]) -> JoinedMasks:
        """The segments: objects if there is a mask of them, else one for each category."""
        objects = self._objects(labels, runs, defects) if self.has_objects else None
        if objects is not None:
            values, number = objects
            joined = join_masks(runs, category, values, number, self.classes.void, self.things)
            defects += joined.defects
            return joined
        ids, owner = runs.group(category, category > UNKNOWN)
        return JoinedMasks(ids, ids, runs.assign_owners(owner, len(ids)), 0)

    def _objects(self, labels: _LabelFiles, classes: ValueRuns, defects: list[Defect]) -> tuple[ValueRuns, Ints] | None:
        """The mask of objects, and the number of each of its values; None if it cannot be used."""
        if labels.objects is None:
            message = "the mask of objects does not exist, so the objects of this image cannot be told apart"
            defects.append(Defect("SEG002", message))
            return None
        file = relative_path(self.root, labels.objects)
        try:
            mask = decode_mask(labels.objects)
        except OSError as error:
            defects.append(undecodable_mask(self.root, labels.objects, error))
            return None
        runs = ValueRuns.of(mask.pixels)
        if (runs.height, runs.width) != (classes.height, classes.width):
            sizes = f"{runs.width}x{runs.height}, that of classes {classes.width}x{classes.height}"
            message = f"the mask of objects is {sizes}"
            defects.append(Defect("SEG003", message, file, lost=True))
            return None
        if mask.lossy:
            message = f"{mask.lossy} changes values, so objects cannot be told apart; save masks as PNG"
            defects.append(Defect("SEG010", message, file))
            return None
        number, unknown = object_numbers(mask, runs)
        defects += [replace(defect, file=file) for defect in unknown]
        if _are_classes(runs, number, classes):
            message = "the mask of objects is that of classes again, pixel by pixel: objects of one class are one"
            defects.append(Defect("SEG206", message, file, severity="warning", lost=False))
        return runs, number

    def _describe(
        self, path: Path, joined: JoinedMasks, runs: ValueRuns, columns: Columns, defects: list[Defect]
    ) -> None:
        """Add the objects' data in the XML file to `columns`, and its defects to `defects`."""
        file = relative_path(self.root, path)
        boxed, xml_defects = read_boxes(path, file, (runs.height, runs.width))
        height = np.full(len(joined.category_id), runs.height, np.int64)
        object_boxes = [side[: joined.n_objects] for side in bounding_boxes(joined.runs, height, len(height))]
        rows, unmatched = match_boxes(object_boxes, joined.category_id[: joined.n_objects], boxed, self.named)
        bordered = bool((joined.category_id[joined.n_objects :] == self.classes.void).any())
        n = len(height)
        columns |= {name: [None] * n for name in ("declared_bbox", "attributes", "score", "source", "track_id")}
        measured = np.stack(object_boxes, axis=1).astype(np.float64).tolist()
        for row in np.flatnonzero(rows >= 0).tolist():
            _fill_columns(columns, row, boxed[rows[row]], measured[row], bordered)
        defects += xml_defects
        if unmatched:
            boxes = count_noun(len(unmatched), "box", "boxes")
            message = f"{boxes} without an object of that class ({unmatched[0].name!r} …)"
            defects.append(Defect("SEG014", message, file, unmatched[0].place, severity="info"))


def _are_classes(objects: ValueRuns, number: Ints, classes: ValueRuns) -> bool:
    """Whether a mask of objects is the mask of classes; objects that are numbered 1, 2, 3 may be so by chance."""
    numbers = np.unique(number[(number > 0) & (number != VOID)])
    same = np.array_equal(objects.value, classes.value) and np.array_equal(objects.start, classes.start)
    return (
        same and np.array_equal(objects.row, classes.row) and not np.array_equal(numbers, np.arange(len(numbers)) + 1)
    )


def _fill_columns(columns: Columns, row: int, boxed: BoxedObject, measured_box: list[float], bordered: bool) -> None:
    """Fill the columns of one object. Boxes include the border, masks do not: they must agree only without border."""
    attributes, box = dict(boxed.attributes), list(boxed.box)
    if bordered and box != measured_box:
        attributes.setdefault("bndbox", msgspec.json.encode(box).decode())
    else:
        columns["declared_bbox"][row] = box
    columns["attributes"][row] = sorted(attributes.items()) or None
    for column, _ in COLUMNS.values():
        if column in boxed.columns:
            columns[column][row] = boxed.columns[column]


def _places(classes: _Classes, joined: JoinedMasks) -> list[object]:
    """The place of each segment in messages: its object number, else its value in the class mask."""
    values = zip(classes.runs.value[::-1].tolist(), classes.category[::-1].tolist(), strict=True)
    first = {category: value for value, category in values}
    places: list[object] = [f"object {id_}" for id_ in joined.segment_id[: joined.n_objects].tolist()]
    for id_ in joined.category_id[joined.n_objects :].tolist():
        value = first.get(id_, VOID)
        places.append(f"colour {unpack_color(value)}" if classes.coloured else f"value {value}")
    return places


def open_voc(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if there are no masks, or several datasets."""
    classes = _class_folder(request)
    folder = _voc_folder(request.root, classes)
    entries, defects, has_objects, places = _list_images(request.root, folder, classes, images_folder(request))
    masks = [entry.files[0] for entry in entries if entry.files]
    mapping = class_map(folder, request.taxonomy, "thing" if has_objects else "stuff", masks)
    kinds = {category.kind for category in mapping.taxonomy.categories}
    task: Task = ("panoptic" if "stuff" in kinds else "instance") if has_objects else "semantic"
    profile = mapping.categories.profile("pascal-voc", request.root, task, "sparse", "forbid", places=places)
    if mapping.provisional is not None:
        profile = replace(profile, provisional=mapping.provisional)
        defects.append(Defect("SEG219", mapping.provisional, severity="info"))
    reader = _VocImageReader.from_classes(request.root, mapping, has_objects)
    return PerImageSource(request.root, profile, entries, tuple(defects), reader, request.annotator)


def _class_folder(request: ReadRequest) -> str:
    """The folder of class masks: the option's, else the first of the usual names, if possible one with image files.

    An older labelme wrote arrays to SegmentationClass/, and the masks to SegmentationClassPNG/.
    """
    if "classes" in request.options:
        return str(request.options["classes"])
    places = ("", "*/", "*/*/")
    folders = [folder for place in places for name in _CLASS_FOLDERS for folder in request.root.glob(f"{place}{name}/")]
    return next((folder.name for folder in (*filter(has_images, folders), *folders)), CLASSES)


# The data of objects in XML files, as columns and as kinds of loss.
_XML_COLUMNS = frozenset(f"segments.{name}" for name in ("attributes", "iscrowd", "score", "source", "track_id"))
_XML_LOSSES: frozenset[LossKind] = frozenset({"attributes", "crowd", "score", "source", "track"})
Pixels = NDArray[np.uint8]


def write_voc(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a dataset; raises SegdataError for category ids beyond 254 and images of more than 254 objects.

    A semantic dataset gets masks of classes alone; in others every segment but void is an object.
    """
    semantic = profile.task == "semantic"
    writer = _VocWriter(profile.taxonomy, semantic, target, class_palette(profile.taxonomy), losses)
    for folder in [CLASSES] if semantic else [CLASSES, OBJECTS]:
        (target / folder).mkdir(parents=True)
    writing.count_spatial_losses(profile, losses)
    write_index(target, writer.rows(batches), videos=True)
    (target / LISTS).mkdir(parents=True)
    for split, stems in writer.lists.items():
        (target / LISTS / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    if profile.taxonomy != VOC:
        write_label_map(target / LABELMAP, writer.palette.colors)
    if profile.taxonomy != VOC or profile.coverage.declared or profile.overlap.declared:
        write_sidecars(target, profile, profile.taxonomy)


@dataclass
class _VocWriter:
    """Writes images one at a time."""

    taxonomy: Taxonomy  # of the dataset
    semantic: bool  # whether only classes are written
    target: Path  # the folder
    palette: ClassPalette  # of the classes
    losses: LossCounter
    lists: dict[str, list[str]] = field(default_factory=dict)  # the stems of annotated images by split
    _names: writing.MaskPaths = field(default_factory=writing.MaskPaths)

    def rows(self, batches: Iterable[Batch]) -> Iterator[tuple[Cell, ...]]:
        """Write the files of each image, and yield the rows of images.csv."""
        for batch in batches:
            index = self.palette.values(batch.segment_category)
            attributes = self._count_attributes(batch, index)
            for image in writing.segments_by_image(batch):
                mask = None
                if image.annotated:
                    stem = self._names.name(image.image_id, "").removeprefix("masks/")
                    mask = f"{CLASSES}/{stem}.png"
                    self.lists.setdefault(_list_name(image.split), []).append(stem)
                    self._paint(batch, image, index[image.segments], attributes, stem)
                yield image.index_row(mask, videos=True)

    def _count_attributes(self, batch: Batch, index: Ints) -> Attributes:
        """Count the losses of the batch, and return the attributes of its segments."""
        if self.semantic:
            writing.count_losses(batch, self.losses, LOSSES, writing.INDEXED)
            writing.count_category_mask_losses(batch, index, self.losses)
            return []
        writing.count_losses(batch, self.losses, LOSSES, writing.INDEXED | _XML_COLUMNS)
        self._count_void(batch, index == VOID)
        shared = batch.n_segments + batch.segment_annotation.astype(np.int64)  # one region for each annotation
        same = np.where(index == VOID, shared, np.arange(batch.n_segments))
        writing.count_segment_mask_losses(batch, index >= 0, self.losses, same)
        attributes, lost_rows = xml_attributes(batch)
        rows = np.array(lost_rows, np.int64)
        writing.count_segments(batch, rows, "attributes", self.losses)
        return attributes

    def _count_void(self, batch: Batch, void: Flags) -> None:
        """Count the lost data of void segments, which have no box, and void segments that are joined."""
        void_segments = batch.take_segments(np.flatnonzero(void))
        writing.count_losses(void_segments, self.losses, _XML_LOSSES, frozenset({"annotations.source"}))
        areas = batch.runs.areas(batch.n_segments)
        rows = np.flatnonzero(void & writing.in_first_annotation(batch) & (areas > 0))
        annotation = batch.segment_annotation[rows]
        several = rows[np.bincount(annotation, minlength=batch.annotations.num_rows)[annotation] > 1]
        writing.count_segments(batch, several, "instance", self.losses, areas)

    def _paint(
        self, batch: Batch, image: writing.ImageSegments, index: Ints, attributes: Attributes, stem: str
    ) -> None:
        painted_rows = np.flatnonzero((index >= 0) & (image.runs.areas(len(index)) > 0))
        visible = image.only(painted_rows)
        classes = writing.paint(visible, index[painted_rows], BACKGROUND, np.uint8)
        self._save(CLASSES, stem, classes, self.palette.palette)
        if self.semantic:
            writing.count_hidden_segments(batch, visible, index[painted_rows], classes, self.losses)
            return
        number = _object_values(batch, visible, index[painted_rows], self.losses)
        objects = writing.paint(visible, number, BACKGROUND, np.uint8)
        self._save(OBJECTS, stem, objects, OBJECT_PALETTE)
        writing.count_hidden_segments(batch, visible, number, objects, self.losses)
        self._describe(batch, visible, number, objects, attributes, stem)

    def _save(self, folder: str, stem: str, pixels: Pixels, palette: bytes) -> None:
        path = self.target / folder / f"{stem}.png"
        palette_image(pixels, palette).save(with_folder(path))

    def _describe(
        self,
        batch: Batch,
        image: writing.ImageSegments,
        number: Ints,
        objects: Pixels,
        attributes: Attributes,
        stem: str,
    ) -> None:
        """Write the XML file of one image, with a box for each visible object."""
        runs = ValueRuns.of(objects)
        n = len(runs.value)
        regions = runs.assign_owners(np.arange(n, dtype=np.int32), n)
        sides = np.array(bounding_boxes(regions, np.full(n, runs.height), n)).T.tolist()
        row_of = {k: row for k, row in zip(number.tolist(), image.segments.tolist(), strict=True) if k != VOID}
        categories = batch.segment_category[image.segments].tolist()
        name_of = dict(zip(image.segments.tolist(), map(self.taxonomy.name_of, categories), strict=True))
        shown = [(row_of[value], box) for value, box in zip(runs.value.tolist(), sides, strict=True) if value in row_of]
        objects_xml = (object_xml(name_of[row], box, attributes[row]) for row, box in shown)
        text = annotation_xml(image.image_id, image.width, image.height, objects_xml)
        path = self.target / BOXES / f"{stem}.xml"
        with_folder(path).write_text(text, encoding="utf-8")


def _object_values(batch: Batch, image: writing.ImageSegments, index: Ints, losses: LossCounter) -> Ints:
    """(n,) the value of each segment in the mask of objects; raises SegdataError if there are too many."""
    ids = integer_column(batch.segments["segment_id"])[image.segments]
    is_object = index != VOID
    count = int(is_object.sum())
    if count > MAX_OBJECTS:
        raise SegdataError(
            f"image {image.image_id!r} has {count} objects, VOC's masks number {MAX_OBJECTS} at most; write "
            "instance-ids or coco-instances, or leave some out"
        )
    number = np.full(len(ids), VOID, np.int64)
    number[is_object] = writing.pixel_values(ids[is_object], MAX_OBJECTS)
    changed = image.segments[number != ids]
    writing.count_segments(batch, changed, "segment-id", losses)
    return number


def _list_name(split: str | None) -> str:
    """The name of a split's list; images.csv keeps the split itself."""
    name = (split or NO_SPLIT).replace("/", "_").replace("\\", "_")
    return NO_SPLIT if is_unsafe_path(name) or name.startswith(".") else name
