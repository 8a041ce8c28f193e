"""Tasks: the list in a task file, task by task, and the images that they are of."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec

from segdata.core.errors import UnreadableError
from segdata.core.finding import Defect
from segdata.formats.labelstudio.imagename import ImageName, find, image_name
from segdata.formats.shared.images import ImageFolder
from segdata.formats.shared.pairing import no_images_defect
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.safe_parsers import encode_json, lone_surrogates, parse_json

_BOM = b"\xef\xbb\xbf"
_OURS = frozenset({"width", "height", "split", "sequence", "frame"})  # keys of `data` that are columns here
LABELS = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels", "labels")
Side = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class _Head(msgspec.Struct):
    """What is looked at of a task before its image is."""

    data: dict[str, Any]
    id: int | str | None = None
    annotations: msgspec.Raw = msgspec.Raw()
    completions: msgspec.Raw = msgspec.Raw()  # of old exports
    predictions: msgspec.Raw = msgspec.Raw()


class _Value(msgspec.Struct, frozen=True):
    polygonlabels: list[str] = []
    brushlabels: list[str] = []
    rectanglelabels: list[str] = []
    ellipselabels: list[str] = []
    labels: list[str] = []


class _Result(msgspec.Struct, frozen=True):
    value: _Value = _Value()


class _Annotation(msgspec.Struct, frozen=True):
    result: list[_Result] = []


@dataclass(frozen=True, slots=True)
class Task:
    """A task, undecoded.

    Attributes
    ----------
    place : in the file, a JSON pointer
    file : that it is in
    annotations, predictions : as JSON text
    """

    place: str
    file: str
    annotations: bytes = field(repr=False)
    predictions: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tasks:
    """What task files hold.

    Attributes
    ----------
    entries : an image each; `record` is a list of the tasks that are of it
    labels : every label that regions have
    defects : what is wrong
    """

    entries: tuple[ImageEntry, ...]
    labels: frozenset[str]
    defects: tuple[Defect, ...]


def read_tasks(root: Path, files: list[Path], key: str | None, images: Path | None) -> Tasks:
    """The tasks in some files; raises UnreadableError for a file of another sort."""
    defects: list[Defect] = []
    labels: set[str] = set()
    by_image: dict[str, list[tuple[Task, ImageName, _Head]]] = {}
    for path in files:
        file = relative_path(root, path)
        try:
            raws = _raws(path, file, defects)
        except BrokenLabelsError as error:
            defects += error.defects
            continue
        for place, raw in raws:
            head = _head(raw, place, file, defects)
            name = None if head is None else image_name(head.data, key)
            if head is not None and name is None:
                message = "the task names no image (its data have neither an image's name nor a URL); left out"
                defects.append(Defect("SEG004", message, file, f"{place}/data"))
            if head is None or name is None:
                continue
            annotations = bytes(head.annotations) or bytes(head.completions)
            task = Task(place, file, annotations, bytes(head.predictions))
            by_image.setdefault(name.image_id, []).append((task, name, head))
            labels |= _labels(task)
            if name.unsafe:
                message = f"path {head.data[name.key]!r:.200} leaves the dataset; {name.image_id!r} is looked for"
                defects.append(Defect("SEG015", message, file, f"{place}/data/{name.key}", image=name.image_id))
    entries, more = _entries(root, by_image, images)
    return Tasks(tuple(entries), frozenset(labels), (*defects, *more))


def _raws(path: Path, file: str, defects: list[Defect]) -> list[tuple[str, bytes]]:
    """The tasks of a file as JSON texts, with their places."""
    try:
        text = path.read_bytes().removeprefix(_BOM)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise BrokenLabelsError(Defect("SEG001", message, file)) from error
    with suppress(msgspec.MsgspecError, RecursionError):
        return [(f"/{i}", bytes(raw)) for i, raw in enumerate(msgspec.json.decode(text, type=list[msgspec.Raw]))]
    try:
        halves: list[str] = []
        value = parse_json(text, halves)
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is no JSON, or cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error
    defects += lone_surrogates(halves, file)
    if isinstance(value, dict):  # a file of a single task, as storages get them
        return [("", msgspec.json.encode(value))]
    if not isinstance(value, list):
        raise BrokenLabelsError(Defect("SEG004", "is no list of tasks", file))
    return [(f"/{i}", msgspec.json.encode(each)) for i, each in enumerate(value)]  # NaN becomes null


def _head(raw: bytes, place: str, file: str, defects: list[Defect]) -> _Head | None:
    try:
        return msgspec.json.decode(raw, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        halves: list[str] = []
        with suppress(ValueError, RecursionError):
            mended = msgspec.json.encode(parse_json(raw, halves))
        if halves:
            defects += lone_surrogates(halves, file, place)
            return _head(mended, place, file, defects)
        defects.append(Defect("SEG004", f"is no task: {error}; left out", file, place or "/"))
        return None


def _labels(task: Task) -> set[str]:
    """Every label in a task; where something is malformed only what can be read by itself."""
    found: set[str] = set()
    for text in (task.annotations, task.predictions):
        if not text:
            continue
        try:
            every = msgspec.json.decode(text, type=list[_Annotation])
            found.update(
                name
                for each in every
                for result in each.result
                for labels in msgspec.structs.astuple(result.value)
                for name in labels
            )
        except (msgspec.MsgspecError, RecursionError):
            with suppress(ValueError, RecursionError):
                found.update(_strewn(parse_json(text)))
    return found


def _strewn(value: object) -> Iterator[str]:
    """The labels anywhere in a JSON value."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in LABELS and isinstance(each, list):
                yield from (name for name in each if isinstance(name, str))
            else:
                yield from _strewn(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strewn(each)


def _entries(
    root: Path, by_image: dict[str, list[tuple[Task, ImageName, _Head]]], images: Path | None
) -> tuple[list[ImageEntry], list[Defect]]:
    """An entry for each image, with its file where that is here."""
    here = root if root.is_dir() else root.parent
    places = [images] if images else [here / "images", here]
    folders = [ImageFolder.below(place) for place in places]
    by_file = [{PurePosixPath(name).name: name for name in reversed(folder.paths)} for folder in folders]
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    for image_id, tasks in by_image.items():
        first, name, head = tasks[0]
        found = next(
            (
                folder.paths[hit]
                for folder, files in zip(folders, by_file, strict=True)
                if (hit := find(image_id, folder, files)) is not None
            ),
            None,
        )
        if found is None and name.uri is None:
            defects.append(Defect("SEG002", "the image file does not exist", first.file, first.place, image=image_id))
        said = {key: value for key, value in head.data.items() if key != name.key}
        sides = [said.get(side) for side in ("height", "width")]
        size = tuple(side for side in sides if type(side) is int and 0 < side < 2**31)
        frame = said.get("frame")
        entries.append(
            ImageEntry(
                image_id,
                found,
                record=[task for task, _, _ in tasks],
                size=(size[0], size[1]) if len(size) == 2 else (0, 0),
                uri=name.uri,
                source_id=None if head.id is None else str(head.id),
                split=_text(said.get("split")),
                sequence=_text(said.get("sequence")),
                frame=frame if type(frame) is int and abs(frame) < 2**63 else None,
                metadata={key: encode_json(value) for key, value in said.items() if key not in _OURS},
            )
        )
    if entries and not any(entry.image for entry in entries):
        defects = [no_images_defect(len(entries), here, images)]
    return entries, defects


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def refuse_min(path: Path, head: bytes) -> None:
    """Raise UnreadableError for JSON-MIN, which has lost which annotation was cancelled and what models predicted."""
    if b'"annotation_id"' in head and b'"annotations"' not in head:
        raise UnreadableError(f"{path}: a JSON-MIN export; export the project as JSON instead")
