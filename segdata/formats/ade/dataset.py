"""ADE20K datasets: find the files of each image, collect categories, read images level by level, and write them."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from PIL import Image

from segdata.core.batch import Batch, integer_column
from segdata.core.errors import SegdataError, UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.losses import LossCounter, LossKind
from segdata.core.paths import check_path_name, split_from_path, with_folder, without_extension
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Ints, Runs, fill_ranges
from segdata.core.safe_text import stored_json
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.ade import LOSSES
from segdata.formats.ade.documents import (
    COLUMNS,
    MAX_CLASSES,
    MAX_LEVELS,
    OWN_KEYS,
    AdeDocument,
    read_atr,
    read_document,
    write_attribute,
)
from segdata.formats.ade.regions import (
    HIDDEN,
    VISIBLE,
    AdeSegments,
    LevelRegions,
    ObjectMask,
    Size,
    decode_rle,
    encode_rle,
    locate_object,
    missing_masks,
    read_regions,
)
from segdata.formats.shared import writing
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.image_index import Cell, has_index, images_without_labels, read_index, write_index
from segdata.formats.shared.image_names import images_folder, missing_images
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.mask_files import ValueRuns
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names
from segdata.formats.shared.writing import rgb_picture

SEG = "_seg.png"
_PARTS = re.compile(r"(.+)_parts_([0-9]{1,2})\.png")
_SUFFIXES = (SEG, "_atr.txt", ".json", *sorted(IMAGE_SUFFIXES))  # of a single file given as DATA


@dataclass(frozen=True, slots=True)
class _AdeFiles:
    """The files of one image."""

    stem: str  # path below the root without ``_seg.png``
    seg: Path | None = None  # the mask of objects; None if there is none
    parts: dict[int, Path] = field(default_factory=dict)  # level -> mask of parts
    text: Path | None = None  # X.json or X_atr.txt; None if there is neither
    image: Path | None = None  # the image file; None if it lies elsewhere

    def notes(self, root: Path) -> AdeDocument:
        """Read the text file; empty if there is none."""
        if self.text is None:
            return AdeDocument()
        read = read_atr if self.text.suffix == ".txt" else read_document
        return read(self.text, relative_path(root, self.text))


def find_images(root: Path) -> list[_AdeFiles]:
    """The images below `root`, each with its files; if `root` is one of these files, its image alone."""
    if root.is_file():
        end = next((end for end in _SUFFIXES if root.name.endswith(end)), "")
        stem = root.name.removesuffix(end)
        names = [path.name for path in root.parent.iterdir()]
        return [files for files in _images_in_folder(root.parent, "", names) if files.stem == stem]
    images: list[_AdeFiles] = []
    for folder, folders, names in os.walk(root):
        path = Path(folder)
        prefix = "" if path == root else f"{path.relative_to(root).as_posix()}/"
        folders.sort()
        images += _images_in_folder(path, prefix, names)
    return images


def _images_in_folder(folder: Path, prefix: str, names: list[str]) -> Iterator[_AdeFiles]:
    """The images of one folder. An image without a mask counts only if others in the folder have one."""
    all_names = set(names)
    masked = {name.removesuffix(SEG) for name in names if name.endswith(SEG)}
    pictures: dict[str, str] = {}
    parts: dict[str, dict[int, Path]] = {}
    for name in sorted(names, reverse=True):
        check_path_name(folder / name)
        match = _PARTS.fullmatch(name)
        if match:
            parts.setdefault(match[1], {})[int(match[2])] = folder / name
        elif Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.endswith(SEG):
            pictures[Path(name).stem] = name
    for stem in sorted(masked | (pictures.keys() if masked else set())):
        text = next((name for name in (f"{stem}.json", f"{stem}_atr.txt") if name in all_names), None)
        yield _AdeFiles(
            prefix + stem,
            folder / f"{stem}{SEG}" if stem in masked else None,
            parts.get(stem, {}),
            folder / text if text else None,
            folder / pictures[stem] if stem in pictures else None,
        )


class _CategoryCollector:
    """Collects category names, file by file."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self._by_index: dict[int, str] = {}
        self._index: dict[str, int] = {}
        self._wider: dict[int, str] = {}
        self._others: set[str] = set()

    def add(self, notes: AdeDocument, file: str) -> None:
        """Add the names in the text file of one image."""
        for note in notes.objects:
            if note.category is None:
                self._others.add(note.name)
                continue
            before = self._by_index.setdefault(note.category, note.name)
            first = self._index.setdefault(note.name, note.category)
            if before != note.name:
                message = f"name_ndx {note.category} is {before!r} in other files, {note.name!r} here"
                self.defects.append(Defect("SEG202", message, file, f"{note.place}/name"))
            elif first != note.category:
                message = f"{note.name!r} is name_ndx {first} in other files, {note.category} here"
                self.defects.append(Defect("SEG202", message, file, f"{note.place}/name_ndx"))
        for index, terms in notes.hypernyms.items():
            self._wider.setdefault(index, terms)

    def catalogue(self, taxonomy: Taxonomy | None) -> tuple[CategoryNames, dict[int, int]]:
        """The categories, and the category id of each class index in the masks.

        All are things, since every region is an instance. Names take precedence over indices; a class index that no
        file names is the category of this id in the user's taxonomy.
        """
        own = Taxonomy(
            categories=tuple(
                Category(id=index, name=name, kind="thing", definition=self._wider.get(index))
                for index, name in sorted(self._by_index.items())
                if self._index[name] == index
            ),
            unlabelled=0,
        )
        categories = resolve_names([*self._index, *self._others], taxonomy, own)
        by_index = {index: categories.to[name] for index, name in self._by_index.items()}
        named = {id_: id_ for id_ in taxonomy.by_id()} if taxonomy else {}
        return categories, named | by_index


