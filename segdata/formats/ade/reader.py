"""Reads ADE20K: finds the files of each image, gathers the categories, and reads the images level by level."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, split_from_path
from segdata.core.runs import Ints
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.ade.documents import AdeDocument, read_atr, read_document
from segdata.formats.ade.regions import (
    AdeSegments,
    LevelRegions,
    ObjectMask,
    locate_object,
    missing_masks,
    read_regions,
)
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import has_index, images_folder, no_images_defect, read_index
from segdata.formats.shared.per_image import (
    BrokenLabelsError,
    ImageAnnotation,
    ImageEntry,
    PerImageSource,
    relative_path,
)
from segdata.formats.shared.taxonomies import CategoryNames, resolve_names

SEG = "_seg.png"
_PARTS = re.compile(r"(.+)_parts_([0-9]{1,2})\.png")
_ENDS = (SEG, "_atr.txt", ".json", *sorted(IMAGE_SUFFIXES))  # of the file that is named in place of a folder


@dataclass(frozen=True, slots=True)
class _AdeFiles:
    """The files of one image."""

    stem: str  # path below the root without ``_seg.png``
    seg: Path | None = None  # the mask of objects; None if there is none
    parts: dict[int, Path] = field(default_factory=dict)  # level -> mask of parts
    text: Path | None = None  # X.json or X_atr.txt; None if there is neither
    image: Path | None = None  # the image file; None if it lies elsewhere

    def notes(self, root: Path) -> AdeDocument:
        """The content of the text file; empty if there is none."""
        if self.text is None:
            return AdeDocument()
        read = read_atr if self.text.suffix == ".txt" else read_document
        return read(self.text, relative_path(root, self.text))


def find_images(root: Path) -> list[_AdeFiles]:
    """The images below `root`, each with its files; of one of these files that image alone."""
    if root.is_file():
        end = next((end for end in _ENDS if root.name.endswith(end)), "")
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
    """Collects names of categories, file by file."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self._by_index: dict[int, str] = {}
        self._index: dict[str, int] = {}
        self._wider: dict[int, str] = {}
        self._others: set[str] = set()

    def add(self, notes: AdeDocument, file: str) -> None:
        """Take in the text file of one image."""
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

        All are things, since every region is an instance; names take precedence over indices.

        A class index that no file names is the category of this id in the user's taxonomy.
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
    pictures = {PurePosixPath(name).with_suffix("").as_posix(): name for name in ImageFolder.below(images).paths}
    names, entries = _CategoryCollector(), []
    for files in all_files:
        if rows and files.seg is None:
            continue  # images.csv has it
        notes = files.notes(root)
        names.add(notes, relative_path(root, files.text) if files.text else "")
        entries.append(_entry(files, notes, of_mask.get(files.stem), images, pictures))
        if files.seg is None and files.image is not None:
            message = f"an image without {Path(files.stem).name}{SEG}"
            defects.append(Defect("SEG011", message, relative_path(root, files.image), image=entries[-1].image_id))
    entries += [row for row in rows if not row.files]
    entries.sort(key=lambda entry: entry.image_id)
    missing = [entry for entry in entries if entry.image is None]
    if entries and len(missing) == len(entries):
        defects.append(no_images_defect(len(entries), root, images))
    else:
        message = "the image file does not exist"
        defects += [Defect("SEG002", message, entry.image_id, image=entry.image_id) for entry in missing]
    return entries, names, [*defects, *names.defects]


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

    root: Path  # names in defects start here
    categories: CategoryNames  # the taxonomy, and the names that it lacks
    by_index: Mapping[int, int]  # class index in the masks -> category id
    with_masks: bool  # the masks of single objects are opened

    def __call__(self, entry: ImageEntry) -> list[ImageAnnotation]:
        """The objects and parts of one image."""
        files: _AdeFiles = entry.record
        notes = files.notes(self.root)
        defects = list(notes.defects)
        levels = self._levels(files, notes, defects)
        masks = self._drawn(files, notes, levels[0].size, defects)
        segments = AdeSegments.of(levels, notes.objects, masks, defects)
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

    def _drawn(
        self, files: _AdeFiles, notes: AdeDocument, size: tuple[int, int], defects: list[Defect]
    ) -> list[ObjectMask]:
        """The masks of the text file's objects; none if the objects are numbered."""
        if files.text is None or not any(note.id is not None for note in notes.objects):
            return []
        if self.with_masks:
            defects += missing_masks(self.root, notes.objects, relative_path(self.root, files.text))
        return [locate_object(self.root, note, size, self.with_masks, defects) for note in notes.objects]

    def _categories(self, segments: AdeSegments, defects: list[Defect]) -> Ints:
        """(n,) the category id of each segment; -1, with one SEG009 a class, for classes without a name."""
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
    profile = replace(categories, declared=True).profile("ade20k", request.root, "instance", "sparse", "allow")
    reader = _AdeImageReader(request.root, categories, by_index, instances == "yes")
    return PerImageSource(request.root, profile, entries, tuple(defects), reader, request.annotator, per_chunk=4)
