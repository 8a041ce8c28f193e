"""Pairing: which mask or label file belongs to which image, by folder layout, `images.csv` and name, never by order."""

import csv
import io
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from os.path import lexists
from pathlib import Path, PurePosixPath

import msgspec

from segdata.core.errors import SegdataError, UnreadableError, count_noun, list_names
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.paths import (
    absolute_uri,
    dataset_folder,
    is_file,
    is_unsafe_path,
    relative_uri,
    split_from_path,
    split_of_name,
)
from segdata.core.safe_text import quote_path, shell_word, whole_number
from segdata.core.yaml_files import read_utf8
from segdata.formats.shared.file_names import (
    Namesakes,
    fold_name,
    group_bands,
    is_image_name,
    match_names,
    split_by_suffix,
    split_masks_and_images,
    walk_nearest,
)
from segdata.formats.shared.images import MAX_PIXELS, ImageFolder, read_header
from segdata.formats.shared.mask_families import MaskFamily
from segdata.formats.shared.mask_files import looks_like_photograph, mask_headers, n_pages
from segdata.formats.shared.mask_layouts import MaskLayout, find_layouts, list_unread_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path

INDEX_FILE = "images.csv"
_NUMBER = re.compile(r"\d+")
_N_STEMS = 20  # names that are searched for layers
# Kinds of image files found beside datasets that neither Pillow nor tifffile reads.
_UNSUPPORTED_SUFFIX = re.compile(
    r"\.(?:psd|psb|xcf|kra|ai|eps|svg|cdr|hei[cf]|avif|jxl|jp2|cr[23]|nef|arw|dng|raf|orf|rw2|pef|srw|czi|lif|nd2|oir"
    r"|vsi|svs|mrxs|ndpi|scn|ims)$",
    re.IGNORECASE,
)
_INDEX_COLUMNS = ("image", "mask", "width", "height", "uri")
_SEQUENCE_COLUMNS = ("sequence", "frame", "split")
Cell = str | int | None


def write_index(target: Path, rows: Iterable[tuple[Cell, ...]], videos: bool = False) -> None:
    """Write `images.csv` below `target`.

    `rows` hold image id, mask (below `target`; None: not annotated), width, height, uri; for videos also sequence,
    frame and split. Paths of images below `target` are written relative to it.
    """
    with (target / INDEX_FILE).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_INDEX_COLUMNS + (_SEQUENCE_COLUMNS if videos else ()))
        for image, mask, width, height, uri, *sequence_cells in rows:
            cells = (
                image,
                mask,
                width,
                height,
                relative_uri(None if uri is None else str(uri), target),
                *sequence_cells,
            )
            lines.writerow("" if value is None else value for value in cells)


def has_index(root: Path) -> bool:
    """Whether there is an `images.csv`; a dangling link counts, so that reading reports it."""
    return lexists(root / INDEX_FILE)


