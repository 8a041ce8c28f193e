"""Mask layouts: find the folders of masks and of images in a dataset, by their names, else by their contents."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.memo import memoize
from segdata.core.paths import SPLIT_WORD, split_of_name, split_words, visible_folders
from segdata.core.safe_text import shell_word
from segdata.formats.shared.colour_tables import ultralytics_masks
from segdata.formats.shared.file_names import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    group_bands,
    has_images,
    is_image_name,
    is_jpeg,
    match_names,
    spread_sample,
    walk_files,
    walk_nearest,
)
from segdata.formats.shared.images import ImageFolder, read_header
from segdata.formats.shared.mask_families import (
    MaskFamily,
    find_family,
    is_called_labels,
    is_called_no_labels,
    is_picture_folder,
    is_predicted,
)
from segdata.formats.shared.mask_files import decode_mask, mask_headers, run_shares

_NOT_CATEGORY_MASKS = frozenset({*IMAGE_FOLDERS, "segmentationobject"})  # VOC's numbers of objects are no categories
_PAIRED_FOLDER_SUFFIXES = ("annot", "_labels", "_masks", "_annotations")
_MAX_DEPTH = 3  # levels of folders that are searched
_MAX_FOLDERS = 40  # of one folder that are searched
_MAX_LISTED = 100  # files listed in a folder
_N_SAMPLED = 6  # files of a folder that are opened
_MASK_WORD = re.compile(rf"(?<![a-z])({'|'.join(MASK_FOLDERS)})(?![a-z])", re.IGNORECASE)
_MADE_WORDS = frozenset(("processed", "preprocessed", "enhanced", "filtered", "augmented", "edited", "annotated"))
_MAX_WALKED = 200_000  # files and folders of a dataset that are listed
_MAX_OTHER_SHAPE = 1.2  # the longer side over the shorter one of a mask, over that of its photograph
_MAX_MASK_RUNS = 0.1  # runs per pixel: masks have fewer, photographs more


class MaskLayout(msgspec.Struct, frozen=True):
    """A folder of masks and the folder of its images."""

    masks: Path  # the folder, or a single mask file
    images: Path | None  # the folder or the image file; None if there is none
    prefix: str  # of image ids, before the names in `images`: ``train/``
    evidence: str  # for the user
    family: MaskFamily | None = None  # the matched files, if folders do not match them; it may have rivals
    left_out: str | None = None  # one of the pictures elsewhere that are not read, or a folder of them

    def mask_files(self) -> list[Path]:
        """The mask file, or every image file below the folder of masks, sorted; of several kinds, the first."""
        if self.family is not None:
            names = next(iter(self.family.rivals.values()), None) or self.family.masks.values()
            return [self.masks / name for name in names]
        return [self.masks] if self.masks.is_file() else list(ImageFolder.below(self.masks).paths.values())


class UnclearMasksError(UnreadableError):
    """Several folders may hold the masks; `folders` names some of them."""

    def __init__(self, folders: list[Path], message: str) -> None:
        super().__init__(message)
        self.folders = folders


def find_layouts(root: Path, images: Path | None = None, chosen: str | None = None) -> list[MaskLayout]:
    """Find the folders of masks of a dataset.

    `images` is the user's folder of images; `chosen` is a word in the paths of the masks to take, if each image has
    several.

    Known are: a single mask file; `images/` and `masks/` (`labels/`, `annotations/` …, any case); pairs of folders
    `train/` and `trainannot/` (or `train_labels/`, `train_masks/`), all of them one dataset with image ids that begin
    with `train/`; two folders of the same names of which one holds photographs and one masks, whatever they are called;
    any of these in the folders of splits; masks and photographs whose paths share words (`find_family`); and a folder
    of masks alone. Empty where there is no image file at all. If each image has several masks that names do not
    distinguish, the family of the one layout has `rivals`. Raises UnclearMasksError where more than one folder may be
    that of the masks.
    """
    return _find_layouts(root, images, chosen).copy()


@memoize
def _find_layouts(root: Path, images: Path | None, chosen: str | None) -> list[MaskLayout]:
    if root.is_file():
        return [MaskLayout(root, images, "", "one mask file")] if is_image_name(root.name) else []
    if chosen is not None:
        family = find_family(root, chosen)
        if family is None:
            raise UnreadableError(f"{root}: no masks with {chosen!r} in their paths belong to images (option `masks`)")
        return [_layout_of_family(root, family)]
    if images is None and (tracked := _cell_tracking_layout(root)):
        return [tracked]
    layouts = _layouts_in_folders(root, images)
    if images is None and not _are_paired(layouts) and (layouts or not _are_apart(root)):
        if family := find_family(root):
            rivals = (name for files in family.rivals.values() for name in files)
            masks = [*family.masks.values(), *family.extra, *rivals, *filter(is_predicted, family.left_out)]
            return _only_dataset(root, masks, [*family.masks, *family.alone]) or [_layout_of_family(root, family)]
        layouts = layouts or _only_dataset(root, list(ImageFolder.below(root).paths))
    if layouts or not has_images(root):
        return layouts
    if images is None:
        _refuse_several(root)
    return [MaskLayout(root, images, "", "a folder of image files")]


def _layout_of_family(root: Path, family: MaskFamily) -> MaskLayout:
    kind = "several masks of each image" if family.rivals else "masks"
    return MaskLayout(root, root, "", f"{kind} and images that share words of their paths", family)


# Layouts by the names of folders


def _layouts_in_folders(root: Path, images: Path | None, depth: int = 0) -> list[MaskLayout]:
    """The layouts by names or contents of folders; `depth` is the number of levels from the dataset down to `root`."""
    folders = _subfolders(root)
    declared = ultralytics_masks(root)
    if declared and has_images(declared):
        return _layouts_of_masks(root, [declared], folders, images, [])
    if named := _folders_named_as_masks(folders):
        return _layouts_of_masks(root, named, folders, images, [path for path in folders.values() if path not in named])
    twins = _paired_folders(folders, images)
    if twins or images is not None or len(folders) > _MAX_FOLDERS:
        return twins
    return _layouts_by_contents(root, folders) or ([] if depth == _MAX_DEPTH else _layouts_inside(root, folders, depth))


def _layouts_of_masks(
    root: Path, named: list[Path], folders: Mapping[str, Path], images: Path | None, others: list[Path]
) -> list[MaskLayout]:
    """The layouts of `named` folders of masks; raises UnclearMasksError if one of `others` may be theirs as well."""
    masks = named[0]
    if len(named) == 1 and images is None and (numbered := _numbered_pairs(masks, folders)):
        return numbered
    beside, other_shapes = images or _folder_named_as_images(folders, masks), None
    if beside is None:
        beside, other_shapes = _folder_of_photographs(masks, folders)
    rivals = named + _similar_folders(masks, others, beside)
    if len(rivals) > 1 and images is None and (splits := _folders_of_splits(rivals, folders)):
        return splits
    rivals = [folder for folder in rivals if folder in named or not _has_own_images(folder, beside, folders)]
    if len(rivals) > 1:
        raise _rivals_error(root, sorted(rivals), images or _folder_named_as_images(folders, min(rivals)) or beside)
    if beside is None:
        left_out = None if other_shapes is None else f"{other_shapes.name}/"
        return [MaskLayout(masks, None, "", f"folders {masks.name}/", left_out=left_out)]
    return [MaskLayout(*_of_one_depth(masks, beside), "", f"folders {masks.name}/ and {beside.name}/")]


def _pair(masks: Path, images: Path, prefix: str) -> MaskLayout:
    return MaskLayout(masks, images, prefix, f"folders {masks.name}/ and {images.name}/")


def _rivals_error(root: Path, folders: list[Path], images: Path | None) -> UnclearMasksError:
    """The error if several folders beside the same images may hold the masks."""
    listed = ", ".join(f"{folder.name}/" for folder in folders)
    beside = f" --images {shell_word(str(images))}" if images else ""
    places = " ".join(f"{folder.name}={shell_word(str(folder))}" for folder in folders)
    return UnclearMasksError(
        folders,
        f"{root}: each of {listed} may be the masks; give one of them as DATA: {shell_word(str(folders[0]))}{beside}; "
        f"or, if they are of several annotators, `segdata agreement {places}{beside}`; or, "
        "if they are of different categories, describe them as layers in segdata.yaml",
    )


def _folders_named_as_masks(folders: Mapping[str, Path]) -> list[Path]:
    """The folders with image files whose names are those of masks: `labels/` or `labels_v2/`.

    Visualizations, as `masks_preview/`, count only if there is no other.
    """
    named = [path for name, path in folders.items() if _is_named(name, MASK_FOLDERS) if has_images(path)]
    return [path for path in named if not is_picture_folder(f"{path.name}/")] or named


def _is_named(folder: str, words: Sequence[str]) -> bool:
    """Whether a folder's name in lower case is one of the words, or begins with one: ``labels`` or ``labels_v2``."""
    return folder in words or folder.startswith(tuple(f"{word}{mark}" for word in words for mark in "_-"))


