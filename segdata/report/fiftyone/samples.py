"""Samples: images with all that FiftyOne shows of them, and loading them into a dataset of FiftyOne."""

import gc
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.finding import SEVERITIES, Finding
from segdata.core.runs import Ints
from segdata.report.fiftyone import stored_findings
from segdata.report.fiftyone.fields import (
    ATTRIBUTES,
    DECISION_ATTRIBUTES,
    FINDINGS,
    LISTS,
    PROPOSALS,
    SEGMENTS,
    Kind,
    comment_in_tag,
    declare_images,
    declare_labels,
    field_name,
    label_list,
    verdicts_in_tags,
)
from segdata.report.fiftyone.finding_labels import FindingLabels, proposal_labels, severity_counts
from segdata.report.fiftyone.masks import AnnotationMasks
from segdata.report.fiftyone.segment_labels import HeatMaps, SegmentLabels, split_annotations
from segdata.report.fiftyone.stored_findings import DISPUTED, encode_findings

LabelsByField = dict[tuple[Kind, str | None], Any]  # (kind, annotator) -> labels. Any: FiftyOne has no types
_COLUMNS = ["split", "group", "camera", "timestamp", "sequence", "frame"]


@dataclass(frozen=True, slots=True)
class SampleEntry:
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
    labels: LabelsByField
    n_settled: int = 0


@dataclass(frozen=True, slots=True)
class _FindingSummary:
    """What an image's findings come to: as texts for `review pull`, and those that nobody has decided."""

    put_in: str
    logged: str | None
    open: list[Finding]
    n_settled: int


@dataclass(frozen=True, slots=True)
class SampleBuilder:
    """Makes entries of batches, in any thread."""

    labels: SegmentLabels
    heat: HeatMaps
    findings: Mapping[str, Sequence[Finding]]
    log: stored_findings.LoggedDecisions

    def of(self, batch: Batch) -> list[SampleEntry]:
        """An entry for each image of a batch, with everybody's labels and its findings."""
        drawn: list[LabelsByField] = [{} for _ in range(batch.images.num_rows)]
        pixels: list[list[tuple[Ints, AnnotationMasks]]] = [[] for _ in drawn]
        ids = batch.images["image_id"].to_pylist()
        for image, annotator, segments, shapes in split_annotations(batch):
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

    def _judge(self, image_id: str, part: Batch, about: Sequence[Finding], drawn: LabelsByField) -> _FindingSummary:
        """Add the findings about an image to what is shown of it, and to all labels what the log says of them."""
        # Without findings there is an empty list, so that "none" can be told from "not looked for".
        fo, shelf = self.labels.fo, self.labels.shelf
        marks = FindingLabels(fo, shelf, self.labels.profile).of(image_id, part, about) if about else []
        drawn[FINDINGS, None] = label_list("Detections", marks)
        drawn[PROPOSALS, None] = proposal_labels(fo, shelf, about, marks)
        id_of = {finding: str(mark["_id"]) for mark, finding in zip(marks, about, strict=True)}
        said = self.log.of_findings(image_id, about, marks)
        settled = {finding for finding, word in said.items() if word.verdict != "unsure"}
        words = {id_of[finding]: word for finding, word in said.items()}
        for (kind, annotator), labels in drawn.items():
            if kind in SEGMENTS and labels is not None:
                words |= self.log.of_segments(image_id, annotator, labels[LISTS[kind]])
        return _FindingSummary(
            put_in=encode_findings({str(mark["_id"]): finding for mark, finding in zip(marks, about, strict=True)}),
            logged=stored_findings.encode_decisions(words),
            open=[each for each in about if each not in settled],
            n_settled=sum(each in settled for each in about),
        )

    def _entry(self, image_id: str, row: dict[str, Any], told: _FindingSummary, drawn: LabelsByField) -> SampleEntry:
        first = row["channels"][0]["uri"] if row["channels"] else None
        width, height = row["width"] or 0, row["height"] or 0
        path, note = self.labels.shelf.picture(row["uri"] or first, width, height)
        own = {name: row[name] for name in _COLUMNS}
        kept = {"put_in": told.put_in, "logged": told.logged}
        values = {"image_id": image_id, "picture": note, **kept, **own, **severity_counts(told.open)}
        shown = {key: label for key, label in drawn.items() if label is not None}
        return SampleEntry(image_id, path, width, height, values, shown, told.n_settled)


