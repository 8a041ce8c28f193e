"""Shapes of CVAT's XML: those of images, and those of tracks in the frames of a video."""

import json
import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

import msgspec
import numpy as np

from segdata.core.errors import SegdataError, UnreadableError, check_choice, count_noun, list_names
from segdata.core.finding import Defect
from segdata.core.format import ReadRequest
from segdata.core.paths import check_path_name, is_unsafe_path
from segdata.core.profile import ImageSequence
from segdata.core.taxonomy import Attribute, Category, Taxonomy, as_rgb
from segdata.formats.shapes.geometry import Bitmap, Ellipse, Ring, Shape, box, check_numbers, check_ring
from segdata.formats.shared.file_names import apart_defects, divide_labels, walk_files
from segdata.formats.shared.image_index import INDEX_FILE, has_index, read_index
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry, relative_path
from segdata.formats.shared.taxonomies import kind_from_name, resolve_names
from segdata.formats.shared.xml_files import XmlError, read_xml
from segdata.formats.tools.cvat import CVAT_HEAD
from segdata.formats.tools.cvat_tracks import AREAS, CvatElement, CvatVideo, parse_digits, read_videos
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonNotation,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    json_text,
    read_shapes,
)
from segdata.formats.tools.source import (
    ListedImages,
    Tool,
    ToolSource,
    first_image,
    left_out_defects,
    outside_path_defect,
    read_head,
    repeated_image_defects,
)

NO_AREA = frozenset({"polyline", "points", "cuboid", "skeleton"})
SOURCES = {"manual": "human", "semi-auto": "human", "auto": "model", "consensus": "consensus"}
SEMI_AUTO = "semi-auto"
COLUMN_ATTRIBUTES = frozenset({"is_crowd", "score", "track_id"})  # attributes that become columns
_MAX_ID = 2**62  # of ids and groups
Types = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class CvatImage:
    """An image of a file: its shapes, and its tags."""

    shapes: tuple[CvatElement, ...]
    tags: tuple[Element, ...] = ()


def read_image(types: Types, entry: ImageEntry, head: ImageHeader | None) -> list[ShapeAnnotation]:
    """The shapes of an image; raises BrokenLabelsError if its size is unknown."""
    record: CvatImage = entry.record
    size = entry.size
    if 0 in size and head is not None:
        size = (head.height, head.width)
    if 0 in size or size[0] * size[1] > MAX_PIXELS:
        problem = (
            f"the size is {size[1]:,} x {size[0]:,}, which no image has" if any(size) else "the file gives no size"
        )
        raise BrokenLabelsError(Defect("SEG004", f"{problem}: its shapes cannot be drawn"))
    defects: list[Defect] = []
    shapes = read_shapes(((item.place, item) for item in record.shapes), partial(_tool_shape, types, size), defects)
    tags = [_read_tag(item, types) for item in record.tags]
    metadata = {"tags": json_text(tags)} if tags else {}
    return [ShapeAnnotation(size, shapes, metadata=metadata, defects=defects)]


def _read_tag(element: Element, types: Types) -> object:
    """The value of a tag: its label, or an object with label and attributes."""
    label = element.get("label", "")
    attributes = _attributes(element, label, types)
    return {"label": label, **{key: json.loads(value) for key, value in attributes.items()}} if attributes else label


def _tool_shape(types: Types, size: tuple[int, int], item: CvatElement, place: str) -> ToolShape:
    if not item.label:
        raise BrokenShapeError("SEG004", f"the {item.element.tag} has no label")
    shape = _read_shape(item, size)
    group = _parse_integer(item.group, "group_id") or None
    attributes = _attributes(item.element, item.label, types)
    columns = _columns(item, attributes, types)
    return ToolShape(item.label, shape, place, group, None, attributes, columns)


