"""Reads Label Studio: tasks and their images, the labelling configuration, annotations and predictions."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import msgspec
from PIL import ImageColor

from segdata.core.errors import UnreadableError, count_noun
from segdata.core.finding import Defect
from segdata.core.format import FileProbe, ReadRequest
from segdata.core.paths import dataset_folder, is_file, is_unsafe_path
from segdata.core.safe_text import shell_word
from segdata.core.taxonomy import Category, Color, Taxonomy
from segdata.formats.shared.file_names import IMAGE_SUFFIXES
from segdata.formats.shared.image_names import images_folder, no_images_defect
from segdata.formats.shared.images import ImageFolder, ImageHeader
from segdata.formats.shared.json_files import (
    encode_json,
    lone_surrogates,
    parse_json,
    read_json_text,
    repeated_key_defects,
)
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.shared.xml_files import XmlError, read_xml
from segdata.formats.tools.label_studio import TASKS_HEAD, is_tasks
from segdata.formats.tools.label_studio_regions import LABEL_KEYS, NOTATION, read_regions
from segdata.formats.tools.shapes import ShapeAnnotation
from segdata.formats.tools.source import Tool, ToolSource

_LABEL_STUDIO = Tool("label-studio", "coco", NOTATION, "size of the regions")
_UPLOAD = "data/upload/"
_QUERY = re.compile(r"\?\w+=[^/?]*$")  # of a signed URL
_UPLOAD_PREFIX_LENGTH = 9  # eight hexadecimal digits and a dash
_IMAGE_KEYS = ("image", "img", "url", "image_url", "photo", "picture")
_COLUMN_KEYS = frozenset({"width", "height", "split", "sequence", "frame"})  # keys of `data` that become columns
_CONFIG_NAMES = ("label_config.xml", "config.xml", "labeling_config.xml", "label_studio_config.xml")
_RGBA = re.compile(r"rgba\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,[^)]*\)")


@dataclass(frozen=True, slots=True)
class _TaskImage:
    """The name of an image."""

    image_id: str  # as a path
    key: str  # in the task's data
    uri: str | None = None  # its URL, if it has one
    unsafe: bool = False  # whether the path leaves the dataset, so that only its last part is kept


def _task_image(data: dict[str, Any], key: str | None) -> _TaskImage | None:  # Any: JSON
    """The image in a task's data, at `key` if that is known; None if there is none."""
    texts = {name: value for name, value in data.items() if isinstance(value, str) and value}
    image_keys = [
        name
        for name, value in texts.items()
        if PurePosixPath(_reference_path(value)[0]).suffix.lower() in IMAGE_SUFFIXES
    ]
    keys = [name for name in (key, *_IMAGE_KEYS) if name in texts] + image_keys
    if not keys or keys[0] is None:
        return None
    name, remote = _reference_path(texts[keys[0]])
    if not name:
        return None
    uri = texts[keys[0]] if remote else None
    if not is_unsafe_path(name):
        return _TaskImage(PurePosixPath(name).as_posix(), keys[0], uri)
    last = PurePosixPath(name.replace("\\", "/")).name
    return None if last in ("", "..") else _TaskImage(last, keys[0], uri, unsafe=True)


def _reference_path(text: str) -> tuple[str, bool]:
    """The path in a reference to an image, and whether the image is remote.

    >>> _reference_path("/data/upload/7/0a1b2c3d-cat.jpg"), _reference_path("/data/local-files/?d=cats%2Fa.jpg")
    (('0a1b2c3d-cat.jpg', False), ('cats/a.jpg', False))
    >>> _reference_path("/data/upload/7/0a1b2c3d-cat.jpg?token=1b2c"), _reference_path("/cats/a.jpg?token=1b2c&e=9")
    (('0a1b2c3d-cat.jpg', False), ('cats/a.jpg', False))
    >>> _reference_path("s3://bucket/cats/a.jpg")
    ('cats/a.jpg', True)
    """
    if "?d=" in text:
        return unquote(text.partition("?d=")[2].partition("&")[0]).removeprefix("/"), False
    if "://" in text:
        return unquote(text.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0]), True
    name = _QUERY.sub("", text.removeprefix("/"))
    return (unquote(PurePosixPath(name).name) if name.startswith(_UPLOAD) else name), False


