"""Split folders: `<split>/<images>/<name>` and `<split>/<labels>/<name>`, as KITTI and Mapillary Vistas have them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from segdata.formats.shared.images import ImageFolder
from segdata.formats.street.pairs import NO_SPLIT, Files, own_key

TRAINING = "training"  # the split of what has none


def split_files(root: Path, images: Path | None, pictures: str, suffix: str, kinds: Mapping[str, str]) -> Files:
    """The files of a dataset whose splits are folders in the root, or which is one split.

    Parameters
    ----------
    images : where the user says the images are: of all splits, or with a folder for each
    pictures : the folder of images in a split
    suffix : of images that are not here
    kinds : kind of labels -> its folder in a split
    """
    labels: dict[str, dict[str, Path]] = {}
    found: dict[str, tuple[str, Path]] = {}
    for split in _splits(root, [pictures, *kinds.values()]):
        name = split.relative_to(root).as_posix() if split != root else NO_SPLIT
        for kind, folder in kinds.items():
            for key, (_, path) in _keyed(name, split / folder).items():
                labels.setdefault(key, {})[kind] = path
        places = [split / pictures] if images is None else [images / name / pictures, images / name, images]
        place = next((each for each in places if each.is_dir()), None)
        prefix = (name + "/" if split != root else "") + pictures + "/"
        found |= {key: (prefix + picture, path) for key, (picture, path) in _keyed(name, place).items()}
    if images is not None:  # one folder of images may serve all splits: each takes what it has labels for
        found = {key: picture for key, picture in found.items() if key in labels or (images / _split(key)).is_dir()}
    read = {"labels": ", ".join(kinds.values())} | ({"images": pictures} if found else {})
    return Files(labels, found, partial(_named, pictures, suffix), read)


def _splits(root: Path, folders: list[str]) -> list[Path]:
    """The folders that have any of `folders`: the root, else those in it."""
    for places in ([root], sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []):
        splits = [place for place in places if any((place / folder).is_dir() for folder in folders)]
        if splits:
            return splits
    return []


def _keyed(split: str, folder: Path | None) -> dict[str, tuple[str, Path]]:
    """Key -> name below a folder, and file."""
    found: dict[str, tuple[str, Path]] = {}
    for name, path in ImageFolder.below(folder).paths.items():
        found[own_key(f"{split}/{PurePosixPath(name).with_suffix('').as_posix()}", name, found)] = name, path
    return found


def _split(key: str) -> str:
    return key.partition("/")[0]


def _named(pictures: str, suffix: str, key: str) -> str:
    split, _, name = key.partition("/")
    return f"{'' if split == NO_SPLIT else split + '/'}{pictures}/{name}{suffix}"


def kind_of(path: Path) -> str:
    """The kind of labels of a file: its folder."""
    return path.parent.name


def relabelled(kind: str, path: Path) -> Path:
    """The file of a kind of labels beside that of another kind."""
    return path.parent.with_name(kind) / path.name


def stem_of(pictures: str, split: str | None, image_id: str) -> str:
    """`<split>/<name>`: what the files of an image are called, between which the folders of kinds go."""
    path, folder = PurePosixPath(image_id), split or TRAINING
    folders = [part for part in path.parent.parts if part not in (folder, pictures)]
    return f"{folder}/{'_'.join([*folders, path.stem])}"