def _folder_named_as_images(folders: Mapping[str, Path], masks: Path) -> Path | None:
    """The folder named `images/` or `images_png/`; of several, the one whose files match the masks best by name.

    Ties go to the first name in IMAGE_FOLDERS.
    """
    called = [folders[name] for name in IMAGE_FOLDERS if name in folders]
    if called:
        return max(called, key=lambda folder: _share_matched(masks, folder)) if len(called) > 1 else called[0]
    return next((path for name, path in folders.items() if _is_named(name, IMAGE_FOLDERS) and has_images(path)), None)


def _folder_of_photographs(masks: Path, folders: Mapping[str, Path]) -> tuple[Path | None, Path | None]:
    """The only folder, of any name, that holds photographs with the names of the masks; None if there is not one.

    Of several, the only one that has just the names of the masks, or, as `original_images/` beside `depth/`, a word for
    images in its name, or no word for pictures that a program made: `rust_pictures/` beside `processed_pictures/`.
    Second: the one that would be, if no mask had other proportions than its photograph, as of another view; or None.
    """
    if len(folders) > _MAX_FOLDERS:
        return None, None
    others = [folder for folder in folders.values() if folder != masks and _holds_photographs(folder)]
    fitting = [folder for folder in others if _fit(masks, folder)]
    words = {folder: set(re.split("[ _-]", folder.name.lower())) for folder in fitting}
    called = [folder for folder in fitting if words[folder] & set(IMAGE_FOLDERS)]
    plain = [folder for folder in fitting if not (words[folder] & _MADE_WORDS or is_called_no_labels(folder.name))]
    exact = [folder for folder in plain if _share_matched(masks, folder) == 1]
    only = next((folders[0] for folders in (fitting, exact, called, plain) if len(folders) == 1), None)
    if only is None or only in called or _have_same_proportions(masks, only):
        return only, None
    return None, only