_OLD_TAGS = {*SEVERITIES, DISPUTED}  # tags of ours that may not be right any more
_INFO_KEY = "segdata"  # the key of `Dataset.info` by which our datasets are known
_BUILT_IN = {
    "attributes",
    "label",
    "bounding_box",
    "mask",
    "mask_path",
    "confidence",
    "index",
    "instance",
    "id",
    "tags",
    "points",
    "closed",
    "filled",
}


def open_dataset(fo: Any, name: str, origin: str) -> Any:  # Any: FiftyOne has no types
    """The dataset of this name that was made of the data at `origin`, new where there is none.

    Raises SegdataError where the name belongs to something else.
    """
    if not fo.dataset_exists(name):
        try:
            dataset = fo.Dataset(name, persistent=True)
        except ValueError as error:
            raise SegdataError(f"FiftyOne cannot call a dataset {name!r}: {error}; --name gives it another") from error
        dataset.info[_INFO_KEY] = {"data": origin}
        dataset.save()
        return dataset
    dataset = fo.load_dataset(name)
    told = dataset.info.get(_INFO_KEY)
    if told is None:
        raise SegdataError(f"FiftyOne has a dataset {name!r} already, and it is not of segdata; --name gives another")
    if told.get("data") != origin:
        raise SegdataError(f"FiftyOne has a dataset {name!r} already, of {told.get('data')}; --name gives another")
    return dataset


def stored_info(dataset: Any, name: str) -> Any:  # Any: whatever `Loader.tell` was given
    """What is kept about where a dataset is from; None: nothing."""
    return (dataset.info.get(_INFO_KEY) or {}).get(name)