def _list_images(
    root: Path, images: Path | None, taxonomy: Taxonomy | None
) -> tuple[list[ImageEntry], _CategoryCollector, list[Defect]]:
    """The images at `root`, with their `_AdeFiles` as records, their categories, and the defects of the files.

    `images` is your folder of images, `taxonomy` your taxonomy. Raises UnreadableError if there are no masks, or if no
    file names their classes.
    """
    all_files = find_images(root)
    rows, defects = read_index(root, images) if has_index(root) else ([], [])
    if not all_files and not has_index(root):
        raise UnreadableError(f"{root}: no masks of ADE20K (X{SEG} beside X.jpg, with X.json or X_atr.txt)")
    if taxonomy is None and all_files and all(files.text is None for files in all_files):
        raise UnreadableError(
            f"{root}: neither .json nor _atr.txt files name the classes; write taxonomy.yaml with their indices as ids"
        )
    of_mask = {_stem(row.files[0], root): row for row in rows if row.files}
    pictures = {without_extension(name): name for name in ImageFolder.below(images).paths}
    names, entries = _CategoryCollector(), []
    for files in all_files:
        if rows and files.seg is None:
            continue  # its size is in images.csv
        notes = files.notes(root)
        names.add(notes, relative_path(root, files.text) if files.text else "")
        entries.append(_entry(files, notes, of_mask.get(files.stem), images, pictures))
        if files.seg is None and files.image is not None:
            message = f"an image without {Path(files.stem).name}{SEG}"
            defects.append(Defect("SEG011", message, relative_path(root, files.image), image=entries[-1].image_id))
    entries += images_without_labels(rows, entries)
    entries.sort(key=lambda entry: entry.image_id)
    return entries, names, [*defects, *missing_images(entries, root, images), *names.defects]


def _entry(
    files: _AdeFiles, notes: AdeDocument, row: ImageEntry | None, images: Path | None, pictures: Mapping[str, str]
) -> ImageEntry:
    """The entry of an image's files; images.csv takes precedence over names."""
    record = files if files.seg else None
    if row is not None:
        return replace(row, files=(files.seg,) if files.seg else (), record=record, metadata=notes.metadata)
    stem = PurePosixPath(files.stem)
    image, name = files.image, files.stem + (files.image.suffix if files.image else "")
    if images is not None and files.stem in pictures:
        image, name = images / pictures[files.stem], pictures[files.stem]
    elif image is None:
        named = (
            notes.filename if notes.filename and PurePosixPath(notes.filename).stem == stem.name else stem.name + SEG
        )
        name = stem.with_name(PurePosixPath(named).name).as_posix()
    split = split_from_path(stem.as_posix())
    mask_files = (files.seg,) if files.seg else ()
    return ImageEntry(name, image, mask_files, record, split=split, metadata=notes.metadata)