def _have_same_proportions(masks: Path, images: Path) -> bool:
    """Whether any of some masks has the proportions of its image, lying or standing, or nothing tells."""
    files = _files(masks), _files(images)
    shapes = []
    for mask, image in spread_sample(sorted(match_names(*files)[0].items()), _N_SAMPLED):
        with suppress(OSError):
            heads = [read_header(path) for path in (files[0][mask], files[1][image])]
            long, short = ([side(head.width, head.height) for head in heads] for side in (max, min))
            shapes.append((long[0] * short[1]) / max(long[1] * short[0], 1))
    return not shapes or any(1 / _MAX_OTHER_SHAPE < shape < _MAX_OTHER_SHAPE for shape in shapes)


def _numbered_pairs(masks: Path, folders: Mapping[str, Path]) -> list[MaskLayout]:
    """The layouts of `imgs/` and `masks/`, `imgs2/` and `masks2/`, and so on; none if only one pair is there."""
    own = masks.name.lower()
    numbers = sorted(name.removeprefix(own) for name in folders if re.fullmatch(re.escape(own) + r"\d*", name))
    for name in IMAGE_FOLDERS:
        pairs = [(folders[own + number], folders[name + number]) for number in numbers if name + number in folders]
        pairs = [pair for pair in pairs if all(map(has_images, pair))]
        if len(pairs) > 1 and pairs[0][0] == masks:
            return [_pair(numbered, images, f"{images.name}/") for numbered, images in pairs]
    return []


