"""Tracks of CVAT: the frames of its videos, and what is in each of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree.ElementTree import Element

from segdata.formats.tools.cvat_shapes import AREAS, Drawn

_MOST_FRAMES = 1_000_000  # of a video; nine hours at 30 frames a second


@dataclass(slots=True)
class Video:
    """The frames of a task.

    Attributes
    ----------
    name : of the task; "" where it has none
    size : height and width in pixels; (0, 0) where the file does not tell
    split : of the task
    shapes : frame -> what is in it
    frames : those that the task has or a track names
    unknown : how many shapes are missing between keyframes
    """

    name: str
    size: tuple[int, int]
    split: str | None
    shapes: dict[int, list[Drawn]] = field(default_factory=dict)
    frames: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    unknown: int = 0

    @property
    def annotated(self) -> set[int]:
        """The frames of which it is known what is in them: something is, or nothing is missing."""
        return self.frames - (self.doubtful - self.told)


def videos(root: Element, wrong: list[tuple[str, str]], *, interpolate: bool) -> list[Video]:
    """The videos of a file; `wrong` gets the message and the place of what cannot be read."""
    tasks = [*root.iterfind("./meta/task"), *root.iterfind("./meta/job"), *root.iterfind("./meta/project/tasks/task")]
    by_id = {task.findtext("id"): task for task in tasks}
    only = tasks[0] if len(tasks) == 1 else None
    found: dict[str | None, Video] = {}
    for row, track in enumerate(root.iterfind("track"), 1):
        id_ = track.get("task_id")
        task = by_id.get(id_) if id_ is not None else only
        if id_ not in found:
            found[id_] = _video(task, track.get("subset"))
        _add(found[id_], track, f"/annotations/track[{row}]", row, wrong, interpolate=interpolate)
    if not found and only is not None and not any(True for _ in root.iterfind("image")):
        found[None] = _video(only, None)
    for id_, video in found.items():
        video.frames |= _frames(by_id.get(id_) if id_ is not None else only, video.frames)
    return list(found.values())


def _video(task: Element | None, split: str | None) -> Video:
    if task is None:
        return Video("", (0, 0), split)
    sides = [_number(task.findtext(f"./original_size/{side}")) or 0 for side in ("height", "width")]
    return Video(task.findtext("name") or "", (sides[0], sides[1]), split or task.findtext("subset") or None)


def _number(text: str | None) -> int | None:
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def _frames(task: Element | None, seen: set[int]) -> set[int]:
    """The frames that a task says it has, if those that its tracks name are among them."""
    if task is None:
        return set()
    first, last = _number(task.findtext("start_frame")), _number(task.findtext("stop_frame"))
    size = _number(task.findtext("size"))
    step = re.search(r"step=(\d{1,6})", task.findtext("frame_filter") or "")
    ranges = []
    if first is not None and last is not None:
        ranges.append(range(first, last + 1, max(int(step[1]), 1) if step else 1))
    if size is not None:
        ranges.append(range(size))
    return next((set(each) for each in ranges if len(each) <= _MOST_FRAMES and all(n in each for n in seen)), set())


def _add(
    video: Video, track: Element, place: str, row: int, wrong: list[tuple[str, str]], *, interpolate: bool
) -> None:
    """Add the shapes of a track."""
    label, group, source = track.get("label", ""), track.get("group_id"), track.get("source")
    number = _number(track.get("id"))
    id_ = row if number is None else number
    keys: dict[int, Drawn] = {}
    count: dict[str, int] = {}
    for shape in track:
        if shape.tag not in AREAS:
            continue
        count[shape.tag] = count.get(shape.tag, 0) + 1
        there = f"{place}/{shape.tag}[{count[shape.tag]}]"
        frame = _number(shape.get("frame"))
        if frame is None:
            wrong.append((f"frame is {shape.get('frame')!r:.40}, a whole number is expected; left out", there))
        elif frame in keys:
            wrong.append((f"the track has two shapes in frame {frame}; the first one is read", there))
        else:
            keys[frame] = Drawn(shape, there, label, group, source, id_)
    for frame, drawn in keys.items():
        video.frames.add(frame)
        video.told.add(frame)
        if drawn.element.get("outside") != "1":
            video.shapes.setdefault(frame, []).append(drawn)
    for before, after in _gaps(keys, video):
        made = dict(_between(keys[before], keys[after], before, after)) if interpolate else {}
        for frame in range(before + 1, after):
            if frame in made:
                video.shapes.setdefault(frame, []).append(made[frame])
                video.told.add(frame)
                video.frames.add(frame)
            else:
                video.doubtful.add(frame)
                video.unknown += 1


def _gaps(keys: Mapping[int, Drawn], video: Video) -> Iterator[tuple[int, int]]:
    """The keyframes that have frames between them in which the track may be."""
    frames = sorted(keys)
    step = min((b - a for a, b in pairwise(frames)), default=1)
    written_out = any(drawn.element.get("keyframe") == "0" for drawn in keys.values())
    for before, after in pairwise(frames):
        inside = keys[before].element.get("outside") != "1"
        if inside and after - before > (step if written_out else 1) and after - before <= _MOST_FRAMES:
            yield before, after


def _between(a: Drawn, b: Drawn, first: int, last: int) -> Iterator[tuple[int, Drawn]]:
    """The shapes of the frames between two keyframes of one kind, straight from one to the other."""
    keys = [
        key
        for key in ("points", "xtl", "ytl", "xbr", "ybr", "cx", "cy", "rx", "ry", "rotation")
        if key in a.element.attrib
    ]
    if a.element.tag != b.element.tag or a.element.tag == "mask" or b.element.get("outside") == "1":
        return
    try:
        start, end = ([_numbers(each.element.get(key, "")) for key in keys] for each in (a, b))
    except ValueError:
        return
    if [len(each) for each in start] != [len(each) for each in end]:
        return
    for frame in range(first + 1, last):
        share = (frame - first) / (last - first)
        moved = [
            [p + share * (q - p) for p, q in zip(one, other, strict=True)]
            for one, other in zip(start, end, strict=True)
        ]
        element = Element(a.element.tag, {**a.element.attrib, "frame": str(frame), "keyframe": "0"})
        element.extend(list(a.element))
        for key, numbers in zip(keys, moved, strict=True):
            element.set(key, _text(numbers))
        yield frame, Drawn(element, a.place, a.label, a.group, a.source, a.track)


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.replace(";", ",").split(",")]


def _text(numbers: Sequence[float]) -> str:
    """One number, or points."""
    if len(numbers) == 1:
        return repr(numbers[0])
    return ";".join(f"{x!r},{y!r}" for x, y in zip(numbers[::2], numbers[1::2], strict=True))
