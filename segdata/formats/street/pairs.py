"""Pairs: the label files and images of the same name, as the entries of a dataset."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from segdata.core.errors import UnreadableError, check_choice
from segdata.core.finding import Defect
from segdata.formats.shared.pairing import Pairing, no_images_defect, pair_masks
from segdata.formats.shared.per_image import ImageEntry, relative_path

NO_SPLIT = "default"  # in place of a split's folder where there is none; Datumaro and CVAT call it so


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a dataset. Its keys are names below a folder of one kind, with the split's folder first.

    Attributes
    ----------
    labels : key -> kind of labels -> file
    pictures : key -> image_id and file
    named : what the image of a key is called where it is not here
    places : the folders that were read, by what is in them
    defects : files that are not read
    """

    labels: Mapping[str, Mapping[str, Path]]
    pictures: Mapping[str, tuple[str, Path]]
    named: Callable[[str], str]
    places: Mapping[str, str]
    defects: tuple[Defect, ...] = ()


def own_key(key: str, name: str, taken: Container[str]) -> str:
    """`key`, or where another file of that name has it already (a.jpg, a.png) one with the extension."""
    return key + PurePosixPath(name).suffix if key in taken else key


def chosen(options: Mapping[str, object], name: str, choices: tuple[str, ...]) -> str | None:
    """The value of an option, None where it is not given; raises SegdataError for what is none of `choices`."""
    value = options.get(name)
    if value is None:
        return None
    check_choice(name, value, choices)
    return str(value)


def paired_files(root: Path, files: Files, kinds: Sequence[str], kind: str | None, images: Path | None) -> Pairing:
    """The entries, in the order of image ids; `record` is the kind of labels that is read.

    `kinds` are those that can be read, the best first; `kind` is the one asked for. `images` is where the user says
    the images are. Files that stay alone are SEG011, where the split's other files do not. Raises UnreadableError where
    there are no labels, or none of that kind.
    """
    if not files.labels:
        raise UnreadableError(f"{root}: no labels where this format has them; see `segdata formats`")
    if kind is not None and not any(kind in of_key for of_key in files.labels.values()):
        there = ", ".join(each for each in kinds if any(each in of_key for of_key in files.labels.values()))
        raise UnreadableError(f"{root}: no labels of the kind {kind!r}; there are {there or 'none'}")
    entries, defects = [], list(files.defects)
    labelled_splits = {_split(key) for key in files.labels}
    for key in sorted(files.labels.keys() | files.pictures.keys()):
        of_key = files.labels.get(key, {})
        image_id, image = files.pictures.get(key, (files.named(key), None))
        wanted = (kind,) if kind is not None else kinds
        read = next((each for each in wanted if each in of_key), None)
        entries.append(ImageEntry(image_id, image, (of_key[read],) if read else (), read, split=_split(key) or None))
        if of_key and read is None:
            defects.append(_unreadable(root, of_key, kind, image_id))
        elif not of_key and _split(key) in labelled_splits:
            defects.append(Defect("SEG011", "an image without labels", _file(root, image), image=image_id))
        elif of_key and image is None and files.pictures:
            defects.append(Defect("SEG011", "labels without an image", _file(root, of_key[str(read)]), image=image_id))
    if entries and not files.pictures:
        defects.append(no_images_defect(len(entries), root, images))
    entries.sort(key=lambda entry: entry.image_id)
    return Pairing(tuple(entries), tuple(defects), not files.pictures, dict(files.places))


def paired_by_index(
    root: Path,
    images: Path | None,
    kind: str | None,
    kind_of: Callable[[Path], str],
    relabelled: Callable[[str, Path], Path],
) -> Pairing:
    """The entries of a dataset that a writer of ours left, by its `images.csv`.

    `kind` is the one asked for; `kind_of` tells that of a file, and `relabelled` where the file of another kind is.
    """
    pairing = pair_masks(root, images)
    entries = []
    for entry in pairing.entries:
        for path in entry.files[:1]:
            read = kind or kind_of(path)
            entry = replace(entry, files=(relabelled(read, path),), record=read)
        entries.append(entry)
    return replace(pairing, entries=tuple(entries))


def _unreadable(root: Path, of_key: Mapping[str, Path], kind: str | None, image_id: str) -> Defect:
    there = next(iter(of_key.values()))
    message = f"no labels of the kind {kind!r} here" if kind else "colours cannot be turned back into labels"
    return Defect("SEG002", message, relative_path(root, there), image=image_id)


def _split(key: str) -> str:
    """The split's folder; "" where the key has none, or the one of no split."""
    folder = key.partition("/")[0] if "/" in key else ""
    return "" if folder == NO_SPLIT else folder


def _file(root: Path, path: Path | None) -> str | None:
    return None if path is None else relative_path(root, path)