def _folders_of_splits(masks: list[Path], folders: Mapping[str, Path]) -> list[MaskLayout]:
    """One layout for each split if folders of masks and of images are named by split.

    As in `masks_train/`, `masks_test/`, `images_train/` and `images_test/`; none if they are not named so.
    """
    named = {folder: _split_of(folder) for folder in masks}
    unnamed = "train" if "train" not in named.values() else None  # `masks/` beside `masks_val/`
    splits = {split or unnamed: folder for folder, split in named.items()}
    stems = {SPLIT_WORD.sub("", _spaced(folder.name)).strip("_-").lower() for folder in masks}
    if None in splits or len(splits) < len(masks) or len(stems) > 1:
        return []
    others = [folder for folder in folders.values() if folder not in masks and has_images(folder)]
    layouts = []
    for split, folder in splits.items():
        pictures = [other for other in others if _split_of(other) == named[folder]]
        if named[folder] is None:
            pictures = [other for other in pictures if other.name.lower() in IMAGE_FOLDERS]
        if len(pictures) != 1:
            return []
        layouts.append(_pair(folder, pictures[0], f"{split}/"))
    return layouts


def _split_of(folder: Path) -> str | None:
    """The split in the name of a folder, also as in ``masksVal``."""
    return split_of_name(_spaced(folder.name))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


def _similar_folders(named: Path, candidates: list[Path], images: Path | None) -> list[Path]:
    """The folders whose files are stored like those in `named` and match the images by name.

    A folder named mask may hold something else: DRIVE keeps the field of view there, and its labels in `1st_manual/`.
    """
    if images is None:
        return []
    return [
        folder
        for folder in candidates
        if folder.name.lower() not in _NOT_CATEGORY_MASKS
        and not is_called_no_labels(folder.name)
        and not images.is_relative_to(folder)
        and _fit(folder, images)
        and _stored_as(folder) == _stored_as(named)
        and _holds_masks(folder) is not False
    ]


def _has_own_images(masks: Path, images: Path | None, folders: Mapping[str, Path]) -> bool:
    """Whether masks belong to images in another folder than `images`: it has just their names, which that has not."""
    if images is None or _share_matched(masks, images) == 1:
        return False
    others = [folder for folder in folders.values() if folder not in (masks, images)]
    return any(_share_matched(masks, folder) == 1 and _holds_photographs(folder) for folder in others)


def _of_one_depth(masks: Path, images: Path) -> tuple[Path, Path]:
    """The two folders; if no names match, its only subfolder whose names do replaces one of them."""
    inner_masks = ((inner, images) for inner in _only_folders(masks))
    inner_images = ((masks, inner) for inner in _only_folders(images))
    candidates = chain([(masks, images)], inner_masks, inner_images)
    return next((pair for pair in candidates if _matched(*pair)), (masks, images))


def _only_folders(folder: Path) -> Iterator[Path]:
    """The subfolder with image files, its subfolder, and so on, while each has just one."""
    inside = [path for path in _subfolders(folder).values() if has_images(path)]
    if len(inside) == 1:
        yield inside[0]
        yield from _only_folders(inside[0])


def _paired_folders(folders: Mapping[str, Path], images: Path | None) -> list[MaskLayout]:
    """The layouts of `train/` and `trainannot/`, `val/` and `valannot/`, and so on."""
    layouts = []
    for path in folders.values():
        suffix = next((end for end in _PAIRED_FOLDER_SUFFIXES if path.name.endswith(end) and path.name != end), None)
        if suffix is None or not has_images(path):
            continue
        name = path.name.removesuffix(suffix)
        inside = [folder for folder in (images and images / name, images, folders.get(name.lower())) if folder]
        beside = next((folder for folder in inside if folder.is_dir()), None)
        layouts.append(MaskLayout(path, beside, f"{name}/", f"folders {name}/ and {path.name}/"))
    return layouts


def _cell_tracking_layout(root: Path) -> MaskLayout | None:
    """The masks of the Cell Tracking Challenge, `01_GT/SEG/man_seg007.tif` of `01/t007.tif`, at or below a root.

    Not every frame has one. None if there are none, or masks of single slices. Names and layout:
    https://public.celltrackingchallenge.net/documents/Naming%20and%20file%20content%20conventions.pdf
    """
    folders = _subfolders(root)
    sequences = [folder for name, folder in folders.items() if re.fullmatch(r"\d\d", name)]
    if not sequences and len(folders) <= _MAX_FOLDERS:
        levels = (_subfolders(folder) for folder in folders.values())
        sequences = [folder for level in levels for name, folder in level.items() if re.fullmatch(r"\d\d", name)]
    masks, unlabelled = {}, list[str]()
    for folder in sequences:
        of_image = {
            mask.name.replace("man_seg", "t"): mask.relative_to(root).as_posix()
            for mask in folder.parent.glob(f"{folder.name}_GT/SEG/man_seg*.tif")
        }
        for image in sorted(folder.glob("t*.tif")) if of_image else ():
            name = image.relative_to(root).as_posix()
            if image.name in of_image:
                masks[name] = of_image[image.name]
            else:
                unlabelled.append(name)
    where = "the Cell Tracking Challenge's folders 01_GT/SEG/ and 01/"
    left_out = next(iter(unlabelled), None)
    return MaskLayout(root, None, "", where, MaskFamily(masks), left_out) if masks else None


