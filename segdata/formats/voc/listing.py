"""Listing: the images of a dataset in VOC's layout, with their masks, boxes and splits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import has_index, no_images_defect, read_index
from segdata.formats.shared.per_image import ImageEntry, relative_path
from segdata.formats.voc.lists import read_lists

CLASSES, OBJECTS, BOXES, IMAGES = "SegmentationClass", "SegmentationObject", "Annotations", "JPEGImages"
_IMAGE_FOLDERS = (IMAGES, "images")  # where convert --copy-images puts copies


@dataclass(frozen=True, slots=True)
class Labels:
    """The files that tell what is drawn on one image; None for one that is not there."""

    classes: Path
    objects: Path | None
    boxes: Path | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The images of a dataset.

    Attributes
    ----------
    entries : in the order of image ids; the record of an annotated one is its `Labels`
    defects : what is wrong with lists and files
    has_objects : there are masks of objects; else classes are all that is known
    places : the folders that were read, by what is in them
    """

    entries: tuple[ImageEntry, ...]
    defects: tuple[Defect, ...]
    has_objects: bool
    places: dict[str, str]


def voc_folder(root: Path, classes: str) -> Path:
    """The folder of one VOC dataset, at `root` or up to two below it (``VOCdevkit/VOC2012``).

    Raises UnreadableError where there is none, or several.
    """
    levels = ([root], sorted(root.glob("*")), sorted(root.glob("*/*")))
    found = next((some for level in levels if (some := [path for path in level if (path / classes).is_dir()])), [])
    if not found:
        raise UnreadableError(f"{root}: no folder {classes}/; VOC keeps its masks in {CLASSES}/ and {OBJECTS}/")
    if len(found) > 1:
        listed = ", ".join(path.relative_to(root).as_posix() for path in found)
        raise UnreadableError(f"{root}: holds several datasets ({listed}); give one of them as DATA")
    return found[0]


def listing(root: Path, folder: Path, classes: str, images: Path | None) -> Listing:
    """The images of the dataset in `folder`; names in defects start at `root`, `images` is where the user has them."""
    masks = _by_stem(folder / classes)
    objects = _by_stem(folder / classes.replace(CLASSES, OBJECTS)) or _by_stem(folder / OBJECTS)
    if not masks and not has_index(folder):
        raise UnreadableError(f"{folder / classes}: holds no mask files")
    splits, defects = read_lists(root, folder, masks)
    place = images or next((folder / name for name in _IMAGE_FOLDERS if (folder / name).is_dir()), None)
    rows, wrong = read_index(folder, place) if has_index(folder) else ([], [])
    pictures = _by_stem(place)
    stems = sorted(masks.keys() | (splits.keys() if splits or rows else pictures.keys()))
    labels = {
        stem: Labels(mask, objects.get(stem), path if (path := folder / BOXES / f"{stem}.xml").is_file() else None)
        for stem, mask in masks.items()
    }
    of_mask = {_stem(row.files[0], folder / classes): row for row in rows if row.files}
    entries = [_entry(stem, labels.get(stem), of_mask.get(stem), pictures, place, splits) for stem in stems]
    entries += [row for row in rows if not row.files]
    defects += [*wrong, *_alone(root, masks, objects, splits, entries, bool(rows))]
    missing = [entry for entry in entries if entry.image is None]
    if len(missing) == len(entries):
        defects.append(no_images_defect(len(entries), folder, images))
    else:
        message = "the image file does not exist"
        defects += [Defect("SEG002", message, each.image_id, image=each.image_id) for each in missing if each.files]
    places = {"masks": (folder / classes).as_posix()} | ({"images": place.as_posix()} if place else {})
    entries.sort(key=lambda entry: entry.image_id)
    return Listing(tuple(entries), tuple(defects), bool(objects), places)


def _entry(
    stem: str,
    labels: Labels | None,
    row: ImageEntry | None,
    pictures: Mapping[str, Path],
    place: Path | None,
    splits: Mapping[str, str | None],
) -> ImageEntry:
    """The image of a stem; images.csv goes before what names tell."""
    if row is not None:
        return replace(row, files=(labels.classes,) if labels else (), record=labels)
    files = (labels.classes,) if labels else ()
    image = pictures.get(stem)
    suffix = image.suffix if image else labels.classes.suffix if labels else ""
    return ImageEntry(stem + suffix, image, files, labels, split=splits.get(stem))


def _alone(
    root: Path,
    masks: Mapping[str, Path],
    objects: Mapping[str, Path],
    splits: Mapping[str, str | None],
    entries: list[ImageEntry],
    listed: bool,
) -> Iterator[Defect]:
    """The files that nothing else names."""
    for stem in sorted(objects.keys() - masks.keys() - splits.keys()):
        message = f"a mask of objects without one of classes: nothing tells the categories of {stem!r}"
        yield Defect("SEG002", message, relative_path(root, objects[stem]))
    unlisted = sorted(masks.keys() - splits.keys()) if splits else []
    if unlisted:
        message = f"no list in ImageSets/Segmentation names {count_noun(len(unlisted), 'mask')} ({unlisted[0]!r} …)"
        yield Defect("SEG011", message, severity="info")
    if not splits and not listed:
        for entry in entries:
            if not entry.is_annotated and entry.image is not None and _stem(Path(entry.image_id)) not in objects:
                yield Defect("SEG011", "an image without mask", relative_path(root, entry.image), image=entry.image_id)


def _by_stem(folder: Path | None) -> dict[str, Path]:
    """The image files below a folder by their paths without extension; of several PNG goes before others."""
    files = ImageFolder.below(folder).paths.values()
    named = sorted(files, key=lambda path: (path.suffix.lower() != ".png", path.suffix), reverse=True)
    return {_stem(path, folder): path for path in named} if folder else {}


def _stem(path: Path, folder: Path | None = None) -> str:
    """A path below a folder, without extension."""
    below_it = path.relative_to(folder) if folder and path.is_relative_to(folder) else path
    return PurePosixPath(below_it).with_suffix("").as_posix()
