"""Layout: pairs label files with the images of the same name, in split folders or by `images.csv`.

KITTI and Mapillary Vistas have `<split>/<images>/<name>` and `<split>/<labels>/<name>`.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import Pairing, no_images_defect, pair_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path

NO_SPLIT = "default"  # stands for a missing split folder; the name is Datumaro's and CVAT's
_TRAINING = "training"  # the default split


@dataclass(frozen=True, slots=True)
class SceneFiles:
    """The files of a dataset. Keys are names below a folder of one kind, beginning with the split's folder."""

    labels: Mapping[str, Mapping[str, Path]]  # key -> kind of labels -> file
    pictures: Mapping[str, tuple[str, Path]]  # key -> image_id and file
    named: Callable[[str], str]  # the name of a key's image if its file is missing
    places: Mapping[str, str]  # kind of content -> the folder that was read
    defects: tuple[Defect, ...] = ()  # files that are not read


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

    `kinds` are the readable ones, the best first; `kind` is the wanted one. `images` is your folder of images. Files
    without a partner are SEG011, if the split's other files have one. Raises UnreadableError if there are no labels, or
    none of that kind.
    """
    if not files.labels:
        raise UnreadableError(f"{root}: no labels in the places where this format keeps them; see `segdata formats`")
    if kind is not None and not any(kind in of_key for of_key in files.labels.values()):
        available = ", ".join(
            candidate for candidate in kinds if any(candidate in of_key for of_key in files.labels.values())
        )
        raise UnreadableError(f"{root}: no labels of the kind {kind!r}; there are {available or 'none'}")
    entries, defects = [], list(files.defects)
    labelled_splits = {_split(key) for key in files.labels}
    for key in sorted(files.labels.keys() | files.pictures.keys()):
        of_key = files.labels.get(key, {})
        image_id, image = files.pictures.get(key, (files.named(key), None))
        wanted = (kind,) if kind is not None else kinds
        read = next((candidate for candidate in wanted if candidate in of_key), None)
        entries.append(ImageEntry(image_id, image, (of_key[read],) if read else (), read, split=_split(key) or None))
        if of_key and read is None:
            defects.append(_unreadable_defect(root, of_key, kind, image_id))
        elif not of_key and _split(key) in labelled_splits:
            defects.append(Defect("SEG011", "an image without labels", _file_name(root, image), image=image_id))
        elif of_key and image is None and files.pictures:
            defects.append(
                Defect("SEG011", "labels without an image", _file_name(root, of_key[str(read)]), image=image_id)
            )
    if entries and not files.pictures:
        defects.append(no_images_defect(len(entries), root, images))
    entries.sort(key=lambda entry: entry.image_id)
    return Pairing(tuple(entries), tuple(defects), not files.pictures, dict(files.places))


def pair_by_index(
    root: Path,
    images: Path | None,
    kind: str | None,
    kind_of: Callable[[Path], str],
    relabelled: Callable[[str, Path], Path],
) -> Pairing:
    """The entries of a dataset that segdata wrote, by its `images.csv`.

    `kind` is the wanted kind of labels; `kind_of` gives that of a file, `relabelled` the file of another kind.
    """
    pairing = pair_masks(root, images)
    entries = []
    for entry in pairing.entries:
        for path in entry.files[:1]:
            read = kind or kind_of(path)
            entry = replace(entry, files=(relabelled(read, path),), record=read)
        entries.append(entry)
    return replace(pairing, entries=tuple(entries))


def _unreadable_defect(root: Path, of_key: Mapping[str, Path], kind: str | None, image_id: str) -> Defect:
    path = next(iter(of_key.values()))
    message = f"no labels of the kind {kind!r} here" if kind else "colours cannot be turned back into labels"
    return Defect("SEG002", message, relative_path(root, path), image=image_id)


def _split(key: str) -> str:
    """The split's folder; "" for keys without one, and for the folder of no split."""
    folder = key.partition("/")[0] if "/" in key else ""
    return "" if folder == NO_SPLIT else folder


def _file_name(root: Path, path: Path | None) -> str | None:
    return None if path is None else relative_path(root, path)


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
    if images is not None:  # one folder may serve all splits: each takes the images that it has labels for
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
    """The kind of labels of a file: its folder."""
    return path.parent.name


def with_folder_kind(kind: str, path: Path) -> Path:
    """The file of a kind of labels beside that of another kind."""
    return path.parent.with_name(kind) / path.name


def stem_of(pictures: str, split: str | None, image_id: str) -> str:
    """`<split>/<name>` of an image; the folders of kinds go between the two."""
    path, folder = PurePosixPath(image_id), split or _TRAINING
    folders = [part for part in path.parent.parts if part not in (folder, pictures)]
    return f"{folder}/{'_'.join([*folders, path.stem])}"


def mask_path(folder: str, stem: str, kind: str) -> str:
    """The path of a mask in the folder of its kind, which is in `folder` (with a slash, or "") of its split."""
    split, _, name = stem.partition("/")
    return f"{split}/{folder}{kind}/{name}.png"