# Layouts by the contents of folders, and in folders of splits


def _layouts_by_contents(root: Path, folders: Mapping[str, Path]) -> list[MaskLayout]:
    """Pairs of folders of which one holds photographs and the other masks of the same names."""
    predicted = {folder for folder in folders.values() if is_predicted(f"{folder.name}/")}
    if predicted and not any(_folders_named_as_masks(_subfolders(folder)) for folder in folders.values()):
        predicted = set()  # no labels lie beside them
    others = [folder for folder in folders.values() if folder not in predicted]
    has_masks = {folder: holds for folder in others if (holds := _holds_masks(folder)) is not None}
    images_of: dict[Path, Path] = {}
    for images in [folder for folder, holds in has_masks.items() if not holds]:
        fitting = [folder for folder, holds in has_masks.items() if holds and _fit(folder, images)]
        if len(fitting) > 1:
            raise _rivals_error(root, fitting, images)
        for masks in fitting:
            before = images_of.setdefault(masks, images)
            if before != images and _matched(masks, before).isdisjoint(_matched(masks, images)):
                return []  # the images of one folder of masks are spread over several folders
    return [
        MaskLayout(
            masks,
            images,
            f"{images.name}/" if len(images_of) > 1 else "",
            f"masks in {masks.name}/, photographs of the same names in {images.name}/",
        )
        for masks, images in images_of.items()
    ]


def _layouts_inside(root: Path, folders: Mapping[str, Path], depth: int) -> list[MaskLayout]:
    """The layouts in the folders of splits (or in the only subfolder), if they have the same names in each.

    Other folders side by side may be datasets of their own, unless they lie in the folder of a split: parts of it.
    """
    inside: dict[Path, list[MaskLayout]] = {}
    for folder in folders.values():
        with suppress(UnclearMasksError):
            if layouts := _layouts_in_folders(folder, None, depth + 1):
                inside[folder] = layouts
    others = [folder for folder in folders.values() if folder not in inside and has_images(folder)]
    if inside and any(_holds_masks(folder) is not False for folder in others):
        return []  # the masks beside these would be lost
    in_split = SPLIT_WORD.fullmatch(root.name) is not None
    beside = [*(inside if len(inside) > 1 else ()), *others]
    if not in_split and not all(split_words(folder.name) for folder in beside):
        return []
    if depth == 0 and sum(split_of_name(folder.name) is not None for folder in inside) > 1:
        return []  # each split is read as a part by itself
    called = {
        (layout.masks.name.lower(), layout.images and layout.images.name.lower())
        for layouts in inside.values()
        for layout in layouts
    }
    if len(called) > 1:
        return []
    return [
        msgspec.structs.replace(layout, prefix=f"{folder.name}/{layout.prefix}")
        for folder, layouts in inside.items()
        for layout in layouts
    ]


# Datasets inside a dataset's folder


def datasets_by_name(root: Path, depth: int = 0) -> Iterator[tuple[Path, list[MaskLayout]]]:
    """The topmost folders below a folder with subfolders named as images and masks."""
    folders = [folder for folder in _subfolders(root).values() if has_images(folder)]
    for folder in folders if len(folders) <= _MAX_FOLDERS else ():
        layouts = _paired_layouts(folder)
        if layouts and all(layout.masks.name.lower().startswith(MASK_FOLDERS) for layout in layouts):
            yield folder, layouts
        elif depth < _MAX_DEPTH:
            yield from datasets_by_name(folder, depth + 1)


def _paired_layouts(folder: Path) -> list[MaskLayout]:
    """The layouts by names or contents of folders; none if masks and images do not match, or several fit."""
    with suppress(UnclearMasksError):
        layouts = _layouts_in_folders(folder, None, 1)
        return layouts if _are_paired(layouts) else []
    return []


