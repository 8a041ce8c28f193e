"""Annotations: whose work the regions of a task are, people's and models'."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from segdata.core.finding import Defect
from segdata.formats.labelstudio.regions import read_regions
from segdata.formats.labelstudio.tasks import Task
from segdata.formats.shared.images import ImageHeader
from segdata.formats.shared.per_image import BrokenLabelsError, ImageEntry
from segdata.formats.shared.safe_parsers import encode_json, parse_json
from segdata.formats.tools.mark import Drawing


class _Said(msgspec.Struct, gc=False):
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


def look_at_tasks(ids: Mapping[str, int], entry: ImageEntry, head: ImageHeader | None) -> list[Drawing]:
    """Every annotation and prediction on one image; `ids` are the categories of labels.

    Cancelled annotations are left out, and told. Where one annotator has several on an image, the later ones get a
    number behind the name: no two may be taken for one.
    """
    found: list[tuple[Drawing, str]] = []
    strange: list[Defect] = []
    size = (head.height, head.width) if 0 in entry.size and head is not None else entry.size
    for task in entry.record:
        found += _of_task(task, ids, size, strange)
    if strange and not found:
        raise BrokenLabelsError(*strange)
    count: Counter[str | None] = Counter()
    drawings = []
    for drawing, place in found:
        count[drawing.annotator] += 1
        number = count[drawing.annotator]
        drawings.append(_renamed(drawing, place, number) if number > 1 else drawing)
    if strange:
        drawings[0] = replace(drawings[0], defects=(*drawings[0].defects, *strange))
    return drawings


def _renamed(drawing: Drawing, place: str, number: int) -> Drawing:
    """The annotation with its number behind the name of its annotator."""
    name = f"{drawing.annotator or 'annotation'} ({number})"
    message = f"{drawing.annotator or 'somebody'} has several annotations of this image; this one is {name!r}"
    said = Defect("SEG008", message, drawing.file, place, severity="warning")
    return replace(drawing, annotator=name, defects=(*drawing.defects, said))


def _of_task(
    task: Task, ids: Mapping[str, int], size: tuple[int, int], strange: list[Defect]
) -> list[tuple[Drawing, str]]:
    """The annotations, then the predictions, of a task, with their places; what is no annotation is in `strange`."""
    found: list[tuple[Drawing, str]] = []
    n_cancelled = 0
    for what, text in (("annotations", task.annotations), ("predictions", task.predictions)):
        for row, said in enumerate(_list(text, what, task, strange)):
            place = f"{task.place}/{what}/{row}"
            if said is None:
                strange.append(Defect("SEG004", "is no annotation; left out", task.file, place))
            elif said.was_cancelled is True:
                n_cancelled += 1
            else:
                found.append((_drawing(said, what == "predictions", place, task, ids, size), place))
    if n_cancelled:
        message = f"{n_cancelled} cancelled annotations are left out"
        strange.append(Defect("SEG004", message, task.file, f"{task.place}/annotations", severity="info"))
    return found


def _list(text: bytes, what: str, task: Task, defects: list[Defect]) -> list[_Said | None]:
    """The annotations in a text; None for what is none."""
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[_Said | None])
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
            msgspec.json.decode(msgspec.json.encode(each), type=_Said) if isinstance(each, dict) else None
            for each in value
        ]
    if value is not None:
        defects.append(Defect("SEG004", f"{what} is no list", task.file, place))
    return []


def _drawing(
    said: _Said, predicted: bool, place: str, task: Task, ids: Mapping[str, int], size: tuple[int, int]
) -> Drawing:
    """One annotation, or prediction; `size` is that of the image where no region tells."""
    read = read_regions(said.result, f"{place}/result", ids, said.score if predicted else None)
    attributes = [(name, encode_json(value)) for name, value in read.said.items()] or None
    return Drawing(
        read.size or size,
        read.marks,
        _annotator(said.model_version if predicted else said.completed_by, predicted),
        {**_columns(said, predicted), "attributes": attributes},
        defects=[replace(each, file=task.file) for each in read.defects],
        file=task.file,
    )


def _annotator(who: object, predicted: bool) -> str | None:
    """The model, or the person by address or number."""
    if predicted:
        return str(who) if who else None
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who is None or who == "" or isinstance(who, list | dict | bool) else str(who)


def _columns(said: _Said, predicted: bool) -> dict[str, object]:
    """What an annotation says of itself."""
    seconds, created = said.lead_time, said.created_at
    reviews = said.reviews
    review = reviews[-1] if isinstance(reviews, list) and reviews and isinstance(reviews[-1], dict) else None
    by = None if review is None else _annotator(review.get("created_by"), False)
    stage = "accepted" if said.ground_truth is True else None if review is None else "reviewed"
    return {
        "source": "model" if predicted else None,
        "stage": stage,
        "reviewer": by,
        "created": created if isinstance(created, str) else None,
        "seconds": float(seconds) if isinstance(seconds, int | float) and seconds is not True else None,
    }
