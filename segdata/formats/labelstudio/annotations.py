"""Annotations: whose work the regions of a task are, people's and models'."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from segdata.core.defect import Defect
from segdata.formats.images import header
from segdata.formats.jsonfile import encoded, parsed
from segdata.formats.labelstudio.regions import columns_of, numbered, read_regions
from segdata.formats.labelstudio.tasks import Task
from segdata.formats.perimage.entry import Entry
from segdata.formats.perimage.found import BrokenLabelsError, Found
from segdata.formats.shapes.raster import rasterise

_Json = dict[str, Any]  # Any: JSON


def look_at_tasks(ids: Mapping[str, int], entry: Entry) -> list[Found]:
    """Every annotation and prediction on one image; `ids` are the categories of labels.

    Cancelled annotations are left out, and told. Where one annotator has several on an image, the later ones get a
    number behind the name: no two may be taken for one.
    """
    found: list[Found] = []
    strange: list[Defect] = []
    for task in entry.record:
        found += _of_task(task, ids, entry, strange)
    if strange and not found:
        raise BrokenLabelsError(*strange)
    count: Counter[str | None] = Counter()
    for row, each in enumerate(found):
        count[each.annotator] += 1
        if count[each.annotator] > 1:
            found[row] = _renamed(each, count[each.annotator])
    return [
        replace(each, annotation=_without_place(each.annotation), defects=(*each.defects, *strange * (row == 0)))
        for row, each in enumerate(found)
    ]


def _renamed(found: Found, number: int) -> Found:
    """The annotation with its number behind the name of its annotator."""
    name = f"{found.annotator or 'annotation'} ({number})"
    message = f"{found.annotator or 'somebody'} has several annotations of this image; this one is {name!r}"
    file, place = str(found.annotation["file"]), str(found.annotation["place"])
    said = Defect("SEG008", message, file, place, severity="warning")
    return replace(found, annotator=name, defects=(*found.defects, said))


def _without_place(annotation: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in annotation.items() if name not in ("file", "place")}


def _of_task(task: Task, ids: Mapping[str, int], entry: Entry, strange: list[Defect]) -> list[Found]:
    """The annotations, then the predictions, of a task; what is no annotation is told in `strange`."""
    found: list[Found] = []
    n_cancelled = 0
    for what, text in (("annotations", task.annotations), ("predictions", task.predictions)):
        for row, said in enumerate(_list(text, what, task, strange)):
            place = f"{task.place}/{what}/{row}"
            if not isinstance(said, dict):
                strange.append(Defect("SEG004", "is no annotation; left out", task.file, place))
            elif said.get("was_cancelled") is True:
                n_cancelled += 1
            else:
                found.append(_annotation(said, what == "predictions", place, task, ids, entry))
    if n_cancelled:
        message = f"{n_cancelled} cancelled annotations are left out"
        strange.append(Defect("SEG004", message, task.file, f"{task.place}/annotations", severity="info"))
    return found


def _list(text: bytes, what: str, task: Task, defects: list[Defect]) -> list[object]:
    if not text:
        return []
    place = f"{task.place}/{what}"
    try:
        value = parsed(text)
    except (ValueError, RecursionError) as error:
        defects.append(Defect("SEG001", f"{what} cannot be read: {error}", task.file, place))
        return []
    if isinstance(value, list):
        return value
    if value is not None:
        defects.append(Defect("SEG004", f"{what} is no list", task.file, place))
    return []


def _annotation(said: _Json, predicted: bool, place: str, task: Task, ids: Mapping[str, int], entry: Entry) -> Found:
    """One annotation, or prediction."""
    read = read_regions(said.get("result", []), f"{place}/result", ids)
    size = read.size or _size(entry)
    numbers, names = numbered([region.id for region in read.regions])
    n = len(read.regions)
    columns = columns_of(read.regions, ids, said.get("score") if predicted else None)
    twice = [id_ for id_, times in Counter(numbers).items() if times > 1]
    defects = read.defects + [
        Defect("SEG008", f"region id {id_} is here several times; all are read", place=place, segments=(id_,))
        for id_ in twice
    ]
    return Found(
        size,
        np.array(numbers, np.int64),
        np.array([ids[region.labels[0]] for region in read.regions], np.int64),
        rasterise([[region.shape] for region in read.regions], "coco", *size),
        {**columns, "source_id": names, "file": [task.file] * n},
        annotator=_annotator(said, predicted),
        annotation={**_said(said, predicted), **_attributes(read.said), "file": task.file, "place": place},
        defects=[replace(each, file=task.file) for each in defects],
    )


def _attributes(said: _Json) -> dict[str, object]:
    return {"attributes": [(name, encoded(value)) for name, value in said.items()] or None}


def _size(entry: Entry) -> tuple[int, int]:
    """Height and width of an image that no region tells; (0, 0) where nothing does."""
    if 0 in entry.size and entry.image is not None:
        with suppress(OSError):  # it is reported where all image files are
            head = header(entry.image)
            return head.height, head.width
    return entry.size


def _annotator(said: _Json, predicted: bool) -> str | None:
    """The model, or the person by address or number."""
    if predicted:
        return str(said["model_version"]) if said.get("model_version") else None
    who = said.get("completed_by")
    if isinstance(who, dict):
        who = who.get("email") or who.get("id")
    return None if who is None or who == "" or isinstance(who, list | dict | bool) else str(who)


def _said(said: _Json, predicted: bool) -> dict[str, object]:
    """What an annotation says of itself."""
    seconds, created = said.get("lead_time"), said.get("created_at")
    reviews = said.get("reviews")
    review = reviews[-1] if isinstance(reviews, list) and reviews and isinstance(reviews[-1], dict) else None
    by = None if review is None else _annotator({"completed_by": review.get("created_by")}, False)
    stage = "accepted" if said.get("ground_truth") is True else None if review is None else "reviewed"
    return {
        "source": "model" if predicted else None,
        "stage": stage,
        "reviewer": by,
        "created": created if isinstance(created, str) else None,
        "seconds": float(seconds) if isinstance(seconds, int | float) and seconds is not True else None,
    }