def find_image(name: str, folder: ImageFolder, by_file: dict[str, str]) -> str | None:
    """Find an image's file in a folder: by path, by file name, then without an upload prefix."""
    file = PurePosixPath(name).name
    candidates = (
        name,
        by_file.get(file),
        by_file.get(file[_UPLOAD_PREFIX_LENGTH:])
        if file[_UPLOAD_PREFIX_LENGTH - 1 : _UPLOAD_PREFIX_LENGTH] == "-"
        else None,
    )
    return next((candidate for candidate in candidates if candidate in folder.paths), None)


class _TaskHead(msgspec.Struct):
    """The keys of a task that are read when the dataset is opened."""

    data: dict[str, Any]
    id: int | str | None = None
    annotations: msgspec.Raw = msgspec.Raw()
    completions: msgspec.Raw = msgspec.Raw()  # in old exports
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
class _StudioTask:
    """A task, undecoded."""

    place: str  # in the file, a JSON pointer
    file: str  # of the task
    # annotations and predictions as JSON text
    annotations: bytes = field(repr=False)
    predictions: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _TaskList:
    """The content of task files."""

    entries: tuple[ImageEntry, ...]  # one for each image; `record` lists its tasks
    labels: frozenset[str]  # all labels of regions
    defects: tuple[Defect, ...]  # of the files


def _read_tasks(root: Path, files: list[Path], key: str | None, images: Path | None) -> _TaskList:
    """The tasks in some files; raises UnreadableError for a file of another sort."""
    defects: list[Defect] = []
    labels: set[str] = set()
    by_image: dict[str, list[tuple[_StudioTask, _TaskImage, _TaskHead]]] = {}
    for path in files:
        file = relative_path(root, path)
        try:
            raws = _task_texts(path, file, defects)
        except BrokenLabelsError as error:
            defects += error.defects
            continue
        for place, raw in raws:
            head = _read_head(raw, place, file, defects)
            name = None if head is None else _task_image(head.data, key)
            if head is not None and name is None:
                message = "the task names no image (its data have neither an image's name nor a URL); left out"
                defects.append(Defect("SEG004", message, file, f"{place}/data"))
            if head is None or name is None:
                continue
            annotations = bytes(head.annotations) or bytes(head.completions)
            task = _StudioTask(place, file, annotations, bytes(head.predictions))
            by_image.setdefault(name.image_id, []).append((task, name, head))
            labels |= _task_labels(task)
            if name.unsafe:
                message = f"path {head.data[name.key]!r:.200} leaves the dataset; {name.image_id!r} is looked for"
                defects.append(Defect("SEG015", message, file, f"{place}/data/{name.key}", image=name.image_id))
    tasks = [task for rows in by_image.values() for task, _, _ in rows]
    alone = [task for task in tasks if task.predictions.strip(b"[] \n") and not task.annotations.strip(b"[] \n")]
    if 0 < len(alone) < len(tasks):  # if all tasks are such, it is a file of predictions
        have = "has" if len(alone) == 1 else "have"
        message = f"{len(alone):,} of {len(tasks):,} tasks {have} a model's predictions and no annotation"
        defects.append(Defect("SEG004", message, alone[0].file, alone[0].place, severity="warning", lost=False))
    entries, more = _list_entries(root, by_image, images)
    return _TaskList(tuple(entries), frozenset(labels), (*defects, *more))


def _task_texts(path: Path, file: str, defects: list[Defect]) -> list[tuple[str, bytes]]:
    """The tasks of a file as JSON texts, with their places."""
    text = read_json_text(path, file)
    defects += repeated_key_defects(text, file)
    with suppress(msgspec.MsgspecError, RecursionError):
        return [(f"/{i}", bytes(raw)) for i, raw in enumerate(msgspec.json.decode(text, type=list[msgspec.Raw]))]
    try:
        halves: list[str] = []
        value = parse_json(text, halves)
    except (ValueError, RecursionError) as error:
        what = "is empty (0 bytes)" if not text else f"is not JSON, or is cut off: {error}"
        raise BrokenLabelsError(Defect("SEG001", what, file)) from error
    defects += lone_surrogates(halves, file)
    if isinstance(value, dict):  # a file of a single task, as in a target storage
        return [("", msgspec.json.encode(value))]
    if not isinstance(value, list):
        raise BrokenLabelsError(Defect("SEG004", "is not a list of tasks", file))
    return [(f"/{i}", msgspec.json.encode(task)) for i, task in enumerate(value)]  # NaN becomes null


