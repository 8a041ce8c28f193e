"""Samples: the images of a batch with all that FiftyOne is to show of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Finding
from segdata.report.fiftyone.fields import FINDINGS, Kind
from segdata.report.fiftyone.labels import Labels, annotations
from segdata.report.fiftyone.marks import Marks, judged

_COLUMNS = ["split", "group", "camera", "timestamp", "sequence", "frame"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One image.

    Attributes
    ----------
    image_id : of the image
    filepath : the picture to show
    width, height : in pixels; 0: unknown
    values : of the image's own fields, by their names
    labels : (kind, annotator) -> the labels; findings are of no annotator
    """

    image_id: str
    filepath: str
    width: int
    height: int
    values: dict[str, Any]  # Any: FiftyOne has no types
    labels: dict[tuple[Kind, str | None], Any]


@dataclass(frozen=True, slots=True)
class Entries:
    """Makes entries of batches, in any thread."""

    labels: Labels
    findings: Mapping[str, Sequence[Finding]]

    def of(self, batch: Batch) -> list[Entry]:
        """An entry for each image of a batch, with everybody's labels and its findings."""
        drawn: list[dict[tuple[Kind, str | None], Any]] = [{} for _ in range(batch.images.num_rows)]
        ids = batch.images["image_id"].to_pylist()
        for image, annotator, segments, shapes in annotations(batch):
            if shapes.width and shapes.height:
                made = self.labels.of(ids[image], annotator, segments, shapes)
                drawn[image] |= {(kind, annotator): label for kind, label in made.items()}
        rows = batch.images.select(["uri", "channels", "width", "height", *_COLUMNS]).to_pylist()
        marks = Marks(self.labels.fo, self.labels.shelf)
        found = []
        for number, (image_id, row) in enumerate(zip(ids, rows, strict=True)):
            about = self.findings.get(image_id, ())
            # Without findings there is an empty list, so that "none" can be told from "not looked for".
            part = batch.take_images(np.array([number])) if about else Batch.empty()
            drawn[number][FINDINGS, None] = marks.of(image_id, part, about) if about else self._none()
            found.append(self._entry(image_id, row, about, drawn[number]))
        return found

    def _none(self) -> Any:  # Any: FiftyOne has no types
        return self.labels.fo.Detections(detections=[])

    def _entry(
        self, image_id: str, row: dict[str, Any], about: Sequence[Finding], drawn: dict[tuple[Kind, str | None], Any]
    ) -> Entry:
        first = row["channels"][0]["uri"] if row["channels"] else None
        width, height = row["width"] or 0, row["height"] or 0
        path, note = self.labels.shelf.picture(row["uri"] or first, width, height)
        own = {name: row[name] for name in _COLUMNS}
        values = {"image_id": image_id, "picture": note, **own, **judged(about)}
        return Entry(image_id, path, width, height, values, drawn)