def _columns(item: CvatElement, attributes: dict[str, str], types: Types) -> dict[str, object]:
    """The columns of a shape; moves attributes to columns, and fields to attributes, where they belong."""
    element = item.element
    columns: dict[str, object] = {"track_id": item.track}
    if attributes.get("is_crowd") in ("true", '"true"'):
        del attributes["is_crowd"]
        columns["iscrowd"] = True
    for key, convert in (("score", float), ("track_id", int)):
        text = attributes.get(key, "").strip('"')
        try:
            value = convert(text) if text else None
        except ValueError:
            continue
        if value is not None and abs(value) <= _MAX_ID and columns.get(key) is None:
            del attributes[key]
            columns[key] = value
    source = item.source or element.get("source")
    columns["source"] = SOURCES.get(source or "")
    if source == SEMI_AUTO:
        attributes.setdefault("source", json_text(SEMI_AUTO))
    if element.get("occluded") == "1":
        # Labels that declare an attribute of this name have values of their own for it, `yes` and `no`.
        declared = any(name == "occluded" for _, name in types)
        attributes.setdefault("is_occluded" if declared else "occluded", "true")
    z_order = _parse_integer(element.get("z_order"), "z_order")
    if z_order:
        attributes.setdefault("z_order", str(z_order))
    return columns


def _attributes(element: Element, label: str, types: Types) -> dict[str, str]:
    """The attributes of an element as JSON texts, typed as the label declares."""
    values = {}
    for child in element.iterfind("attribute"):
        name, text = child.get("name", ""), child.text or ""
        kind = types.get((label, name), "text")
        if kind == "checkbox" and text.lower() in ("true", "false"):
            values[name] = text.lower()
        elif kind == "number" and _is_number(text):
            values[name] = text
        else:
            values[name] = json_text(text)
    return values


def _is_number(text: str) -> bool:
    try:
        return not isinstance(json.loads(text, parse_constant=lambda name: None), (str, bool, list, dict, type(None)))
    except (ValueError, RecursionError):
        return False


def _parse_integer(text: str | None, what: str) -> int:
    """An integer, 0 for a missing text; raises BrokenShapeError for other texts."""
    digits = (text or "0").strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 18):
        raise BrokenShapeError("SEG004", f"{what} is {text!r:.40}, a whole number is expected")
    return int(text or 0)


def _read_shape(item: CvatElement, size: tuple[int, int]) -> Shape | PolygonText:
    element = item.element
    if element.tag == "polygon":
        text = element.get("points", "")
        if "[" in text:
            raise BrokenShapeError("SEG006", _misspelt_points(text))
        return PolygonText((f"[[{text}]]".replace(";", "],[").encode(),), "the polygon", item.place)
    if element.tag == "mask":
        return _read_mask(element, size)
    keys = ("xtl", "ytl", "xbr", "ybr") if element.tag == "box" else ("cx", "cy", "rx", "ry")
    a, b, c, d = (_parse_number(element, key) for key in keys)
    degrees = _parse_number(element, "rotation") if "rotation" in element.attrib else 0.0
    problem = check_numbers(a, b, c, d, degrees)
    if problem is not None or (element.tag == "ellipse" and min(c, d) < 0):
        raise BrokenShapeError("SEG006", f"the {element.tag} {problem or 'has a radius below 0'}")
    if element.tag == "ellipse":
        return Ellipse(a, b, c, d, degrees)
    upright = box(a, b, c, d)
    return upright.rotate(degrees, (a + c) / 2, (b + d) / 2) if degrees else upright


def _parse_number(element: Element, key: str) -> float:
    try:
        return float(element.attrib[key])
    except KeyError:
        raise BrokenShapeError("SEG004", f"the {element.tag} has no {key}") from None
    except ValueError:
        raise BrokenShapeError("SEG004", f"{key} is {element.attrib[key]!r:.40}, a number is expected") from None


def _misspelt_points(text: str) -> str:
    return f"the polygon's points are {text!r:.40}, x,y;x,y;… is expected"


def _parse_points_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
    """The ring of a polygon whose numbers are not JSON, or its defect."""
    text = shape.geometry.texts[0].decode()[2:-2].replace("],[", ";") if isinstance(shape.geometry, PolygonText) else ""
    pairs = text.rstrip("; ").split(";")
    try:
        if any(pair.count(",") != 1 for pair in pairs):
            raise ValueError
        numbers = np.array([float(number) for pair in pairs for number in pair.split(",")])
    except ValueError:
        return Defect("SEG006", f"{_misspelt_points(text)}; left out", place=shape.place)
    problem = check_ring(numbers)
    return [numbers.reshape(-1, 2)] if problem is None else shape.refusal(problem)


