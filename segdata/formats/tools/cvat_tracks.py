"""Tracks of CVAT's XML for videos: the shapes of each frame, and interpolation between keyframes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree.ElementTree import Element

AREAS = frozenset({"polygon", "box", "ellipse", "mask"})
_MAX_FRAMES = 1_000_000  # of a video; nine hours at 30 frames a second


@dataclass(frozen=True, slots=True)
class CvatElement:
    """An element, with the data of its track if it has one."""

    element: Element
    place: str
    label: str
    group: str | None = None
    source: str | None = None
    track: int | None = None


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