def _read_head(raw: bytes, place: str, file: str, defects: list[Defect]) -> _TaskHead | None:
    try:
        return msgspec.json.decode(raw, type=_TaskHead)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        halves: list[str] = []
        with suppress(ValueError, RecursionError):
            mended = msgspec.json.encode(parse_json(raw, halves))
        if halves:
            defects += lone_surrogates(halves, file, place)
            return _read_head(mended, place, file, defects)
        defects.append(Defect("SEG004", f"is not a task: {error}; left out", file, place or "/"))
        return None


def _task_labels(task: _StudioTask) -> set[str]:
    """All labels in a task; of malformed tasks, the readable ones."""
    names: set[str] = set()
    for text in (task.annotations, task.predictions):
        if not text:
            continue
        try:
            annotations = msgspec.json.decode(text, type=list[_Annotation])
            names.update(
                name
                for annotation in annotations
                for result in annotation.result
                for labels in msgspec.structs.astuple(result.value)
                for name in labels
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            with suppress(ValueError, RecursionError):
                names.update(_labels_anywhere(parse_json(text)))
    return names


def _labels_anywhere(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in LABEL_KEYS and isinstance(item, list):
                yield from (name for name in item if isinstance(name, str))
            else:
                yield from _labels_anywhere(item)
    elif isinstance(value, list):
        for item in value:
            yield from _labels_anywhere(item)


def _list_entries(
    root: Path, by_image: dict[str, list[tuple[_StudioTask, _TaskImage, _TaskHead]]], images: Path | None
) -> tuple[list[ImageEntry], list[Defect]]:
    base = dataset_folder(root)
    folders = [ImageFolder.below(images)] if images else [ImageFolder.below(base / "images"), ImageFolder.near(root)]
    by_file = [{PurePosixPath(name).name: name for name in reversed(folder.paths)} for folder in folders]
    entries: list[ImageEntry] = []
    defects: list[Defect] = []
    for image_id, tasks in by_image.items():
        first, name, head = tasks[0]
        image_file = next(
            (
                folder.paths[hit]
                for folder, files in zip(folders, by_file, strict=True)
                if (hit := find_image(image_id, folder, files)) is not None
            ),
            None,
        )
        if image_file is None and name.uri is None:
            defects.append(Defect("SEG002", "the image file does not exist", first.file, first.place, image=image_id))
        other_data = {key: value for key, value in head.data.items() if key != name.key}
        sides = [other_data.get(side) for side in ("height", "width")]
        size = tuple(side for side in sides if type(side) is int and 0 < side < 2**31)
        frame = other_data.get("frame")
        entries.append(
            ImageEntry(
                image_id,
                image_file,
                record=[task for task, _, _ in tasks],
                size=(size[0], size[1]) if len(size) == 2 else (0, 0),
                uri=name.uri,
                source_id=None if head.id is None else str(head.id),
                split=_text(other_data.get("split")),
                sequence=_text(other_data.get("sequence")),
                frame=frame if type(frame) is int and abs(frame) < 2**63 else None,
                metadata={key: encode_json(value) for key, value in other_data.items() if key not in _COLUMN_KEYS},
            )
        )
    if entries and not any(entry.image for entry in entries):
        defects = [no_images_defect(len(entries), base, images)]
    return entries, defects


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class _LabelConfig:
    """A labelling configuration."""

    taxonomy: Taxonomy = field(default_factory=Taxonomy)  # of its labels for regions of images, in order; ids from 1
    image_key: str | None = None  # the key in a task's `data` that names the image; None: it has none
    defects: tuple[Defect, ...] = ()  # of the file


def load_config(root: Path, tasks: Path) -> _LabelConfig:
    """Load the labelling configuration in the tasks' folder; `<tasks>.xml` takes precedence."""
    folder = dataset_folder(tasks)
    names = ([] if tasks.is_dir() else [f"{tasks.stem}.xml"]) + list(_CONFIG_NAMES)
    path = next((folder / name for name in names if is_file(folder / name)), None)
    if path is None:
        return _LabelConfig()
    try:
        tree = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        return _LabelConfig(defects=(Defect("SEG001", str(error), relative_path(root, path), line=line),))
    labels: dict[str, Color | None] = {}
    for control in tree.iter():
        if control.tag.endswith("Labels"):
            for label in control.iter("Label"):
                name = label.get("value")
                if name:
                    labels[name] = labels.get(name) or _color(label.get("background", ""))
    value = next((element.get("value", "") for element in tree.iter("Image")), "")
    categories = (
        Category(id=number, name=name, color=color, kind=kind_from_name(name))
        for number, (name, color) in enumerate(labels.items(), 1)
    )
    return _LabelConfig(Taxonomy(categories=tuple(categories)), value.removeprefix("$") or None)


def _color(text: str) -> Color | None:
    """Parse a CSS colour; None for other texts.

    >>> _color("rgba(218, 1, 238, 1)"), _color("green"), _color("#00008e")
    ((218, 1, 238), (0, 128, 0), (0, 0, 142))
    """
    rgba = _RGBA.fullmatch(text.strip())
    if rgba:
        red, green, blue = (min(int(group), 255) for group in rgba.groups())
        return red, green, blue
    try:
        red, green, blue = ImageColor.getcolor(text.strip(), "RGB")  # type: ignore[misc]  # three for this mode
    except ValueError:
        return None
    return red, green, blue


class _AnnotationItem(msgspec.Struct, gc=False):
    """An annotation, or prediction; its regions undecoded."""

    result: msgspec.Raw = msgspec.Raw(b"[]")
    was_cancelled: object = None
    score: object = None
    model_version: object = None
    completed_by: object = None
    lead_time: object = None
    created_at: object = None
    reviews: object = None
    ground_truth: object = None


def read_image(ids: Mapping[str, int], entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """Read all annotations and predictions on one image; `ids` maps labels to categories.

    Cancelled annotations are left out and reported. If an annotator has several on an image, the later ones get a
    number after the name. Raises BrokenLabelsError if nothing can be read.
    """
    annotations: list[tuple[ShapeAnnotation, str]] = []
    problems: list[Defect] = []
    size = (head.height, head.width) if 0 in entry.size and head is not None else entry.size
    for task in entry.record:
        annotations += _read_task(task, ids, size, problems)
    if problems and not annotations:
        raise BrokenLabelsError(*problems)
    count: Counter[str | None] = Counter()
    drawings = []
    for drawing, place in annotations:
        count[drawing.annotator] += 1
        number = count[drawing.annotator]
        drawings.append(_with_number(drawing, place, number) if number > 1 else drawing)
    if problems:
        drawings[0] = replace(drawings[0], defects=(*drawings[0].defects, *problems))
    return drawings


def _with_number(drawing: ShapeAnnotation, place: str, number: int) -> ShapeAnnotation:
    """The annotation with a number after the annotator's name."""
    name = f"{drawing.annotator or 'annotation'} ({number})"
    message = (
        f"{drawing.annotator or 'an unknown annotator'} has several annotations of this image; this one is {name!r}"
    )
    defect = Defect("SEG008", message, drawing.file, place, severity="warning")
    return replace(drawing, annotator=name, defects=(*drawing.defects, defect))


def _read_task(
    task: _StudioTask, ids: Mapping[str, int], size: tuple[int, int], problems: list[Defect]
) -> list[tuple[ShapeAnnotation, str]]:
    """The annotations, then the predictions, of a task, with their places; other entries go to `problems`."""
    annotations: list[tuple[ShapeAnnotation, str]] = []
    n_cancelled = 0
    for what, text in (("annotations", task.annotations), ("predictions", task.predictions)):
        for row, item in enumerate(_annotation_items(text, what, task, problems)):
            place = f"{task.place}/{what}/{row}"
            if item is None:
                problems.append(Defect("SEG004", "is not an annotation; left out", task.file, place))
            elif item.was_cancelled is True:
                n_cancelled += 1
            else:
                annotations.append((_read_annotation(item, what == "predictions", place, task, ids, size), place))
    if n_cancelled:
        message = f"{count_noun(n_cancelled, 'cancelled annotation')} left out"
        problems.append(Defect("SEG004", message, task.file, f"{task.place}/annotations", severity="info"))
    return annotations


def _annotation_items(text: bytes, what: str, task: _StudioTask, defects: list[Defect]) -> list[_AnnotationItem | None]:
    """Decode the annotations in a text; None for invalid entries."""
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[_AnnotationItem | None])
    except (ValueError, RecursionError):
        pass
    place = f"{task.place}/{what}"
    try:
        value = parse_json(text)
    except (ValueError, RecursionError) as error:
        defects.append(Defect("SEG001", f"{what} cannot be read: {error}", task.file, place))
        return []
    if isinstance(value, list):
        return [
            msgspec.json.decode(msgspec.json.encode(item), type=_AnnotationItem) if isinstance(item, dict) else None
            for item in value
        ]
    if value is not None:
        defects.append(Defect("SEG004", f"{what} is not a list", task.file, place))
    return []


def _read_annotation(
    item: _AnnotationItem, predicted: bool, place: str, task: _StudioTask, ids: Mapping[str, int], size: tuple[int, int]
) -> ShapeAnnotation:
    """One annotation or prediction; `size` is that of the image if no region has one."""
    regions = read_regions(item.result, f"{place}/result", ids, item.score if predicted else None)
    attributes = [(name, encode_json(value)) for name, value in regions.attributes.items()] or None
    return ShapeAnnotation(
        regions.size or size,
        regions.shapes,
        _annotator(item.model_version if predicted else item.completed_by, predicted),
        {**_annotation_columns(item, predicted), "attributes": attributes},
        defects=[replace(defect, file=task.file) for defect in regions.defects],
        file=task.file,
    )


def _annotator(who: object, predicted: bool) -> str | None:
    """The annotator's name: the model, or the person's address or number."""
    if predicted:
        return str(who) if who else None
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who is None or who == "" or isinstance(who, list | dict | bool) else str(who)


def _annotation_columns(item: _AnnotationItem, predicted: bool) -> dict[str, object]:
    seconds, created = item.lead_time, item.created_at
    reviews = item.reviews
    review = reviews[-1] if isinstance(reviews, list) and reviews and isinstance(reviews[-1], dict) else None
    reviewer = None if review is None else _annotator(review.get("created_by"), False)
    stage = "accepted" if item.ground_truth is True else None if review is None else "reviewed"
    return {
        "source": "model" if predicted else None,
        "stage": stage,
        "reviewer": reviewer,
        "created": created if isinstance(created, str) else None,
        "seconds": float(seconds) if isinstance(seconds, int | float) and seconds is not True else None,
    }


def open_tasks(request: ReadRequest) -> ToolSource:
    """Open a file of tasks, or a folder; raises UnreadableError if there is none, and for JSON-MIN."""
    config = load_config(request.root, request.root)
    tasks = _read_tasks(request.root, _find_files(request.root), config.image_key, images_folder(request))
    categories = resolve_names(
        {*tasks.labels, *(category.name for category in config.taxonomy.categories)}, request.taxonomy, config.taxonomy
    )
    defects = [*config.defects, *tasks.defects]
    read = partial(read_image, categories.to)
    return ToolSource.from_request(request, _LABEL_STUDIO, categories, tasks.entries, defects, read)


def _find_files(root: Path) -> list[Path]:
    """The files of tasks; raises UnreadableError if there is none, or one lacks cancelled annotations (JSON-MIN)."""
    probe = FileProbe(root)
    files = [root] if root.is_file() else sorted(path for path in root.glob("*.json") if path.is_file())
    if root.is_dir():
        files = [path for path in files if is_tasks(probe.head(path.name))] or files
    if not files:
        names = [name for name in probe.heads(r"\.json$", TASKS_HEAD, most=32) if is_tasks(probe.head(name))]
        if len(names) != 1:
            listed = f", but below it: {', '.join(names[:5])}; give one as DATA: " if names else ""
            place = "".join(shell_word(str(root / name)) for name in names[:1])
            raise UnreadableError(f"{root}: no export of Label Studio in it{listed}{place}")
        files = [root / names[0]]
    for path in files:
        head = probe.head(path.relative_to(root).as_posix() if root.is_dir() else path.name)
        if b'"annotation_id"' in head and b'"annotations"' not in head:
            raise UnreadableError(
                f"{path}: a JSON-MIN export of Label Studio, which does not say whose work was cancelled; open the "
                "project there, choose Export, then JSON, and give that file as DATA"
            )
    return files