def _read_mask(element: Element, size: tuple[int, int]) -> Bitmap:
    """A mask: alternating run lengths of background and mask, row by row through its box."""
    sides = {}
    for key in ("left", "top", "width", "height"):
        if key not in element.attrib:
            raise BrokenShapeError("SEG004", f"the mask has no {key}")
        sides[key] = _parse_integer(element.attrib[key], key)
    width, height = sides["width"], sides["height"]
    if not (0 < width <= size[1] and 0 < height <= size[0]):
        raise BrokenShapeError("SEG005", f"the mask is {width:,} x {height:,} px, the image {size[1]:,} x {size[0]:,}")
    text = element.get("rle", "")
    try:
        counts = np.array([int(count) for count in text.split(",")], np.int64)
    except (ValueError, OverflowError):
        raise BrokenShapeError("SEG005", f"rle is {text!r:.40}, whole numbers are expected") from None
    if (counts < 0).any() or (counts > width * height).any() or counts.sum() != width * height:
        shown = f"{min(counts.min(), 0):,} px" if (counts < 0).any() else f"{sum(counts.tolist()):,} px in sum"
        raise BrokenShapeError(
            "SEG005", f"the counts have {shown}, the mask has {width} x {height} = {width * height:,}"
        )
    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return Bitmap(sides["left"], sides["top"], values.reshape(height, width))


# The types of labels whose shapes may have an area.
_WITH_AREA = frozenset({"", "any", "polygon", "mask", "rectangle", "ellipse"})
_CVAT = Tool("cvat", "coco", PolygonNotation(mend=_parse_points_leniently))
_MAX_NAMED = 8  # labels in a message
_ANSWERS = ("yes", "no", "true", "false")


@dataclass(slots=True)
class _CvatLabels:
    """The labels of the files."""

    categories: dict[str, Category] = field(default_factory=dict)  # the labels of segments, in order, without ids
    types: dict[tuple[str, str], str] = field(default_factory=dict)  # (label, attribute) -> input_type
    listed: set[str] = field(default_factory=set)  # of shapes of any type

    def add(self, root: Element) -> None:
        for label in root.iterfind("./meta/*/labels/label"):
            name = label.findtext("name") or ""
            self.listed.add(name)
            attributes = list(label.iterfind("./attributes/attribute"))
            for attribute in attributes:
                self.types[name, attribute.findtext("name") or ""] = attribute.findtext("input_type") or "text"
            if (label.findtext("type") or "") in _WITH_AREA and label.find("parent") is None and name:
                self.categories.setdefault(name, _category(name, label, attributes))

    def taxonomy(self) -> Taxonomy:
        """The categories with ids from 1, in the order of the labels."""
        return Taxonomy(
            categories=tuple(
                msgspec.structs.replace(category, id=id_) for id_, category in enumerate(self.categories.values(), 1)
            )
        )


def _category(name: str, label: Element, attributes: Iterable[Element]) -> Category:
    """A label as a category, its attributes with the values to choose from."""
    declared = tuple(
        Attribute(name=attribute.findtext("name") or "", values=_choices(attribute))
        for attribute in attributes
        if attribute.findtext("name")
    )
    return Category(
        id=0, name=name, kind=kind_from_name(name), color=_color(label.findtext("color")), attributes=declared
    )


def _choices(attribute: Element) -> tuple[str, ...]:
    """The choices of an attribute, one per line; none if it is not a selection."""
    has_choices = attribute.findtext("input_type") in ("select", "radio")
    return tuple((attribute.findtext("values") or "").split("\n")) if has_choices else ()


def _color(text: str | None) -> str | None:
    try:
        return text if text and as_rgb(text) else None
    except SegdataError:
        return None