def _stem(mask: Path, root: Path) -> str:
    return mask.relative_to(root).as_posix().removesuffix(SEG) if mask.is_relative_to(root) else mask.as_posix()


@dataclass(frozen=True, slots=True)
class _AdeImageReader:
    """Reads the images of a dataset."""

    root: Path  # base of the paths in defects
    categories: CategoryNames  # the taxonomy, and names that it lacks
    by_index: Mapping[int, int]  # class index in the masks -> category id
    with_masks: bool  # whether to open the masks of single objects

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """The objects and parts of one image."""
        files: _AdeFiles = entry.record
        notes = files.notes(self.root)
        defects = list(notes.defects)
        levels = self._levels(files, notes, defects)
        masks = self._object_masks(files, notes, levels[0].size, defects)
        segments = AdeSegments.from_levels(levels, notes.objects, masks, defects)
        category = self._categories(segments, defects)
        kept = np.flatnonzero(category >= 0)
        if files.text is not None:
            defects += segments.disagreements(relative_path(self.root, files.text))
        ids = segments.ids()
        return [
            ImageAnnotation(
                size=levels[0].size,
                segment_id=ids[kept],
                category_id=category[kept],
                runs=segments.runs.take(kept, len(ids)),
                columns=segments.columns(kept, ids),
                encoding=levels[0].encoding,
                defects=defects,
            )
        ]

    def _levels(self, files: _AdeFiles, notes: AdeDocument, defects: list[Defect]) -> list[LevelRegions]:
        """The regions of each level; raises BrokenLabelsError if not even the objects can be read."""
        regions: list[LevelRegions] = []
        deepest = max([0, *files.parts, *(note.level for note in notes.objects)])
        for level in range(deepest + 1):
            path = files.parts.get(level) if level else files.seg
            if path is None:
                if any(note.level == level for note in notes.objects):
                    message = f"{Path(files.stem).name}_parts_{level}.png does not exist: its parts are left out"
                    defects.append(Defect("SEG002", message))
                continue
            expected = {note.category or 0 for note in notes.objects if note.level == level}
            try:
                level_regions = read_regions(self.root, path, level, expected, self.by_index)
            except BrokenLabelsError as broken:
                if not regions:
                    raise
                defects += broken.defects
                continue
            if regions and level_regions.size != regions[0].size:
                (height, width), (high, wide) = level_regions.size, regions[0].size
                message = f"the mask of parts is {width}x{height}, that of objects is {wide}x{high}"
                defects.append(Defect("SEG003", message, level_regions.file, lost=True))
                continue
            defects += level_regions.defects
            regions.append(level_regions)
        return regions

    def _object_masks(
        self, files: _AdeFiles, notes: AdeDocument, size: tuple[int, int], defects: list[Defect]
    ) -> list[ObjectMask]:
        """The masks of the text file's objects; none if the objects are numbered."""
        if files.text is None or not any(note.id is not None for note in notes.objects):
            return []
        if self.with_masks:
            defects += missing_masks(self.root, notes.objects, relative_path(self.root, files.text))
        return [locate_object(self.root, note, size, self.with_masks, defects) for note in notes.objects]

    def _categories(self, segments: AdeSegments, defects: list[Defect]) -> Ints:
        """(n,) the category id of each segment; -1 for classes without a name, with one SEG009 per class."""
        category = np.full(len(segments), -1, np.int64)
        for segment, index in enumerate(segments.index.tolist()):
            note = segments.note(segment)
            category[segment] = self.by_index.get(index, -1) if note is None else self.categories.to[note.name]
        area = segments.runs.areas(len(segments))
        for index in np.unique(segments.index[category < 0]).tolist():
            rows = np.flatnonzero((category < 0) & (segments.index == index))
            place, pixels = segments.first_pixel(int(rows[0])), int(area[rows].sum())
            message = f"class {index} has no name: {pixels:,} px, the first at {place}"
            defects.append(Defect("SEG009", message, segments.file[rows[0]], place, pixels=pixels))
        return category


