"""Samples: the images of a batch with all that FiftyOne is to show of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Finding
from segdata.core.runs import Ints
from segdata.report.fiftyone import logged
from segdata.report.fiftyone.documents import documents
from segdata.report.fiftyone.fields import FINDINGS, LISTS, PROPOSALS, SEGMENTS, Kind
from segdata.report.fiftyone.heat import Heat
from segdata.report.fiftyone.labels import Labels, annotations
from segdata.report.fiftyone.marks import Marks, judged
from segdata.report.fiftyone.masks import Drawn
from segdata.report.fiftyone.proposals import proposals
from segdata.report.fiftyone.put_in import written

Shown = dict[tuple[Kind, str | None], Any]  # (kind, annotator) -> labels. Any: FiftyOne has no types
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
    labels : (kind, annotator) -> the labels; findings, proposals and disagreement are of no annotator
    n_settled : how many of its findings reviewers have decided
    """

    image_id: str
    filepath: str
    width: int
    height: int
    values: dict[str, Any]  # Any: FiftyOne has no types
    labels: Shown
    n_settled: int = 0


@dataclass(frozen=True, slots=True)
class _Judged:
    """What an image's findings come to: as texts for `review pull`, and those that nobody has decided."""

    put_in: str
    logged: str | None
    open: list[Finding]
    n_settled: int


@dataclass(frozen=True, slots=True)
class Entries:
    """Makes entries of batches, in any thread."""

    labels: Labels
    heat: Heat
    findings: Mapping[str, Sequence[Finding]]
    log: logged.Logged

    def of(self, batch: Batch) -> list[Entry]:
        """An entry for each image of a batch, with everybody's labels and its findings."""
        drawn: list[Shown] = [{} for _ in range(batch.images.num_rows)]
        pixels: list[list[tuple[Ints, Drawn]]] = [[] for _ in drawn]
        ids = batch.images["image_id"].to_pylist()
        for image, annotator, segments, shapes in annotations(batch):
            if shapes.width and shapes.height:
                made = self.labels.of(ids[image], annotator, segments, shapes)
                drawn[image] |= {(kind, annotator): label for kind, label in made.items()}
                category = segments["category_id"].to_numpy()
                drawn[image]["confidence", annotator] = self.heat.confidence(ids[image], category, shapes)
                pixels[image].append((category, shapes))
        rows = batch.images.select(["uri", "channels", "width", "height", *_COLUMNS]).to_pylist()
        found = []
        for number, (image_id, row) in enumerate(zip(ids, rows, strict=True)):
            about = self.findings.get(image_id, ())
            part = batch.take_images(np.array([number])) if about else Batch.empty()
            drawn[number]["disagreement", None] = self.heat.disagreement(pixels[number])
            told = self._judge(image_id, part, about, drawn[number])
            found.append(self._entry(image_id, row, told, drawn[number]))
        return found

    def _judge(self, image_id: str, part: Batch, about: Sequence[Finding], drawn: Shown) -> _Judged:
        """Add the findings about an image to what is shown of it, and to all labels what the log says of them."""
        # Without findings there is an empty list, so that "none" can be told from "not looked for".
        fo, shelf = self.labels.fo, self.labels.shelf
        marks = Marks(fo, shelf, self.labels.profile).of(image_id, part, about) if about else []
        drawn[FINDINGS, None] = documents("Detections", marks)
        drawn[PROPOSALS, None] = proposals(fo, shelf, about, marks)
        id_of = {finding: str(mark["_id"]) for mark, finding in zip(marks, about, strict=True)}
        said = self.log.of_findings(image_id, about, marks)
        settled = {finding for finding, word in said.items() if word.verdict != "unsure"}
        words = {id_of[finding]: word for finding, word in said.items()}
        for (kind, annotator), labels in drawn.items():
            if kind in SEGMENTS and labels is not None:
                words |= self.log.of_segments(image_id, annotator, labels[LISTS[kind]])
        return _Judged(
            put_in=written({str(mark["_id"]): finding for mark, finding in zip(marks, about, strict=True)}),
            logged=logged.written(words),
            open=[each for each in about if each not in settled],
            n_settled=sum(each in settled for each in about),
        )

    def _entry(self, image_id: str, row: dict[str, Any], told: _Judged, drawn: Shown) -> Entry:
        first = row["channels"][0]["uri"] if row["channels"] else None
        width, height = row["width"] or 0, row["height"] or 0
        path, note = self.labels.shelf.picture(row["uri"] or first, width, height)
        own = {name: row[name] for name in _COLUMNS}
        kept = {"put_in": told.put_in, "logged": told.logged}
        values = {"image_id": image_id, "picture": note, **kept, **own, **judged(told.open)}
        shown = {key: label for key, label in drawn.items() if label is not None}
        return Entry(image_id, path, width, height, values, shown, told.n_settled)