@dataclass(slots=True)
class _CvatDataset(ListedImages):
    """The images of all files, their labels and their videos."""

    labels: _CvatLabels = field(default_factory=_CvatLabels)
    names: set[str] = field(default_factory=set)  # the labels of shapes
    others: Counter[str] = field(default_factory=Counter)  # tag -> number of shapes without area
    other_names: set[str] = field(default_factory=set)  # their labels
    sequences: list[ImageSequence] = field(default_factory=list)
    repeated: dict[tuple[Path, Path], list[Defect]] = field(default_factory=dict)  # as for `repeated_image_defects`

    def count_other(self, tag: str, label: str) -> None:
        """Count a shape without area."""
        self.others[tag] += 1
        self.other_names.add(label)

    def report_unlisted_labels(self) -> None:
        """Report the labels of shapes that the tasks do not list, if they list any."""
        unlisted = sorted(self.names - self.labels.listed)
        if self.labels.listed and unlisted:
            listed = list_names(sorted(self.labels.listed), _MAX_NAMED)
            message = (
                f"shapes have labels that the list of labels lacks: {list_names(unlisted, _MAX_NAMED)}; it has {listed}"
            )
            self.defects.append(Defect("SEG004", message, severity="warning"))

    def report_others(self) -> None:
        """Remove the labels of points and lines, which are no categories of segments, and report what is left out."""
        bare = [name for name in self.labels.categories if name in self.other_names - self.names]
        for name in bare:
            del self.labels.categories[name]
        labels = f"; labels of these alone: {list_names(bare, _MAX_NAMED)}" if bare else ""
        self.defects += [
            replace(defect, message=defect.message + labels)
            for defect in left_out_defects("shapes without area", self.others)
        ]


def open_cvat(request: ReadRequest) -> ToolSource:
    """Open the XML files at or below a path; raises UnreadableError if none is CVAT's."""
    answer = str(request.options.get("interpolate", "no")).lower()
    check_choice("interpolate", answer, _ANSWERS)
    documents = {relative_path(request.root, path): path for path in _find_documents(request.root)}
    own, apart = (list(documents), []) if request.explicit else divide_labels(documents)
    paths = [documents[name] for name in own]
    dataset = _CvatDataset.from_request(request)
    dataset.defects += apart_defects(apart)
    first_of: dict[bytes, Path] = {}
    for path in paths:
        first = first_of.setdefault(sha256(path.read_bytes()).digest(), path) if len(paths) > 1 else path
        if first == path:
            _add_file(dataset, path, interpolate=answer in ("yes", "true"))
        else:
            message = f"the same file as {relative_path(dataset.root, first)}, byte by byte; that one is read"
            dataset.defects.append(Defect("SEG008", message, relative_path(dataset.root, path), severity="warning"))
    dataset.report_unlisted_labels()
    dataset.defects += repeated_image_defects(dataset.root, dataset.repeated)
    dataset.report_others()
    dataset.report_missing()
    dataset.report_unlisted("CVAT")
    own_taxonomy = dataset.labels.taxonomy()
    categories = resolve_names(dataset.names | dataset.labels.categories.keys(), request.taxonomy, own_taxonomy)
    read = partial(read_image, dataset.labels.types)
    return ToolSource.from_request(
        request, _CVAT, categories, dataset.sorted_entries, dataset.defects, read, sequences=dataset.sequences
    )


def _find_documents(root: Path) -> list[Path]:
    if root.is_file():
        if zipfile.is_zipfile(root):
            raise UnreadableError(f"{root}: is a zip archive; unzip it and give the folder")
        return [root]
    documents, archive = [], None
    for _, path in walk_files(root):
        archive = path if path.suffix.lower() == ".zip" else archive
        if path.suffix.lower() == ".xml" and re.search(CVAT_HEAD, read_head(path)):
            check_path_name(path)
            documents.append(path)
    if not documents:
        hint = f"; unzip {archive.name}" if archive else ""
        raise UnreadableError(f"{root}: no CVAT file, which is XML that begins with annotations{hint}")
    return documents


def _add_file(dataset: _CvatDataset, path: Path, *, interpolate: bool) -> None:
    file = relative_path(dataset.root, path)
    try:
        document = read_xml(path)
    except (XmlError, OSError) as error:
        line = error.line if isinstance(error, XmlError) else None
        dataset.defects.append(Defect("SEG001", f"the XML {error}", file, line=line))
        return
    if document.tag != "annotations":
        message = f"the root element is {document.tag!r:.40}, CVAT's is 'annotations'"
        dataset.defects.append(Defect("SEG004", message, file))
        return
    dataset.labels.add(document)
    jobs = CvatJobs.from_document(document)
    for row, image in enumerate(document.iterfind("image"), 1):
        _add_image(dataset, path, image, f"/annotations/image[{row}]", jobs)
    problems: list[tuple[str, str]] = []
    for track in document.iterfind("track"):
        for shape in track:
            if shape.tag in NO_AREA:
                dataset.count_other(shape.tag, track.get("label", ""))
    videos = read_videos(document, problems, interpolate=interpolate)
    for video in videos:
        if len(videos) == 1 and _names_frames(path.parent):
            _add_named_video(dataset, path, video)
        else:
            _add_video(dataset, path, video, jobs)
    dataset.defects += [Defect("SEG004", message, file, place) for message, place in problems]