def _are_paired(layouts: list[MaskLayout]) -> bool:
    """Whether there are layouts, and each has a mask with the name of an image."""
    return bool(layouts) and all(
        layout.images is not None
        and (bool(_matched(layout.masks, layout.images) or group_bands(_files(layout.masks), _files(layout.images))))
        for layout in layouts
    )


def _are_apart(root: Path) -> bool:
    """Whether the subfolders are separate datasets: splits, which are read as parts, or unrelated ones.

    Folders whose names have numbers are cases, scenes or videos of one dataset.
    """
    inside = [folder for folder in _subfolders(root).values() if has_images(folder)]
    if len(inside) == 1:
        return _are_apart(inside[0])
    if len(inside) > _MAX_FOLDERS:
        return False
    named = [folder for folder in inside if split_of_name(folder.name) or not re.search(r"\d", folder.name)]
    return sum(bool(_paired_layouts(folder)) for folder in named) > 1


def _only_dataset(root: Path, masks: Sequence[str], pictures: Sequence[str] = ()) -> list[MaskLayout]:
    """The layouts of the one folder below `root` that is a dataset by its folder names, if other files lie elsewhere.

    `masks` and `pictures`: the paths below `root` that would be read. Empty if there is no such folder, or nothing
    beside. Raises UnclearMasksError if masks lie elsewhere, and there are several such folders or paths say that they
    are of labels, too.
    """
    inside = dict(datasets_by_name(root))
    layouts = [layout for group in inside.values() for layout in group]
    own = [layout.masks for layout in layouts]
    outside = _paths_outside(root, own, masks)
    beside = _paths_outside(root, [*own, *(layout.images for layout in layouts)], [*masks, *pictures])
    if not inside or not (outside or beside) or (not outside and len(inside) > 1):
        return []
    if outside and (len(inside) > 1 or any(map(is_called_labels, beside))):
        raise _datasets_inside_error(root, inside, (beside or outside)[0])
    return [msgspec.structs.replace(layouts[0], left_out=next(iter(beside), None)), *layouts[1:]]


def _refuse_several(root: Path) -> None:
    """Raise UnclearMasksError if several folders are datasets by their names, not splits, and pictures lie elsewhere.

    Read as one folder of masks, their images would be masks, too.
    """
    inside = dict(datasets_by_name(root))
    if len(inside) < 2 or any(split_of_name(part) for folder in inside for part in folder.relative_to(root).parts):
        return
    places = [place for group in inside.values() for layout in group for place in (layout.masks, layout.images)]
    if beside := _paths_outside(root, places, ImageFolder.below(root).paths):
        raise _datasets_inside_error(root, inside, beside[0])


def _paths_outside(root: Path, folders: Iterable[Path | None], paths: Iterable[str]) -> list[str]:
    """Those of the paths below `root` that lie in none of the folders."""
    prefixes = tuple(f"{folder.relative_to(root).as_posix()}/" for folder in folders if folder is not None)
    return [path for path in paths if not path.startswith(prefixes)]


def _datasets_inside_error(root: Path, datasets: Mapping[Path, list[MaskLayout]], other: str) -> UnclearMasksError:
    """The error if subfolders are datasets by their names, and other masks lie elsewhere."""
    masks = {folder: [path for one in layouts for path in one.mask_files()] for folder, layouts in datasets.items()}
    largest_first = sorted(masks, key=lambda folder: -len(masks[folder]))
    unread = {folder: reason for folder in largest_first if (reason := _unreadable(masks[folder]))}
    folders = [folder for folder in largest_first if folder not in unread] or largest_first
    listed = ", ".join(f"{folder.relative_to(root)}/" for folder in folders)
    reasons = "".join(f"; {folder.relative_to(root)}/ cannot be read: a mask {unread[folder]}" for folder in unread)
    return UnclearMasksError(
        folders,
        f"{root}: images and masks lie in folders of their own in {listed}, and other pictures elsewhere, such as "
        f"{other}{reasons}; give the folder that you mean as DATA: {shell_word(str(folders[0]))}",
    )


def _unreadable(masks: Sequence[Path]) -> str | None:
    """Why a mask cannot be read, if none of a sample can; else None."""
    sample = spread_sample(masks, _N_SAMPLED)
    if not sample or mask_headers(sample):
        return None
    try:
        decode_mask(sample[0])
    except OSError as error:
        return error.strerror or str(error)
    return None