@dataclass
class SampleLoader:
    """Puts entries into a dataset.

    Ids of labels follow from what they are, so whatever a person tagged is tagged after the next time, too; so is what
    other fields and other attributes of labels say. Verdicts come from the log of the data, and from nowhere else.

    Attributes
    ----------
    fo : the package
    dataset : what is filled
    fields : name -> (kind, annotator) of the fields of labels met so far
    """

    fo: Any  # Any: FiftyOne has no types
    dataset: Any  # Any: as above
    fields: dict[str, tuple[Kind, str | None]] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)
    _known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        declare_images(self.fo, self.dataset)
        self._known = dict(zip(*self.dataset.values(["image_id", "id"]), strict=True))
        self._field("findings", None)

    def load(self, entries: Sequence[SampleEntry]) -> None:
        """Add or update images."""
        fresh, old = [], []
        for entry in entries:
            self._seen[entry.image_id] += 1
            times = self._seen[entry.image_id]
            key = entry.image_id if times == 1 else f"{entry.image_id} ({times})"
            values = self._values(entry) | {"image_id": key}
            if key in self._known:
                old.append((self._known.pop(key), values))
            else:
                fresh.append(values)
        if old:
            self._keep([id_ for id_, _ in old], [values for _, values in old])
        self._set([*old, *zip(self._added(fresh), fresh, strict=True)])

    def finish(self, *, is_part: bool = False) -> None:
        """Remove images and fields that the data has no more; nothing where only a part of it was loaded."""
        before = [row for row in self.told("fields") or () if row["name"] not in self.fields]
        if is_part:
            self.fields |= {row["name"]: (row["kind"], row["annotator"]) for row in before}
        else:
            self.dataset.delete_samples(list(self._known.values()))
            gone = [row["name"] for row in before if self.dataset.has_sample_field(row["name"])]
            self.dataset.delete_sample_fields(gone)
        fields = self.fields.items()
        self.tell(fields=[{"name": name, "kind": kind, "annotator": who} for name, (kind, who) in fields])

    def tell(self, **more: object) -> None:
        """Keep more about where the dataset is from in its `info`."""
        self.dataset.info[_INFO_KEY].update(more)
        self.dataset.save()

    def told(self, name: str) -> Any:  # Any: whatever `tell` was given
        """What `tell` kept the last time; None: nothing."""
        return stored_info(self.dataset, name)

    def _field(self, kind: Kind, annotator: str | None) -> str:
        name = field_name(kind, annotator)
        if name not in self.fields:
            declare_labels(self.fo, self.dataset, name, kind)
            self.fields[name] = (kind, annotator)
        return name

    def _values(self, entry: SampleEntry) -> dict[str, Any]:  # Any: FiftyOne has no types
        metadata = self.fo.ImageMetadata(width=entry.width, height=entry.height) if entry.width else None
        labels = {self._field(*key): label for key, label in entry.labels.items()}
        return {"filepath": entry.filepath, "metadata": metadata, **entry.values, **labels}

    def _added(self, fresh: list[dict[str, Any]]) -> list[str]:  # Any: FiftyOne has no types
        """Add images without their labels, and give their ids.

        With labels FiftyOne would make documents of what it has just written. The samples end with this function, and
        cycles among them by the collector: those that live are read again after whatever is set.
        """
        if not fresh:
            return []
        bare = [self.fo.Sample(filepath=each["filepath"], metadata=each["metadata"]) for each in fresh]
        ids: list[str] = self.dataset.add_samples(bare, progress=False)
        del bare
        gc.collect()
        return ids

    def _set(self, images: list[tuple[str, dict[str, Any]]]) -> None:  # Any: FiftyOne has no types
        """Give images, by their ids, their values, field by field; what an image has no more becomes none."""
        view = self.dataset.select([id_ for id_, _ in images], ordered=True)
        names = {name for _, values in images for name in values} | self.fields.keys()
        for name in sorted(names):
            column = [values.get(name) for _, values in images]
            view.set_values(name, column, expand_schema=False, validate=False)

    def _keep(self, ids: list[str], images: list[dict[str, Any]]) -> None:  # Any: FiftyOne has no types
        """Give the new labels of images, by their ids, what people said of the same ones before."""
        view = self.dataset.select(ids, ordered=True)
        for name, (kind, _) in self.fields.items():
            if kind in LISTS:
                self._keep_field(view, name, kind, [values.get(name) for values in images])

    def _keep_field(self, view: Any, name: str, kind: Kind, labels: Iterable[Any]) -> None:
        """The same for one field: tags, and attributes that are not ours. Any: FiftyOne has no types."""
        path = f"{name}.{LISTS[kind]}"
        every = self.dataset.get_field_schema(flat=True)
        there = {each.removeprefix(f"{path}.") for each in every if each.startswith(f"{path}.")}
        ours = ATTRIBUTES[kind].keys() | DECISION_ATTRIBUTES.keys() | _BUILT_IN
        foreign = sorted(each for each in there - ours if "." not in each)
        columns = view.values([f"{path}.{each}" for each in ("id", "tags", *foreign)])
        for new, (ids, tags, *more) in zip(labels, zip(*columns, strict=True), strict=True):
            if new is None or not ids:
                continue
            before = {id_: (mine, rest) for id_, mine, *rest in zip(ids, tags, *more, strict=True)}
            for label in new[LISTS[kind]]:
                if (id_ := str(label["_id"])) in before:
                    mine, rest = before[id_]
                    _carry(label, mine or (), dict(zip(foreign, rest, strict=True)))


def _carry(label: dict[str, Any], tags: Sequence[str], more: dict[str, Any]) -> None:
    """Give a label what people said of the same one before. Any: FiftyOne has no types.

    But for one verdict, with its comment: that is in the log, and the label says already what still holds of it.
    """
    if len(verdicts_in_tags(tags)) == 1:
        tags = [tag for tag in tags if not verdicts_in_tags([tag]) and comment_in_tag(tag) is None]
    label["tags"] += [tag for tag in tags if tag not in label["tags"] and tag not in _OLD_TAGS]
    label |= {attribute: value for attribute, value in more.items() if value is not None}
