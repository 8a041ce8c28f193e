"""Shapes of CVAT's XML: those of images, and those of tracks in the frames of a video, interpolated on request."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np

from segdata.core.finding import Defect
from segdata.formats.shapes.geometry import Bitmap, Ellipse, Ring, Shape, box, check_numbers, check_ring
from segdata.formats.shared.images import MAX_PIXELS, ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry
from segdata.formats.tools.shapes import (
    BrokenShapeError,
    PolygonText,
    ShapeAnnotation,
    ToolShape,
    json_text,
    read_shapes,
)

AREAS = frozenset({"polygon", "box", "ellipse", "mask"})
NO_AREA = frozenset({"polyline", "points", "cuboid", "skeleton"})
SOURCES = {"manual": "human", "semi-auto": "human", "auto": "model", "consensus": "consensus"}
SEMI_AUTO = "semi-auto"
COLUMN_ATTRIBUTES = frozenset({"is_crowd", "score", "track_id"})  # attributes that become columns
MAX_ID = 2**62  # of ids and groups
_MAX_FRAMES = 1_000_000  # of a video; nine hours at 30 frames a second
Types = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class CvatElement:
    """An element, with the data of its track if it has one."""

    element: Element
    place: str
    label: str
    group: str | None = None
    source: str | None = None
    track: int | None = None


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
        if value is not None and abs(value) <= MAX_ID and columns.get(key) is None:
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


def parse_points_leniently(shape: ToolShape, size: tuple[int, int]) -> list[Ring] | Defect:
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


@dataclass(slots=True)
class CvatVideo:
    """The frames of a task."""

    name: str  # of the task; "" if it has none
    size: tuple[int, int]  # height and width in pixels; (0, 0) if the file lacks them
    split: str | None  # of the task
    shapes: dict[int, list[CvatElement]] = field(default_factory=dict)  # frame -> its shapes
    frames: set[int] = field(default_factory=set)  # the task's frames, or those that tracks name
    certain: set[int] = field(default_factory=set)
    uncertain: set[int] = field(default_factory=set)
    unknown: int = 0  # number of missing shapes between keyframes

    @property
    def annotated_frames(self) -> set[int]:
        """The frames with known content: those with shapes, or all if no shape is missing."""
        return self.frames - (self.uncertain - self.certain)


def read_videos(root: Element, problems: list[tuple[str, str]], *, interpolate: bool) -> list[CvatVideo]:
    """The videos of a file; `problems` gets message and place of unreadable shapes."""
    tasks = [*root.iterfind("./meta/task"), *root.iterfind("./meta/job"), *root.iterfind("./meta/project/tasks/task")]
    by_id = {task.findtext("id"): task for task in tasks}
    single_task = tasks[0] if len(tasks) == 1 else None
    videos: dict[str | None, CvatVideo] = {}
    for row, track in enumerate(root.iterfind("track"), 1):
        id_ = track.get("task_id")
        task = by_id.get(id_) if id_ is not None else single_task
        if id_ not in videos:
            videos[id_] = _video(task, track.get("subset"))
        _add_track(videos[id_], track, f"/annotations/track[{row}]", row, problems, interpolate=interpolate)
    if not videos and single_task is not None and not any(True for _ in root.iterfind("image")):
        videos[None] = _video(single_task, None)
    for id_, video in videos.items():
        video.frames |= _task_frames(by_id.get(id_) if id_ is not None else single_task, video.frames)
    return list(videos.values())


def _video(task: Element | None, split: str | None) -> CvatVideo:
    if task is None:
        return CvatVideo("", (0, 0), split)
    sides = [parse_digits(task.findtext(f"./original_size/{side}")) or 0 for side in ("height", "width")]
    return CvatVideo(task.findtext("name") or "", (sides[0], sides[1]), split or task.findtext("subset") or None)


def parse_digits(text: str | None) -> int | None:
    """Parse an unsigned number of up to nine digits; None for other texts."""
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def _task_frames(task: Element | None, named: set[int]) -> set[int]:
    """The frames that a task declares, if they include those of its tracks."""
    if task is None:
        return set()
    first, last = parse_digits(task.findtext("start_frame")), parse_digits(task.findtext("stop_frame"))
    size = parse_digits(task.findtext("size"))
    step = re.search(r"step=(\d{1,6})", task.findtext("frame_filter") or "")
    ranges = []
    if first is not None and last is not None:
        ranges.append(range(first, last + 1, max(int(step[1]), 1) if step else 1))
    if size is not None:
        ranges.append(range(size))
    return next(
        (set(frames) for frames in ranges if len(frames) <= _MAX_FRAMES and all(n in frames for n in named)), set()
    )


def _add_track(
    video: CvatVideo, track: Element, place: str, row: int, problems: list[tuple[str, str]], *, interpolate: bool
) -> None:
    label, group, source = track.get("label", ""), track.get("group_id"), track.get("source")
    number = parse_digits(track.get("id"))
    id_ = row if number is None else number
    keyframes: dict[int, CvatElement] = {}
    count: dict[str, int] = {}
    for shape in track:
        if shape.tag not in AREAS:
            continue
        count[shape.tag] = count.get(shape.tag, 0) + 1
        shape_place = f"{place}/{shape.tag}[{count[shape.tag]}]"
        frame = parse_digits(shape.get("frame"))
        if frame is None:
            problems.append((f"frame is {shape.get('frame')!r:.40}, a whole number is expected; left out", shape_place))
        elif frame in keyframes:
            problems.append((f"the track has two shapes in frame {frame}; the first one is read", shape_place))
        else:
            keyframes[frame] = CvatElement(shape, shape_place, label, group, source, id_)
    for frame, item in keyframes.items():
        video.frames.add(frame)
        video.certain.add(frame)
        if item.element.get("outside") != "1":
            video.shapes.setdefault(frame, []).append(item)
    for before, after in _keyframe_gaps(keyframes):
        between = dict(_interpolate(keyframes[before], keyframes[after], before, after)) if interpolate else {}
        for frame in range(before + 1, after):
            if frame in between:
                video.shapes.setdefault(frame, []).append(between[frame])
                video.certain.add(frame)
                video.frames.add(frame)
            else:
                video.uncertain.add(frame)
                video.unknown += 1


def _keyframe_gaps(keyframes: Mapping[int, CvatElement]) -> Iterator[tuple[int, int]]:
    """Pairs of keyframes with frames between them in which the track may be visible."""
    frames = sorted(keyframes)
    step = min((b - a for a, b in pairwise(frames)), default=1)
    written_out = any(item.element.get("keyframe") == "0" for item in keyframes.values())
    for before, after in pairwise(frames):
        inside = keyframes[before].element.get("outside") != "1"
        if inside and after - before > (step if written_out else 1) and after - before <= _MAX_FRAMES:
            yield before, after


def _interpolate(a: CvatElement, b: CvatElement, first: int, last: int) -> Iterator[tuple[int, CvatElement]]:
    """Interpolate the shapes between two keyframes of one kind linearly; masks stay as in the first.

    Angles take the shorter way. A keyframe marked outside has a shape, too: the object moves up to there.
    """
    keys = [
        key
        for key in ("points", "xtl", "ytl", "xbr", "ybr", "cx", "cy", "rx", "ry", "rotation")
        if key in a.element.attrib
    ]
    if a.element.tag != b.element.tag:
        return
    if a.element.tag == "mask":
        yield from ((frame, a) for frame in range(first + 1, last))
        return
    try:
        start, end = (
            [list(map(float, keyframe.element.get(key, "").replace(";", ",").split(","))) for key in keys]
            for keyframe in (a, b)
        )
    except ValueError:
        return
    if [len(keyframe) for keyframe in start] != [len(keyframe) for keyframe in end]:
        return
    if "rotation" in keys:
        angle = keys.index("rotation")
        end[angle][0] = start[angle][0] + (end[angle][0] - start[angle][0] + 180) % 360 - 180
    for frame in range(first + 1, last):
        share = (frame - first) / (last - first)
        moved = [
            [p + share * (q - p) for p, q in zip(one, other, strict=True)]
            for one, other in zip(start, end, strict=True)
        ]
        element = Element(a.element.tag, {**a.element.attrib, "frame": str(frame), "keyframe": "0"})
        element.extend(list(a.element))
        for key, numbers in zip(keys, moved, strict=True):
            element.set(key, _format_points(numbers))
        yield frame, CvatElement(element, a.place, a.label, a.group, a.source, a.track)


def _format_points(numbers: Sequence[float]) -> str:
    if len(numbers) == 1:
        return repr(numbers[0])
    return ";".join(f"{x!r},{y!r}" for x, y in zip(numbers[::2], numbers[1::2], strict=True))