class UnreadMasks(msgspec.Struct, frozen=True):
    """A folder of masks beside those that are read."""

    folder: Path
    data: Path  # what the user gives as DATA to read them: the folder, or the one with their images, too
    n_files: int


def list_unread_masks(root: Path, layouts: Sequence[MaskLayout]) -> list[UnreadMasks]:
    """The folders below a dataset's root that are called as masks are, hold masks, and belong to no layout.

    Folders of predictions, previews, boundaries and the like are left out: they are no labels.
    """
    families = [layout.family for layout in layouts if layout.family is not None]
    places = [place for layout in layouts if layout.family is None for place in (layout.masks, layout.images) if place]
    single = {(root / file).parent for family in families for file in family.files()}
    if root in places or not root.is_dir():
        return []
    unread: dict[Path, list[Path]] = {}
    for here, names in walk_nearest([root], _MAX_WALKED):
        files = [here / name for name in names if is_image_name(name)]
        if not files or here in single or any(map(here.is_relative_to, places)):
            continue
        parts = here.relative_to(root).parts
        called = [number for number, part in enumerate(parts, 1) if _MASK_WORD.search(part)]
        if called and not any(is_picture_folder(f"{part}/") or is_called_no_labels(part) for part in parts):
            unread.setdefault(root.joinpath(*parts[: called[0]]), []).extend(files)
    return [
        UnreadMasks(folder, _data_of(folder, [*places, *single]), len(files))
        for folder, files in unread.items()
        if (shares := run_shares(spread_sample(files, _N_SAMPLED))) and max(shares) < _MAX_MASK_RUNS
    ]


def _data_of(masks: Path, read: Sequence[Path]) -> Path:
    """The folder around masks if their images lie in it, too, and nothing that is read; else the masks' own folder."""
    around = masks.parent
    return around if not any(place.is_relative_to(around) for place in read) and _paired_layouts(around) else masks


# What a folder holds, and whether two folders match


def _subfolders(root: Path) -> dict[str, Path]:
    """Lower-case name -> subfolder; skips hidden folders."""
    with os.scandir(root) as entries:
        names = visible_folders(
            entry.name for entry in entries if (Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir())
        )
    return {name.lower(): root / name for name in names}


def _files(place: Path) -> dict[str, Path]:
    """Name -> image file below a folder; or a single file."""
    return {place.name: place} if place.is_file() else ImageFolder.below(place).paths


def _matched(masks: Path, images: Path) -> set[str]:
    """The names of the masks that have an image of that name."""
    return set(match_names(_files(masks), _files(images))[0])


def _share_matched(masks: Path, images: Path) -> float:
    """The share of the files in two folders that have a partner in the other."""
    return 2 * len(_matched(masks, images)) / max(len(_files(masks)) + len(_files(images)), 1)


def _fit(masks: Path, images: Path) -> bool:
    """Whether half of the files of the smaller folder have a partner."""
    return 2 * len(_matched(masks, images)) >= min(len(_files(masks)), len(_files(images))) > 0


def _holds_masks(folder: Path) -> bool | None:
    """Whether the image files of a folder are masks; None if only some are, or if none can be read."""
    below = (path for name, path in walk_files(folder) if is_image_name(name))
    paths = list(islice(below, _MAX_LISTED))
    if all(is_jpeg(path.name) for path in paths):
        return False if paths else None
    are_masks = {share < _MAX_MASK_RUNS for share in run_shares(spread_sample(paths, _N_SAMPLED))}
    return are_masks.pop() if len(are_masks) == 1 else None


def _holds_photographs(folder: Path) -> bool:
    """Whether the image files of a folder are photographs, or have channels or values that no mask has."""
    holds = _holds_masks(folder)
    if holds is not None:
        return not holds
    sample = spread_sample(list(_files(folder).values()), _N_SAMPLED)
    if not sample or run_shares(sample):
        return False
    with suppress(OSError):
        return all(read_header(path).width > 0 for path in sample)
    return False


def _stored_as(folder: Path) -> tuple[bool, bool, bool] | None:
    """Three flags of a folder's first file: coloured, more than 8 bits, lossy."""
    heads = mask_headers(list(_files(folder).values())[:1])
    return (heads[0].has_colors, heads[0].bits > 8, heads[0].lossy is not None) if heads else None