def open_ade(request: ReadRequest) -> PerImageSource:
    """Open the dataset; raises UnreadableError if there are no masks, or if no file names their classes."""
    instances = str(request.options.get("instances", "yes"))
    check_choice("instances", instances, ("yes", "no"))
    entries, names, defects = _list_images(request.root, images_folder(request), request.taxonomy)
    categories, by_index = names.catalogue(request.taxonomy)
    profile = msgspec.structs.replace(categories, declared=True).profile(
        "ade20k", request.root, "instance", "sparse", "allow"
    )
    reader = _AdeImageReader(request.root, categories, by_index, instances == "yes")
    return PerImageSource(request.root, profile, entries, tuple(defects), reader, request.annotator, per_chunk=4)


Keys = dict[str, msgspec.Raw]
MAX_OBJECTS = 255  # instances of one level, in the blue of a pixel
_HELD_COLUMNS = frozenset(
    {f"images.{name}" for name in ("split", "sequence", "frame", "metadata")}
    | {f"segments.{name}" for name in ("attributes", "score", "source", "track_id", "iscrowd")}
)


@dataclass(frozen=True, slots=True)
class _SegmentKeys:
    """ADE20K's keys of the n segments of a batch."""

    level: Ints  # (n,) 0 for objects, 1 for their parts …
    part_of: list[int | None]  # (n,) the id of the segment of which each is a part; None: unknown
    amodal: list[str | None]  # (n,) the attribute `amodal`: visible and hidden pixels
    keys: list[Keys]  # (n,) the other keys
    lost: list[int]  # rows of segments with an attribute that the format cannot hold

    @staticmethod
    def from_batch(batch: Batch) -> "_SegmentKeys":
        written = _SegmentKeys(np.zeros(batch.n_segments, np.int64), [], [], [], [])
        for row, pairs in enumerate(batch.segments["attributes"].to_pylist()):
            attributes = dict(pairs or ())
            level = stored_json(attributes.get("part_level"), int)
            if level is not None and 1 <= level <= MAX_LEVELS:
                written.level[row] = level
                del attributes["part_level"]
            whole_id = stored_json(attributes.get("part_of"), int) if written.level[row] else None
            if whole_id is not None:
                del attributes["part_of"]
            written.part_of.append(whole_id)
            written.amodal.append(attributes.pop("amodal", None))
            keys = {name: write_attribute(name, json) for name, json in attributes.items()}
            written.keys.append({name: msgspec.Raw(json.encode()) for name, json in keys.items() if json is not None})
            if None in keys.values():
                written.lost.append(row)
        _add_columns(batch, written.keys)
        return written


def _add_columns(batch: Batch, keys: list[Keys]) -> None:
    """Add the columns that are keys in ADE20K. A segment without a source takes that of its annotation."""
    made_by = batch.annotations["source"].take(batch.segments["annotation"]).to_pylist()
    for name in COLUMNS:
        for segment_keys, own, inherited in zip(keys, batch.segments[name].to_pylist(), made_by, strict=True):
            value = own or inherited if name == "source" else own
            if value is not None and value is not False and value == value:  # NaN counts as no value, too
                segment_keys[name] = msgspec.Raw(msgspec.json.encode(value))