def read_index(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """Read `images.csv`: the images, and the defects of its lines (unsafe paths, invalid sizes, duplicates)."""
    folder = ImageFolder.below(images or root / "images")
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    image_ids: set[str] = set()
    records = csv.DictReader(io.StringIO(read_utf8(root / INDEX_FILE), newline=""))
    try:
        if "image" not in (records.fieldnames or ()):
            columns = (
                f"has the columns {', '.join(records.fieldnames)}, not" if records.fieldnames else "is empty; it has"
            )
            defects.append(Defect("SEG001", f"{columns} {', '.join(_INDEX_COLUMNS)}", INDEX_FILE))
            return entries, defects
        for record in records:
            entry, line = _index_entry(root, folder, record), records.line_num
            if isinstance(entry, tuple):
                defects.append(Defect(entry[0], entry[1], INDEX_FILE, line=line, image=record.get("image") or None))
            elif entry.image_id in image_ids:
                defects.append(Defect("SEG008", "the same image twice", INDEX_FILE, line=line, image=entry.image_id))
            else:
                image_ids.add(entry.image_id)
                entries.append(entry)
    except csv.Error as error:
        message = f"cannot be read from here on: {error}"
        defects.append(Defect("SEG001", message, INDEX_FILE, line=records.line_num))
    return entries, defects


def _index_entry(root: Path, folder: ImageFolder, record: dict[str, str]) -> ImageEntry | tuple[str, str]:
    """The image that a record describes, or the code and message of its defect."""
    image_id, mask = record.get("image") or "", record.get("mask") or ""
    if not image_id:
        return "SEG004", "no image is named in the column 'image'"
    unsafe = next((name for name in (image_id, mask) if name and is_unsafe_path(name)), None)
    if unsafe:
        return "SEG015", f"path {quote_path(unsafe)} leaves the dataset's root; name files below it"
    try:
        size = (int(record.get("height") or 0), int(record.get("width") or 0))
    except ValueError:
        return "SEG004", f"width {record.get('width')!r} and height {record.get('height')!r} are not whole numbers"
    if min(size) < 0 or size[0] * size[1] > MAX_PIXELS or max(size) > MAX_PIXELS:
        return "SEG004", f"the size is {size[1]} x {size[0]}; up to {MAX_PIXELS:,} pixels are expected"
    uri = absolute_uri(record.get("uri") or None, root)
    image = folder.paths.get(image_id) or (Path(uri) if uri and "://" not in uri and is_file(Path(uri)) else None)
    number = record.get("frame") or ""
    if number and re.fullmatch(r"-?[0-9]{1,18}", number) is None:
        return "SEG004", f"frame {number!r} is not a whole number"
    return ImageEntry(
        image_id,
        image,
        (root / mask,) if mask else (),
        size=size,
        uri=uri,
        sequence=record.get("sequence") or None,
        frame=int(number) if number else None,
        split=record.get("split") or None,
    )


Bands = Mapping[str, Mapping[str, Path]]  # image -> band -> file


class Pairing(msgspec.Struct, frozen=True):
    """The images of a dataset with their masks, and the defects of the pairing."""

    entries: tuple[ImageEntry, ...]  # in the order of image ids
    defects: tuple[Defect, ...]  # files without a partner, and others
    has_no_images: bool = False  # no image file is known
    places: dict[str, str] = {}  # content ("masks", "images") -> the folders that were read


def pair_masks(root: Path, images: Path | None = None, *, paged: bool = True, chosen: str | None = None) -> Pairing:
    """Pair the images and masks of a dataset: by `images.csv` if there is one, else by layout and name.

    The bands of an image may be files of their own (`partner.banded`). Files without a partner, on either side, are
    SEG011; when not one image is known that is a single finding. `paged`: each page of a TIFF is an image of its own;
    else they are the overviews of one. `chosen`: a word in the paths of the masks to take, if images have several;
    raises UnreadableError if they do and none is chosen.
    """
    if has_index(root):
        entries, defects = pair_by_index(root, images)
        bare = bool(entries) and all(entry.image is None for entry in entries)
        return Pairing(tuple(entries), tuple(defects), bare)
    laid_out = find_layouts(root, images, chosen)
    for layout in laid_out:
        if layout.family is not None and layout.family.rivals:
            raise UnreadableError(_ask_for_one_kind(root, layout.family))
    pairings = [
        _pair_folders(root, layout) if layout.family is None else _pair_family(root, layout.family)
        for layout in laid_out
    ]
    entries = [entry for pairing in pairings for entry in pairing.entries]
    defects = [defect for pairing in pairings for defect in pairing.defects]
    defects = _with_namesakes(root, pairings, defects) if len(pairings) > 1 else defects
    bare = all(pairing.has_no_images for pairing in pairings)
    if entries and bare:
        defects.append(no_images_defect(len(entries), root, images))
    elif entries:
        defects += [
            masks_alone_defect(len(pairing.entries), relative_path(root, pairing.entries[0].files[0].parent))
            for pairing in pairings
            if pairing.has_no_images and pairing.entries
        ]
    defects += [
        Defect(
            "SEG011",
            f"pictures elsewhere, such as {layout.left_out}, are not read; give a folder as DATA, or with --images if "
            "the masks are of them",
            severity="info",  # the picture of a README, say
        )
        for layout in laid_out
        if layout.left_out is not None
    ]
    for unread in [] if images or chosen else list_unread_masks(root, laid_out):
        folder = relative_path(root, unread.folder)
        command = f"`segdata validate {shell_word(str(unread.data))}`"
        message = f"{count_noun(unread.n_files, 'mask')} in {folder}/ are not read: {command} reads them"
        defects.append(Defect("SEG011", message, folder))
    places = {place for layout in laid_out for place in (layout.masks, layout.images) if place is not None}
    defects += unsupported_files(root, sorted(places))
    pages = _pages(root, entries, defects) if paged else entries
    return Pairing(tuple(sorted(pages, key=lambda entry: entry.image_id)), tuple(defects), bare, _places(laid_out))


def unsupported_files(root: Path, folders: Iterable[Path]) -> list[Defect]:
    """SEG021 for image files in these folders of kinds that segdata does not read.

    One defect for all, and one of severity info for those that have the name of a file that is read.
    """
    by_kind: dict[bool, list[str]] = {False: [], True: []}
    for folder in folders:
        for here, names in walk_nearest([folder], sys.maxsize):
            unsupported = [name for name in names if _UNSUPPORTED_SUFFIX.search(name) and not name.startswith(".")]
            stems = {Path(name).stem for name in names if is_image_name(name)} if unsupported else set()
            for name in unsupported:
                by_kind[Path(name).stem in stems].append(relative_path(root, here / name))
    defects = []
    for is_copy, files in by_kind.items():
        files = sorted(set(files))
        if files:
            kinds = ", ".join(sorted({Path(name).suffix.lower() for name in files}))
            shown = ", ".join(files[:3]) + (", …" if len(files) > 3 else "")
            what = f"{count_noun(len(files), 'file')} of a kind that segdata does not read ({kinds}): {shown}"
            what += "; each has the name of a file that is read" if is_copy else "; export what belongs here as PNG"
            severity: Severity = "info" if is_copy else "warning"
            defects.append(Defect("SEG021", what, files[0], severity=severity, lost=False))
    return defects


def _ask_for_one_kind(root: Path, family: MaskFamily) -> str:
    """The error message if each image has several masks that names do not tell apart."""
    message = f"{root}: each image has several masks, as {list_names(list(family.rivals), 4)}"
    if family.by_annotators:
        message += "; if several annotators drew them, name them in segdata.yaml: " + (
            f"`layers: {{pattern: '{family.pattern}', category: NAME}}`"
            if family.pattern
            else "`layers: {pattern: '{stem}_{annotator}.png', category: NAME}`"
        )
        if family.pattern:
            categories = family.pattern.replace("{annotator}", "{category}")
            message += f"; if each is a category: `layers: {{pattern: '{categories}'}}`"
    elif family.layer_pattern:
        message += f"; if each is a category, set in segdata.yaml `layers: {{pattern: '{family.layer_pattern}'}}`"
    choice = "or choose" if family.by_annotators or family.layer_pattern else "choose"
    return f"{message}; {choice} one kind by a word of its path: --read-option masks={family.choice or 'WORD'}"


def _with_namesakes(root: Path, pairings: Sequence[Pairing], defects: Iterable[Defect]) -> list[Defect]:
    """The defects; unpaired masks get a hint at an unpaired image of the same name elsewhere, and vice versa."""
    alone = [entry for pairing in pairings for entry in pairing.entries if entry.image is None or not entry.files]
    images = Namesakes(relative_path(root, entry.image) for entry in alone if entry.image is not None)
    masks = Namesakes(relative_path(root, entry.files[0]) for entry in alone if entry.files)
    others = {"a mask without image": (images, "an image"), "an image without mask": (masks, "a mask")}
    return [
        replace(
            defect, message=defect.message + others[defect.message][0].hint(str(defect.file), others[defect.message][1])
        )
        if defect.message in others
        else defect
        for defect in defects
    ]


def _pair_folders(root: Path, layout: MaskLayout) -> Pairing:
    masks, pictures = _files(layout.masks), _files(layout.images)
    if layout.images is None:
        masks, pictures = split_masks_from_images(masks)
    if not pictures:
        return Pairing(
            tuple(_paired_entry(layout.prefix, name, None, path) for name, path in masks.items()),
            (),
            has_no_images=True,
        )
    bands = {
        name: {band: pictures.pop(file) for band, file in files.items()}
        for name, files in group_bands(masks, pictures).items()
    }
    pictures |= {name: next(iter(files.values())) for name, files in bands.items()}
    partner, second_masks = match_names(masks, pictures)
    if not partner:
        examples = f"{next(iter(masks))!r} and {next(iter(pictures))!r}"
        no_mask = "the mask does not have" if len(masks) == 1 else f"none of {len(masks)} masks has"
        an_image = "the image" if len(pictures) == 1 else f"one of {len(pictures)} images"
        message = f"{no_mask} the name of {an_image}, as {examples}"
        stems = tuple(f"{Path(name).stem}_" for name in islice(pictures, _N_STEMS))
        if any(name.startswith(stems) for name in islice(masks, _N_STEMS)):
            pattern = f"{{stem}}_{{category}}{Path(next(iter(masks))).suffix}"
            message += f"; for a mask of each category, declare `layers: {{pattern: '{pattern}'}}` in segdata.yaml"
        defects = [Defect("SEG011", message, relative_path(root, layout.masks))]
        return Pairing(
            tuple(_paired_entry(layout.prefix, name, None, path) for name, path in masks.items()), tuple(defects)
        )
    entries, defects = [], list(_missing_bands(root, layout.prefix, bands))
    for name, path in masks.items():
        file = relative_path(root, path)
        if name in second_masks:
            message = f"a second mask of image {second_masks[name]!r}; the first one is read"
            defects.append(Defect("SEG008", message, file, image=layout.prefix + second_masks[name]))
            continue
        image = partner.get(name, name)
        entry = _paired_entry(
            layout.prefix, image, pictures.get(image) if name in partner else None, path, bands.get(image)
        )
        entries.append(entry)
        if entry.image is None:
            defects.append(Defect("SEG011", "a mask without image", file, image=entry.image_id))
    alone = pictures.keys() - set(partner.values())
    for name in sorted(alone):
        entries.append(_paired_entry(layout.prefix, name, pictures[name], None, bands.get(name)))
        defects.append(
            Defect("SEG011", "an image without mask", relative_path(root, pictures[name]), image=entries[-1].image_id)
        )
    return Pairing(tuple(entries), tuple(defects))


def may_have_labels(name: str, homes: Collection[str]) -> bool:
    """Whether an image without labels belongs to the dataset, whose images with labels lie in the folders `homes`.

    It does if it lies in one of them, in a folder that differs from one in numbers, or in one of a split. Others
    usually are pictures of a program.
    """
    folder = name.rpartition("/")[0]
    is_sibling = bool(folder) and _NUMBER.sub("#", folder) in {_NUMBER.sub("#", home) for home in homes}
    return is_sibling or folder in homes or split_from_path(name) is not None


def elsewhere_defect(images: Sequence[str]) -> Defect:
    """SEG011, an info, about images in folders where none has labels."""
    where = list_names(sorted({name.rpartition("/")[0] or "the root" for name in images}))
    message = f"{count_noun(len(images), 'image')} in folders where none has labels ({where}): not read"
    return Defect("SEG011", message, images[0], severity="info")


def _pair_family(root: Path, family: MaskFamily) -> Pairing:
    """The images of a family, with their paths below the root as ids."""
    entries = [
        _paired_entry("", image, root / image, root / mask, {name: root / file for name, file in bands.items()})
        for image, mask in family.masks.items()
        for bands in [family.bands.get(image, {})]
    ]
    homes = {image.rpartition("/")[0] for image in family.masks}
    alone = [image for image in family.alone if may_have_labels(image, homes)]
    entries += [_paired_entry("", image, root / image, None) for image in alone]
    defects = [Defect("SEG011", "an image without mask", image, image=image) for image in alone]
    if len(alone) < len(family.alone):
        defects.append(elsewhere_defect(sorted(set(family.alone) - set(alone))))
    defects += [
        Defect("SEG008", f"a second mask of image {image!r}; the first one is read", mask, image=image)
        for mask, image in family.extra.items()
    ]
    defects += [
        Defect(
            "SEG011",
            f"files of this kind belong to the images, too, and are not read as labels: {shown}; if they are the "
            "labels, choose them by a word of their path: --read-option masks=WORD",
            shown,
            severity="info",
        )
        for shown in family.left_out
    ]
    return Pairing(tuple(entries), tuple(defects))


def split_masks_from_images(files: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Split the files of one folder into masks and images, by words in names, else by suffix; else all are masks.

    If there are `a.png` and `a.tif`, those that look like photographs are the images; JPEG files are never masks.
    """
    masks, pictures = split_masks_and_images(files)
    groups = split_by_suffix(files)
    n_named = len(match_names(masks, pictures)[0]) if pictures else 0
    if groups is None or len(match_names(*groups)[0]) <= n_named:
        return masks, pictures
    shades = [looks_like_photograph(list(group.values())[:3]) for group in groups]
    if shades == [False, True]:
        return groups
    if shades == [True, False] and not any(head.lossy for head in mask_headers(list(groups[1].values())[:3])):
        return groups[1], groups[0]
    jpeg = any(head.lossy for head in mask_headers(list(groups[1].values())[:1]))
    return groups if jpeg and not shades[0] else (masks, pictures)


def _places(laid_out: list[MaskLayout]) -> dict[str, str]:
    masks = [layout.masks.as_posix() for layout in laid_out]
    images = [layout.images.as_posix() for layout in laid_out if layout.images is not None]
    return {what: ", ".join(folders) for what, folders in (("masks", masks), ("images", images)) if folders}


def masks_alone_defect(n_masks: int, folder: str) -> Defect:
    """The defect of a folder of masks without any image."""
    lacking = "is no image for this mask" if n_masks == 1 else f"are no images for these {n_masks} masks"
    return Defect("SEG011", f"there {lacking}", folder)


def _missing_bands(root: Path, prefix: str, bands: Bands) -> Iterator[Defect]:
    """SEG002 for each band that an image lacks and more than half of the others have."""
    counts = Counter(band for files in bands.values() for band in files)
    usual = [band for band, count in counts.items() if 2 * count > len(bands)]
    for name, files in bands.items():
        missing = [band for band in usual if band not in files]
        if missing:
            message = f"the image has no band {', '.join(missing)}, which others have"
            yield Defect("SEG002", message, relative_path(root, next(iter(files.values()))), image=prefix + name)


def _paired_entry(
    prefix: str, name: str, image: Path | None, mask: Path | None, bands: Mapping[str, Path] | None = None
) -> ImageEntry:
    image_id = prefix + name
    channels = tuple({"uri": path.as_posix(), "name": band} for band, path in (bands or {}).items())
    masks = () if mask is None else (mask,)
    split = split_from_path(image_id) or split_of_name(PurePosixPath(prefix).name)
    return ImageEntry(image_id, image, masks, split=split, channels=channels or None)


def pair_by_index(root: Path, images: Path | None) -> tuple[list[ImageEntry], list[Defect]]:
    """Pair by `images.csv`: its images, and the defects of its lines and of missing image files."""
    entries, defects = read_index(root, images)

    def describe(entry: ImageEntry) -> Defect:
        return Defect("SEG002", f"image file {entry.image_id!r} does not exist", INDEX_FILE, image=entry.image_id)

    return entries, [*defects, *missing_images(entries, root, images, describe)]


def _missing_image(entry: ImageEntry) -> Defect:
    return Defect("SEG002", "the image file does not exist", entry.image_id, image=entry.image_id)


def images_without_labels(rows: Iterable[ImageEntry], entries: Iterable[ImageEntry]) -> list[ImageEntry]:
    """The unannotated images: those in images.csv that have no label file and are not among `entries`."""
    known = {entry.image_id for entry in entries}
    return [row for row in rows if not row.files and row.image_id not in known]


def missing_images(
    entries: Sequence[ImageEntry],
    root: Path,
    images: Path | None,
    describe: Callable[[ImageEntry], Defect] = _missing_image,
) -> list[Defect]:
    """The defects of images without a file: one for all if no file is known, else `describe` of each."""
    missing = [entry for entry in entries if entry.image is None]
    if missing and len(missing) == len(entries):
        return [no_images_defect(len(missing), root, images)]
    return [describe(entry) for entry in missing]


def no_images_defect(n_images: int, root: Path, images: Path | None) -> Defect:
    """The defect of a dataset if none of its image files was found."""
    searched = images or dataset_folder(root)
    return Defect("SEG002", _no_images_message(n_images, str(searched)), severity="info")


def _no_images_message(n_images: int, searched: str) -> str:
    what = "the image file" if n_images == 1 else f"none of the {n_images:,} image files"
    return f"{what} was {'not ' * (n_images == 1)}found in {searched}; give --images"


def _files(place: Path | None) -> dict[str, Path]:
    if place is not None and place.is_file():
        return {place.name: place}
    return ImageFolder.below(place).paths


def _pages(root: Path, entries: list[ImageEntry], defects: list[Defect]) -> list[ImageEntry]:
    """Split each multi-page TIFF into one image per page, `volume.tif/0007`; SEG003 if its image has other pages."""
    pages = []
    for entry in entries:
        count = n_pages(entry.files[0]) if entry.files else 1
        if count == 1:
            pages.append(entry)
            continue
        volume = entry.image_id
        defect = None if entry.image is None else _other_pages(root, entry, entry.image, count)
        if defect is not None:
            defects.append(defect)
        image = entry.image if defect is None or defect.image is not None else None
        pages += [
            replace(entry, image_id=f"{volume}/{page:04d}", image=image, page=page, sequence=volume, frame=page)
            for page in range(count)
        ]
    return pages


def _other_pages(root: Path, entry: ImageEntry, image: Path, count: int) -> Defect | None:
    """SEG003 if the image of a mask of `count` pages has others: of no image if it is only a preview of the volume."""
    n_images, volume = n_pages(image), entry.image_id
    if n_images == count:
        return None
    with suppress(OSError):
        head, mask = read_header(image), read_header(entry.files[0])
        if n_images == 1 and (head.width, head.height) != (mask.width, mask.height):
            message = (
                f"one picture of {head.width}x{head.height} beside a volume of {count} slices of "
                f"{mask.width}x{mask.height}: a preview, and no image of these labels; give the volume with --images"
            )
            return Defect("SEG003", message, relative_path(root, image), severity="warning")
    message = (
        f"the mask has {count} pages, the image file {n_images}: each page is read as a slice of a volume; "
        "if pages are classes, save one mask with a number for each class"
    )
    severity: Severity | None = "warning" if n_images == 1 else None  # it may be a picture of the whole volume
    return Defect("SEG003", message, volume, image=f"{volume}/0000", severity=severity)


def size_option(request: ReadRequest, format: str) -> tuple[int, int]:
    """Height and width in pixels from the option `size`, for images of unknown size; (0, 0) without it.

    Raises SegdataError if it is not HEIGHTxWIDTH.
    """
    text = str(request.options.get("size", "0x0"))
    sides = [whole_number(part) for part in text.lower().split("x")]
    match sides:
        case [int(height), int(width)] if 0 <= height <= 2**20 and 0 <= width <= 2**20:
            return height, width
    raise SegdataError(f"{format}: size {text!r} is invalid; give HEIGHTxWIDTH in pixels, such as 768x1024")


def images_folder(request: ReadRequest) -> Path | None:
    """The folder of images given on the command line, else that in segdata.yaml (below the dataset's root)."""
    if request.images is not None:
        return request.images
    start = dataset_folder(request.root)
    return None if request.config.images is None else start / request.config.images


def open_pairing(request: ReadRequest) -> Pairing:
    """Pair the images and masks of a request; raises UnreadableError if there is neither a mask nor an index."""
    option = request.options.get("masks")
    pairing = pair_masks(request.root, images_folder(request), chosen=None if option is None else str(option))
    if not pairing.entries and not has_index(request.root):
        raise UnreadableError(f"{request.root}: no mask files; a dataset has images/ and masks/, or is a mask folder")
    return pairing


_MAX_BESIDE = 50  # folders beside the document that are searched


def find_images(
    document: Path, file_name: str, names: Sequence[str], images: Path | None, skip: Sequence[Path] = ()
) -> tuple[ImageFolder, list[Defect]]:
    """Find the folder of a document's images: `images` if given, else that near the document that has most of them.

    Images that this folder lacks may lie in its subfolders or its parent. In `images` they may be in a folder of the
    document's split, in another one (`images/train2017/`), or in several.

    `file_name` is the document's name in defects; `skip` lists folders that hold something else. If no image is
    found, the document gets one defect of severity info, not one for each image.
    """
    near = _given_places(document, images) if images is not None else _image_places(document)
    places = [place for place in near if place not in skip or images is not None]
    folders = [place for place in places if place.is_dir()]
    nested = [name for name in names if "/" in name]
    by_folder = {"": set(names).difference(nested)} if len(nested) < len(names) else {}
    for name in nested:
        folder, _, file = name.rpartition("/")
        by_folder.setdefault(folder, set()).add(file)
    best: tuple[int, ImageFolder | None] = 0, None
    for place in folders:
        if _has_any(place, by_folder):
            if images is not None:
                return _with_other_folders(ImageFolder.below(place), folders, names), []
            # The folder around a document may be a whole disk.
            pictures = ImageFolder.of_names(place, names) if _holds(place, document) else ImageFolder.below(place)
            pictures = _with_other_folders(pictures, _folders_in_line(place, folders), names)
            n = len(pictures.paths.keys() & names)
            if n > best[0]:
                best = n, pictures
            if n == len(names):
                break
    if best[1] is not None:
        return best[1], []
    if not names:
        return ImageFolder(None), []
    tried = [images] if images is not None else folders or places
    searched = ", ".join(place.as_posix() for place in tried[:3]) + (", …" if len(tried) > 3 else "")
    message = _no_images_message(len(names), searched)
    twin = _name_in_other_spelling(folders, by_folder)
    if twin is not None:
        message = f"images are named {twin[0]!a}, the file is {twin[1]!a}: {_spelling_remedy(*twin)}"
        return ImageFolder(None), [Defect("SEG002", message, file_name)]
    from segdata.formats.shared.image_names import explain_names  # seldom needed

    other = explain_names(folders, names, () if images is not None else skip)
    return ImageFolder(None), [Defect("SEG002", other or message, file_name, severity=None if other else "info")]


def _holds(place: Path, document: Path) -> bool:
    return document.absolute().is_relative_to(place.absolute())


def _folders_in_line(place: Path, folders: Sequence[Path]) -> list[Path]:
    """The folders that contain `place` or lie in it: `valid/images/` may have what `valid/` lacks.

    Sibling folders are excluded, since they hold other splits or thumbnails.
    """
    own = place.absolute()
    return [other for other in folders if own.is_relative_to(other.absolute()) or other.absolute().is_relative_to(own)]


def _with_other_folders(folder: ImageFolder, places: Sequence[Path], names: Sequence[str]) -> ImageFolder:
    """The folder, extended by the missing names that exactly one of the places has."""
    missing = set(names) - folder.paths.keys()
    if not missing:
        return folder
    others = [ImageFolder.of_names(place, missing).paths for place in places if place != folder.root]
    held = {name: [paths[name] for paths in others if name in paths] for name in missing}
    return ImageFolder(folder.root, folder.paths | {name: paths[0] for name, paths in held.items() if len(paths) == 1})


def _given_places(document: Path, images: Path) -> list[Path]:
    """The user's folder of images, then its subfolders, that of the document's split first."""
    split = document.stem.rpartition("_")[2]
    inside = sorted(place for place in images.iterdir() if place.is_dir()) if images.is_dir() else []
    return list(dict.fromkeys([images, images / split, *inside[:_MAX_BESIDE]]))


def _has_any(place: Path, by_folder: dict[str, set[str]]) -> bool:
    """Whether any of the names, grouped by folder, exists below `place`; lists each folder once."""
    for folder, names in by_folder.items():
        try:
            with os.scandir(place / folder) as entries:
                if any(entry.name in names for entry in entries):
                    return True
        except (OSError, ValueError):  # no such folder, or a name that no folder can have
            continue
    return False


def _spelling_remedy(name: str, file: str) -> str:
    """The remedy for an image that a document names `name` while the file is `file`."""
    if name.lower() == file.lower():
        return "give the names the case of the files"
    if unicodedata.normalize("NFC", name).lower() == unicodedata.normalize("NFC", file).lower():
        return "accents are encoded differently; give names and files the same Unicode form (NFC)"
    return "give the names the spelling of the files"


def _name_in_other_spelling(places: Iterable[Path], by_folder: dict[str, set[str]]) -> tuple[str, str] | None:
    """The first name that a file below one of the places has but for case or encoding, and that file's name."""
    for place in places:
        for folder, names in by_folder.items():
            with suppress(OSError, ValueError), os.scandir(place / folder) as entries:
                files = {fold_name(entry.name): entry.name for entry in entries if is_image_name(entry.name)}
                alike = {files[fold_name(name)]: name for name in names if fold_name(name) in files} if files else {}
                if alike:
                    file = min(alike)
                    return alike[file], file
    return None


def _image_places(document: Path) -> list[Path]:
    """The folders in which the images of a document usually lie, the likeliest first."""
    parent = document.parent
    split = document.stem.rpartition("_")[2]
    places = [parent / split, parent / split / "images", parent / "images" / split, parent / "images", parent]
    around = [parent]
    labels = next((folder for folder in document.absolute().parents[:2] if folder.name == "annotations"), None)
    if labels is not None:
        above = labels.parent
        places += [above / split, above / split / "images", above / "images" / split, above / "images", above]
        around += [above, above / "images"]
    beside = [place for folder in around if folder.is_dir() for place in sorted(folder.iterdir()) if place.is_dir()]
    return list(dict.fromkeys(places + beside[:_MAX_BESIDE]))