@dataclass(frozen=True, slots=True)
class CvatJobs:
    """Task id -> jobs (first frame, last frame, id) of a file."""

    tasks: Mapping[str, Sequence[tuple[int, int, str]]]

    @staticmethod
    def from_document(document: Element) -> "CvatJobs":
        """The tasks in the head of a file; if a job was exported, only that job."""
        tasks: dict[str, list[tuple[int, int, str]]] = {}
        for task in [*document.iterfind("./meta/task"), *document.iterfind("./meta/project/tasks/task")]:
            jobs = tasks.setdefault((task.findtext("id") or "").strip(), [])
            for segment in task.iterfind("./segments/segment"):
                first, last = parse_digits(segment.findtext("start")), parse_digits(segment.findtext("stop"))
                number = re.search(r"(?:jobs/|id=)(\d+)/?$", (segment.findtext("url") or "").strip())
                id_ = number[1] if number else (segment.findtext("id") or "").strip()
                if first is not None and last is not None and id_:
                    jobs.append((first, last, id_))
        for job in document.iterfind("./meta/job"):
            id_ = (job.findtext("id") or "").strip()
            tasks.setdefault("", []).extend([(0, _MAX_ID, id_)] if id_ else [])
        return CvatJobs(tasks)

    def metadata(self, task: str | None, frame: str | None) -> dict[str, str]:
        """The task and the job of a frame, if the file names them, as JSON texts."""
        id_ = task if task is not None or len(self.tasks) != 1 else next(iter(self.tasks))
        number = -1 if (digits := parse_digits(frame)) is None else digits
        job = next((job for first, last, job in self.tasks.get(id_ or "", ()) if first <= number <= last), None)
        return {key: json_text(value) for key, value in (("task", id_), ("job", job)) if value}


def _add_image(dataset: _CvatDataset, path: Path, image: Element, place: str, jobs: CvatJobs) -> None:
    file = relative_path(dataset.root, path)
    name = image.get("name", "").replace("\\", "/")
    if not name:
        dataset.defects.append(Defect("SEG004", "an image without name; left out", file, place))
        return
    if is_unsafe_path(name):
        dataset.defects.append(outside_path_defect(name, file, place))
        name = PurePosixPath(name).name or "image"
    split = image.get("subset") or None
    folder = dataset.id_folder(path)
    image_id = posixpath.join(folder, name)
    if image_id in dataset.entries and split:
        image_id = posixpath.join(folder, split, name)
    if image_id in dataset.entries:
        message = f"image {image_id!r} is listed twice; the first one is read"
        again = Defect("SEG008", message, file, place, image=image_id)
        dataset.repeated.setdefault((path, dataset.entries[image_id].files[0]), []).append(again)
        return
    shapes = tuple(_shapes(dataset, image, place))
    dataset.names.update(shape.label for shape in shapes if shape.label)
    size = parse_digits(image.get("height")) or 0, parse_digits(image.get("width")) or 0
    image_file = first_image(dataset.folders, [image_id, name, *([f"{split}/{name}"] if split else [])])
    record = CvatImage(shapes, tuple(image.iterfind("tag")))
    metadata = jobs.metadata(image.get("task_id"), image.get("id"))
    dataset.entries[image_id] = ImageEntry(
        image_id, image_file, (path,), record, size=size, source_id=image.get("id"), split=split, metadata=metadata
    )


