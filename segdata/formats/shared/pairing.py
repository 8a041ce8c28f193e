"""Pairing: which mask or label file belongs to which image, by folder layout, `images.csv` and name, never by order."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import msgspec

from segdata.core.errors import UnreadableError, count_noun, list_names
from segdata.core.finding import Defect, Severity
from segdata.core.format import ReadRequest
from segdata.core.losses import LOSSES_FILE
from segdata.core.paths import check_path_name, dataset_folder, is_unsafe_path, split_from_path, split_of_name
from segdata.core.safe_text import shell_word
from segdata.formats.shared.file_names import (
    IMAGE_SUFFIXES,
    Namesakes,
    group_bands,
    is_image_name,
    match_names,
    misnamed_hint,
    misnamed_images,
    split_by_suffix,
    split_masks_and_images,
    walk_files,
    walk_nearest,
)
from segdata.formats.shared.image_index import has_index, pair_by_index
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.mask_families import MaskFamily
from segdata.formats.shared.mask_files import looks_like_photograph, mask_headers, n_pages
from segdata.formats.shared.mask_layouts import MaskLayout, find_layouts, list_unread_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path

_NUMBER = re.compile(r"\d+")
_N_STEMS = 20  # names that are searched for layers
_MASK_ALONE, _IMAGE_ALONE = "a mask without image", "an image without mask"
# Kinds of image files found beside datasets that neither Pillow nor tifffile reads.
_UNSUPPORTED_SUFFIX = re.compile(
    r"\.(?:psd|psb|xcf|kra|ai|eps|svg|cdr|hei[cf]|avif|jxl|jp2|cr[23]|nef|arw|dng|raf|orf|rw2|pef|srw|czi|lif|nd2|oir"
    r"|vsi|svs|mrxs|ndpi|scn|ims)$",
    re.IGNORECASE,
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
    layouts = find_layouts(root, images, chosen)
    pairings = [_pair_layout(root, layout) for layout in layouts]
    entries = [entry for pairing in pairings for entry in pairing.entries]
    bare = all(pairing.has_no_images for pairing in pairings)
    defects = [*_partner_defects(root, pairings)]
    if entries and bare:
        defects.append(no_images_defect(len(entries), root, images))
    defects += _unread_defects(root, layouts, is_whole=not (images or chosen))
    pages = _pages(root, entries, defects) if paged else entries
    return Pairing(tuple(sorted(pages, key=lambda entry: entry.image_id)), tuple(defects), bare, _places(layouts))


def open_pairing(request: ReadRequest) -> Pairing:
    """Pair the images and masks of a request; raises UnreadableError if there is neither a mask nor an index."""
    option = request.options.get("masks")
    pairing = pair_masks(request.root, images_folder(request), chosen=None if option is None else str(option))
    if not pairing.entries and not has_index(request.root):
        raise UnreadableError(f"{request.root}: no mask files; a dataset has images/ and masks/, or is a mask folder")
    return pairing


def _partner_defects(root: Path, pairings: Sequence[Pairing]) -> Iterator[Defect]:
    """The defects of all pairings; unpaired files get a hint at an unpaired one of the same name elsewhere."""
    alone = [entry for pairing in pairings for entry in pairing.entries if entry.image is None or not entry.files]
    images = Namesakes(relative_path(root, entry.image) for entry in alone if entry.image is not None)
    masks = Namesakes(relative_path(root, entry.files[0]) for entry in alone if entry.files)
    for defect in chain.from_iterable(pairing.defects for pairing in pairings):
        hint = ""
        if len(pairings) > 1 and defect.message == _MASK_ALONE:
            hint = images.hint(str(defect.file), "an image")
        elif len(pairings) > 1 and defect.message == _IMAGE_ALONE:
            hint = masks.hint(str(defect.file), "a mask")
        yield replace(defect, message=defect.message + hint)
    bare = [pairing.entries for pairing in pairings if pairing.has_no_images and pairing.entries]
    if not all(pairing.has_no_images for pairing in pairings):
        yield from (masks_alone_defect(len(masks), relative_path(root, masks[0].files[0].parent)) for masks in bare)


def _unread_defects(root: Path, layouts: Sequence[MaskLayout], is_whole: bool) -> Iterator[Defect]:
    """SEG011 for pictures elsewhere and, if the whole dataset is read, other folders of masks; SEG021 (see below)."""
    for layout in layouts:
        if layout.left_out is not None:  # the picture of a README, say
            message = f"pictures elsewhere, such as {layout.left_out}, are not read; give a folder as DATA"
            message += ", or with --images if the masks are of them"
            yield Defect("SEG011", message, severity="info")
    for unread in list_unread_masks(root, layouts) if is_whole else ():
        folder = relative_path(root, unread.folder)
        command = f"`segdata validate {shell_word(str(unread.data))}`"
        message = f"{count_noun(unread.n_files, 'mask')} in {folder}/ are not read: {command} reads them"
        yield Defect("SEG011", message, folder)
    places = {place for layout in layouts for place in (layout.masks, layout.images) if place is not None}
    yield from unsupported_files(root, sorted(places))


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


def _pair_layout(root: Path, layout: MaskLayout) -> Pairing:
    if layout.family is None:
        return _pair_folders(root, layout)
    if layout.family.rivals:
        raise UnreadableError(_ask_for_one_kind(root, layout.family))
    return _pair_family(root, layout.family)


def _pair_folders(root: Path, layout: MaskLayout) -> Pairing:
    masks, pictures = _files(layout.masks), _files(layout.images)
    if layout.images is None:
        masks, pictures = split_masks_from_images(masks)
    masks_alone = tuple(_paired_entry(layout.prefix, name, None, path) for name, path in masks.items())
    if not pictures:
        return Pairing(masks_alone, (), has_no_images=True)
    bands = {
        name: {band: pictures.pop(file) for band, file in files.items()}
        for name, files in group_bands(masks, pictures).items()
    }
    pictures |= {name: next(iter(files.values())) for name, files in bands.items()}
    partner, second_masks = match_names(masks, pictures)
    if not partner:
        defect = Defect("SEG011", _no_partner_message(masks, pictures), relative_path(root, layout.masks))
        return Pairing(masks_alone, (defect,))
    entries, defects = [], list(_missing_bands(root, layout.prefix, bands))
    for name, path in masks.items():
        file = relative_path(root, path)
        if name in second_masks:
            message = f"a second mask of image {second_masks[name]!r}; the first one is read"
            defects.append(Defect("SEG008", message, file, image=layout.prefix + second_masks[name]))
            continue
        image = partner.get(name)
        picture = None if image is None else pictures[image]
        entry = _paired_entry(layout.prefix, image or name, picture, path, bands.get(image or name))
        entries.append(entry)
        if entry.image is None:
            defects.append(Defect("SEG011", _MASK_ALONE, file, image=entry.image_id))
    for name in sorted(pictures.keys() - set(partner.values())):
        entries.append(_paired_entry(layout.prefix, name, pictures[name], None, bands.get(name)))
        file = relative_path(root, pictures[name])
        defects.append(Defect("SEG011", _IMAGE_ALONE, file, image=layout.prefix + name))
    return Pairing(tuple(entries), tuple(defects))


def _no_partner_message(masks: Mapping[str, Path], pictures: Mapping[str, Path]) -> str:
    """What is wrong if no mask has the name of an image."""
    mask, picture = next(iter(masks)), next(iter(pictures))
    no_mask = "the mask does not have" if len(masks) == 1 else f"none of {len(masks)} masks has"
    an_image = "the image" if len(pictures) == 1 else f"one of {len(pictures)} images"
    message = f"{no_mask} the name of {an_image}, as {mask!r} and {picture!r}"
    stems = tuple(f"{Path(name).stem}_" for name in islice(pictures, _N_STEMS))
    if any(name.startswith(stems) for name in islice(masks, _N_STEMS)):
        pattern = f"{{stem}}_{{category}}{Path(mask).suffix}"
        message += f"; for a mask of each category, declare `layers: {{pattern: '{pattern}'}}` in segdata.yaml"
    return message


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
    defects = [Defect("SEG011", _IMAGE_ALONE, image, image=image) for image in alone]
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


def pair_label_files(
    root: Path, suffix: str, images: Path | None, stated: Callable[[Path], str | None] | None = None
) -> tuple[list[ImageEntry], list[Defect]]:
    """Pair the label files at or below `root` with their images.

    Parameters
    ----------
    root : the file or folder that the user named
    suffix : of label files, in lower case: ``".json"``
    images : folder of the images; None: beside the label files, or in a folder ``images`` there or next to `root`
    stated : returns the name of the image that a label file states, in the folder of the label file, or None if it
        states none. Label files that state none, by default all, have the name of their image with another extension.
        For labels that are called like ``a.png.txt``, give ``lambda path: path.stem``

    Returns an entry for each image, and the defects: two label files for one image, files without a partner. An image
    that is not found has the stated name as its id, or that of its label file.
    """
    labels = find_label_files(root, suffix)
    named = {name: _in_folder_of(name, stated(path) if stated else None) for name, path in labels.items()}
    folder_root = dataset_folder(root)
    places = [images] if images else [folder_root, folder_root / "images", folder_root.parent / "images"]
    partner, folder = _partners(named, [_image_folder(place, deep=root.is_dir()) for place in places])
    entries: dict[str, ImageEntry] = {}
    defects = []
    for name, path in labels.items():
        image_id = partner.get(name) or named[name] or name
        if image_id in entries:
            message = f"a second label file for image {image_id!r}; the first one is read"
            defects.append(Defect("SEG008", message, relative_path(root, path), image=image_id))
            continue
        entries[image_id] = ImageEntry(image_id, folder.paths.get(image_id), (path,))
        if partner and name not in partner:
            defects.append(Defect("SEG002", "the image file does not exist", relative_path(root, path), image=image_id))
    if root.is_dir():
        defects += unsupported_files(root, [root])
    if not partner:
        return list(entries.values()), [
            *(defect for defect in defects if defect.code == "SEG021"),
            *([no_images_defect(len(entries), folder_root, images)] if entries else []),
        ]
    if root.is_dir():
        defects += add_unlabelled_images(entries, folder)
    return sorted(entries.values(), key=lambda entry: entry.image_id), defects


def add_unlabelled_images(
    entries: dict[str, ImageEntry], folder: ImageFolder, claimed: Iterable[str] = ()
) -> Iterator[Defect]:
    """Add the images of a folder that have no label file to `entries`; yields their defects.

    `claimed`: names that are not added. An image that differs from one with labels in the extension alone (`a.png`
    beside `a.jpg` and `a.json`) is usually its mask, and is not added either; one defect lists all of these. Nor are
    images of folders where none has labels, unless the folder is one of a split or differs in numbers from one
    that has labels: they usually are pictures of a program.
    """
    labelled = {name.rpartition(".")[0] for name in entries}
    homes = {name.rpartition("/")[0] for name, entry in entries.items() if entry.image is not None}
    beside, elsewhere = [], []
    unlabelled = sorted(folder.paths.keys() - entries.keys() - set(claimed))
    meant = misnamed_images([name for name, entry in entries.items() if entry.image is None], unlabelled)
    for name in unlabelled:
        if name.rpartition(".")[0] in labelled:
            beside.append(name)
            continue
        if homes and name not in meant and not may_have_labels(name, homes):
            elsewhere.append(name)
            continue
        entries[name] = ImageEntry(name, folder.paths[name])
        yield Defect("SEG011", f"an image without labels{misnamed_hint(meant.get(name))}", name, image=name)
    if beside:
        are = "is a file" if len(beside) == 1 else f"are {len(beside):,} files"
        message = f"there {are} with the name of an image with labels and another extension: not read"
        yield Defect("SEG011", message, beside[0], severity="info")
    if elsewhere:
        yield elsewhere_defect(elsewhere)


def find_label_files(root: Path, suffix: str) -> dict[str, Path]:
    """Relative path -> label file for the files below the dataset's root, which may be a label file itself.

    Skips hidden files and folders, and the list of losses that `segdata convert` leaves beside its output.
    """
    if root.is_file():
        return {root.name: root}
    paths = {}
    for name, path in walk_files(root):
        if path.name.lower().endswith(suffix) and not path.name.startswith(".") and name != LOSSES_FILE:
            check_path_name(path)
            paths[name] = path
    return paths


def _in_folder_of(name: str, image: str | None) -> str | None:
    """The path of the image that a label file names, relative to its folder; None for no name or an unsafe path."""
    if image is None or is_unsafe_path(image):
        return None
    return PurePosixPath(name).with_name(PurePosixPath(image).name).as_posix()


def _image_folder(place: Path, deep: bool) -> ImageFolder:
    """The image files in a folder; `deep`: at any depth. A single label file may lie in a folder of unrelated files."""
    if deep or not place.is_dir():
        return ImageFolder.below(place)
    return ImageFolder(
        place, {path.name: path for path in sorted(place.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    )


def _partners(named: Mapping[str, str | None], folders: Sequence[ImageFolder]) -> tuple[dict[str, str], ImageFolder]:
    """The image file of each label file, from the first folder that has any of them."""
    for folder in folders:
        partner = {name: image for name, image in named.items() if image in folder.paths}
        labels, images = named.keys() - partner.keys(), folder.paths.keys() - set(partner.values())
        matched, _ = match_names(sorted(labels), sorted(images))
        partner |= {name: image for name, image in matched.items() if named[name] is None}
        if partner:
            return partner, folder
    for folder in folders:  # images/a.png and labels/a.xml, at any depth
        labels_of, images_of = _by_own_name(named), _by_own_name(folder.paths)
        matched, _ = match_names(labels_of, images_of)
        if 2 * len(matched) >= min(len(named), len(folder.paths)) > 0:
            return {labels_of[label]: images_of[image] for label, image in matched.items()}, folder
    return {}, ImageFolder(None)


def _by_own_name(paths: Iterable[str]) -> dict[str, str]:
    """File name -> path, for the file names that occur once."""
    names: dict[str, list[str]] = {}
    for path in paths:
        names.setdefault(PurePosixPath(path).name, []).append(path)
    return {name: several[0] for name, several in names.items() if len(several) == 1}