def _paint_level(batch: Batch, image: writing.ImageSegments, path: Path, losses: LossCounter) -> Runs:
    """Write the mask of one level; returns the visible pixels of each of its n segments.

    Raises SegdataError if there are more segments than blue values.
    """
    n = len(image.segments)
    if n > MAX_OBJECTS:
        raise SegdataError(
            f"image {image.image_id!r} has {n} objects on one level, ADE20K's masks hold {MAX_OBJECTS}; write "
            "instance-ids or coco-instances, or leave some out"
        )
    category = batch.segment_category[image.segments]
    blue = np.floor(255 * np.arange(1, n + 1) / max(n, 1) + 0.5).astype(np.int64)  # spread over 0 to 255
    values = category // 256 * 10 | category % 256 << 8 | blue << 16
    pixels = writing.paint(image, values, 0, np.uint32)
    rgb_picture(pixels).save(with_folder(path))
    writing.count_hidden_segments(batch, image, values, pixels, losses)
    runs = ValueRuns.of(pixels)
    owner = {value: segment for segment, value in enumerate(values.tolist())}
    return runs.assign_owners(np.array([owner.get(value, -1) for value in runs.value.tolist()], np.int32), n)


def _paint_object(visible: Runs, amodal: str | None, size: Size, path: Path) -> bool:
    """Write the mask of one object with its visible and hidden pixels.

    `visible` has the one owner 0, `amodal` is an attribute. Returns whether reading gives `amodal` back.
    """
    height, width = size
    canvas = np.zeros(height * width, np.uint8)
    amodal_runs = None if amodal is None else decode_rle(amodal, size)
    if amodal_runs is not None:
        fill_ranges(canvas, amodal_runs.start, amodal_runs.length, HIDDEN)
    fill_ranges(canvas, visible.start, visible.length, VISIBLE)
    pixels = np.ascontiguousarray(canvas.reshape(width, height).T)
    Image.fromarray(pixels).save(with_folder(path))
    if amodal is None:
        return True
    runs = ValueRuns.of(pixels)
    if HIDDEN not in runs.value:
        return False
    return encode_rle(runs.assign_owners(np.where(runs.value > 0, 0, -1).astype(np.int32), 1), size) == amodal


def write_ade(profile: Profile, batches: Iterable[Batch], target: Path, losses: LossCounter) -> None:
    """Write a dataset; raises SegdataError for category ids beyond 6655 and for more than 255 objects on one level."""
    for category in profile.taxonomy.categories:
        if not 1 <= category.id <= MAX_CLASSES:
            raise SegdataError(
                f"category {category.name!r} has id {category.id}, ADE20K's masks hold classes 1 to {MAX_CLASSES}; "
                "renumber it"
            )
    writing.start_folder(target, profile, losses)
    writer = _AdeWriter(profile.taxonomy, target, losses)
    write_index(target, writer.rows(batches), videos=True)