def _shapes(dataset: _CvatDataset, image: Element, place: str) -> Iterator[CvatElement]:
    """The shapes with an area, each with its place."""
    count = Counter[str]()
    for shape in image:
        count[shape.tag] += 1
        if shape.tag in AREAS:
            shape_place = f"{place}/{shape.tag}[{count[shape.tag]}]"
            yield CvatElement(shape, shape_place, shape.get("label", ""), shape.get("group_id"), shape.get("source"))
        elif shape.tag in NO_AREA:
            dataset.count_other(shape.tag, shape.get("label", ""))
        elif shape.tag != "tag":
            message = f"CVAT has no shape {shape.tag!r:.40}; left out"
            dataset.defects.append(Defect("SEG004", message, place=f"{place}/{shape.tag}"))


def _add_video(dataset: _CvatDataset, path: Path, video: CvatVideo, jobs: CvatJobs) -> None:
    """Add the frames of a video, named `frame_000000.png` and so on as in CVAT."""
    file = relative_path(dataset.root, path)
    folder = dataset.id_folder(path)
    bare = video.name.replace("\\", "/").rpartition("/")[2]
    name = bare if bare not in ("", ".", "..") else path.stem
    sequence = posixpath.join(folder, name)
    while any(other.name == sequence for other in dataset.sequences):
        sequence += "_"
    alone = posixpath.join(folder, "frame_")
    share_names = any(image_id.startswith(alone) for image_id in dataset.entries)
    prefix = f"{sequence}/frame_" if share_names else alone
    dataset.sequences.append(ImageSequence(sequence))
    annotated = video.annotated_frames
    for frame in sorted(video.frames):
        image_id = f"{prefix}{frame:06d}.png"
        stems = [f"{prefix}{frame:06d}.png", f"frame_{frame:06d}.png"]
        names = [near for stem in stems for pictures in dataset.folders if (near := pictures.similar_name(stem))]
        image_file = first_image(dataset.folders, names)
        image_id = image_id.removesuffix(".png") + (image_file.suffix if image_file else ".png")
        shapes = tuple(video.shapes.get(frame, ()))
        dataset.names.update(shape.label for shape in shapes if shape.label)
        record = CvatImage(shapes) if frame in annotated else None
        files = (path,) if record else ()
        dataset.entries[image_id] = ImageEntry(
            image_id,
            image_file,
            files,
            record,
            size=video.size,
            source_id=str(frame),
            sequence=sequence,
            frame=frame,
            split=video.split,
            metadata=jobs.metadata(None, str(frame)),
        )
    if video.unknown:
        n_frames = len(video.frames - annotated)
        message = (
            f"tracks have {count_noun(video.unknown, 'frame')} between keyframes without a shape "
            f"({count_noun(n_frames, 'frame')} without any annotation); "
            "--read-option interpolate=yes interpolates the shapes"
        )
        dataset.defects.append(Defect("SEG004", message, file, "/annotations/track", severity="warning"))


def _names_frames(folder: Path) -> bool:
    """Whether segdata wrote an `images.csv` in a folder."""
    return has_index(folder) and read_head(folder / INDEX_FILE).startswith(b"image,mask,width,height,uri,sequence,")


def _add_named_video(dataset: _CvatDataset, path: Path, video: CvatVideo) -> None:
    """Add the frames that the lines of `images.csv` name, in the order of their numbers in the XML."""
    entries, defects = read_index(path.parent, dataset.images or dataset.folder / "images")
    file = relative_path(dataset.root, path)
    dataset.defects += defects
    beyond = sorted(frame for frame in video.frames if frame >= len(entries))
    if beyond:
        message = (
            f"frame {beyond[0]} and later ones are not in {INDEX_FILE}, which has {count_noun(len(entries), 'image')}"
        )
        dataset.defects.append(Defect("SEG007", message, file, "/annotations/track"))
    for number, entry in enumerate(entries):
        shapes = tuple(video.shapes.get(number, ()))
        dataset.names.update(shape.label for shape in shapes if shape.label)
        if entry.sequence is not None and not any(known.name == entry.sequence for known in dataset.sequences):
            dataset.sequences.append(ImageSequence(entry.sequence))
        is_annotated = bool(entry.files or shapes)
        image = entry.image or first_image(dataset.folders, [entry.image_id])
        record = CvatImage(shapes) if is_annotated else None
        files = (path,) if is_annotated else ()
        dataset.entries[entry.image_id] = replace(entry, image=image, files=files, record=record, source_id=str(number))