@dataclass
class _AdeWriter:
    """Writes images one at a time."""

    taxonomy: Taxonomy  # of the dataset
    target: Path  # the folder
    losses: LossCounter
    _names: writing.MaskPaths = field(default_factory=writing.MaskPaths)

    def rows(self, batches: Iterable[Batch]) -> Iterator[tuple[Cell, ...]]:
        """Write the files of each image, and yield the rows of images.csv."""
        category_ids = np.array(list(self.taxonomy.by_id()), np.int64)
        for batch in batches:
            kept = np.isin(batch.segment_category, category_ids)
            written = _SegmentKeys.from_batch(batch)
            self._count(batch, kept, written)
            for image, pairs in zip(
                writing.segments_by_image(batch), batch.images["metadata"].to_pylist(), strict=True
            ):
                metadata, mask = dict(pairs or ()), None
                if image.annotated:
                    stem = self._names.name(image.image_id, "").removeprefix("masks/")
                    mask = f"{stem}{SEG}"
                    rows = np.flatnonzero(kept[image.segments] & (image.runs.areas(len(image.segments)) > 0))
                    self._write(batch, image.only(rows), written, stem, metadata)
                if metadata and (not image.annotated or OWN_KEYS & metadata.keys()):
                    self.losses.add("image-details", "images", 1, examples=[image.image_id])
                yield image.index_row(mask, videos=True)

    def _count(self, batch: Batch, kept: Flags, written: _SegmentKeys) -> None:
        """Count the losses of a batch; segments of different levels may overlap."""
        writing.count_losses(batch, self.losses, LOSSES, _HELD_COLUMNS)
        for level in np.unique(written.level).tolist():
            rows = np.flatnonzero(written.level == level)
            writing.count_segment_mask_losses(batch.take_segments(rows), kept[rows], self.losses)
        rows = np.array(written.lost, np.int64)
        writing.count_segments(batch, rows, "attributes", self.losses)

    def _write(
        self, batch: Batch, image: writing.ImageSegments, written: _SegmentKeys, stem: str, metadata: dict[str, str]
    ) -> None:
        """Write one image: the mask of each level, the masks of single objects, and the JSON document."""
        n = len(image.segments)
        level = written.level[image.segments]
        level_runs = [Runs.empty()]
        for depth in range(int(level.max(initial=0)) + 1):
            rows = np.flatnonzero(level == depth)
            path = self.target / (f"{stem}_parts_{depth}.png" if depth else f"{stem}{SEG}")
            runs = _paint_level(batch, image.only(rows), path, self.losses)
            level_runs.append(Runs(runs.start, runs.length, rows[runs.owner].astype(np.int32)))
        visible = Runs.concatenate(level_runs, [0] * len(level_runs)).sorted_by_owner(n)
        shown = np.flatnonzero(visible.areas(n) > 0)
        masks = []
        for number, row in enumerate(shown.tolist()):
            name = f"{PurePosixPath(stem).name}/instance_{number:03d}_{PurePosixPath(stem).name}.png"
            path, amodal = (self.target / stem).parent / name, written.amodal[image.segments[row]]
            if not _paint_object(visible.take(np.array([row]), n), amodal, (image.height, image.width), path):
                self._lose("attributes", batch, image.segments[row : row + 1])
            masks.append(name)
        document = self._document(batch, image.only(shown), written, masks)
        document |= {name: msgspec.Raw(json.encode()) for name, json in metadata.items() if name not in OWN_KEYS}
        (self.target / f"{stem}.json").write_bytes(msgspec.json.encode({"annotation": document}))

    def _document(
        self, batch: Batch, image: writing.ImageSegments, written: _SegmentKeys, masks: list[str]
    ) -> dict[str, object]:
        """The JSON document of an image and its visible segments."""
        segment_ids = integer_column(batch.segments["segment_id"])[image.segments]
        n = len(segment_ids)
        ids = segment_ids if len(np.unique(segment_ids)) == n else np.arange(n, dtype=np.int64)
        self._lose("segment-id", batch, image.segments[ids != segment_ids])
        id_of = dict(zip(segment_ids[::-1].tolist(), ids[::-1].tolist(), strict=True))
        part_of = [written.part_of[row] for row in image.segments.tolist()]
        lost = [row for row, whole in enumerate(part_of) if whole is not None and whole not in id_of]
        self._lose("attributes", batch, image.segments[lost])
        wholes = [None if whole_id is None else id_of.get(whole_id) for whole_id in part_of]
        parts: dict[int | None, list[int]] = {}
        for id_, whole in zip(ids.tolist(), wholes, strict=True):
            parts.setdefault(whole, []).append(id_)
        categories = batch.segment_category[image.segments].tolist()
        # Empty values for keys that other programs expect.
        empty = {"attributes": [], "occluded": [], "crop": [], "polygon": {"x": [], "y": []}}
        objects = [
            {
                "id": id_,
                "name": self.taxonomy.name_of(category),
                "name_ndx": category,
                "hypernym": [],
                "raw_name": self.taxonomy.name_of(category),
                **empty,
                **written.keys[row],
                "parts": {
                    "hasparts": parts.get(id_, []),
                    "ispartof": [] if whole is None else whole,
                    "part_level": int(written.level[row]),
                },
                "instance_mask": mask,
            }
            for id_, category, row, whole, mask in zip(
                ids.tolist(), categories, image.segments.tolist(), wholes, masks, strict=True
            )
        ]
        path = PurePosixPath(image.image_id)
        folder = "" if path.parent == PurePosixPath() else path.parent.as_posix()
        size = [image.height, image.width, 3]
        return {"filename": path.name, "folder": folder, "imsize": size, "object": objects}

    def _lose(self, kind: LossKind, batch: Batch, rows: Ints) -> None:
        writing.count_segments(batch, rows, kind, self.losses)
