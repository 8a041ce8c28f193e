"""Samples: convert images with their labels and findings, and load them into a dataset of FiftyOne."""

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
from segdata.report.fiftyone.finding_labels import (
    DISPUTED,
    FindingLabels,
    LoggedDecisions,
    encode_decisions,
    encode_findings,
    proposal_labels,
    severity_counts,
)
from segdata.report.fiftyone.media_files import AnnotationMasks
from segdata.report.fiftyone.segment_labels import (
    ATTRIBUTES,
    DECISION_ATTRIBUTES,
    FINDINGS,
    LISTS,
    PROPOSALS,
    SEGMENTS,
    HeatMaps,
    Kind,
    SegmentLabels,
    comment_in_tag,
    declare_images,
    declare_labels,
    field_name,
    label_list,
    split_annotations,
    verdicts_in_tags,
)

_Stored = tuple[str, dict[str, Any]]  # id of a sample, and its values by field. Any: FiftyOne has no types
LabelsByField = dict[tuple[Kind, str | None], Any]  # (kind, annotator) -> labels. Any: FiftyOne has no types
_COLUMNS = ["split", "group", "camera", "timestamp", "sequence", "frame"]


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """One image with its fields and labels for FiftyOne."""

    image_id: str
    filepath: str  # picture to show
    width: int  # pixels; 0: unknown
    height: int  # pixels; 0: unknown
    # values of the image's fields, by name
    values: dict[str, Any]  # Any: FiftyOne has no types
    labels: LabelsByField  # (kind, annotator) -> labels; findings, proposals and disagreement have no annotator
    n_settled: int = 0  # number of decided findings
    others: tuple[Finding, ...] = ()  # findings about annotators who are not in the data, which are not shown


@dataclass(frozen=True, slots=True)
class SampleBuilder:
    """Converts batches to entries, in any thread."""

    labels: SegmentLabels
    heat: HeatMaps
    findings: Mapping[str, Sequence[Finding]]
    log: LoggedDecisions
    annotator: str | None = None  # the annotator of annotations without a name

    def entries(self, batch: Batch) -> list[SampleEntry]:
        """An entry for each image of a batch, with the labels of all annotators and its findings."""
        labels: list[LabelsByField] = [{} for _ in range(batch.images.num_rows)]
        pixels: list[list[tuple[Ints, AnnotationMasks]]] = [[] for _ in labels]
        ids = batch.images["image_id"].to_pylist()
        for image, annotator, segments, shapes in split_annotations(batch):
            if shapes.width and shapes.height:
                own_labels = self.labels.make_labels(ids[image], annotator, segments, shapes)
                labels[image] |= {(kind, annotator): label for kind, label in own_labels.items()}
                category = segments["category_id"].to_numpy()
                labels[image]["confidence", annotator] = self.heat.confidence(ids[image], category, shapes)
                pixels[image].append((category, shapes))
        rows = batch.images.select(["uri", "channels", "width", "height", *_COLUMNS]).to_pylist()
        entries = []
        for number, (image_id, row) in enumerate(zip(ids, rows, strict=True)):
            about = self.findings.get(image_id, ())
            part = batch.take_images(np.array([number])) if about else Batch.empty()
            annotators = {None, *(who or self.annotator for who in part.annotations["annotator"].to_pylist())}
            own_findings = [finding for finding in about if finding.annotator in annotators]
            labels[number]["disagreement", None] = self.heat.disagreement(pixels[number])
            findings, n_settled = self._add_findings(image_id, part, own_findings, labels[number])
            width, height = row["width"] or 0, row["height"] or 0
            first = row["channels"][0]["uri"] if row["channels"] else None
            path, note = self.labels.media.picture(row["uri"] or first, width, height)
            values = {"image_id": image_id, "picture": note, **{name: row[name] for name in _COLUMNS}, **findings}
            shown = {key: label for key, label in labels[number].items() if label is not None}
            entries.append(
                SampleEntry(
                    image_id=image_id,
                    filepath=path,
                    width=width,
                    height=height,
                    values=values,
                    labels=shown,
                    n_settled=n_settled,
                    others=tuple(finding for finding in about if finding.annotator not in annotators),
                )
            )
        return entries

    def _add_findings(
        self, image_id: str, part: Batch, findings: Sequence[Finding], labels: LabelsByField
    ) -> tuple[dict[str, Any], int]:  # Any: FiftyOne has no types
        """Add the findings of an image to its labels, and the logged decisions to all labels.

        Returns values of the image, and the number of decided findings.
        """
        # Without findings the list is empty, to distinguish "none" from "not examined".
        fo, media = self.labels.fo, self.labels.media
        marks = FindingLabels(fo, media, self.labels.profile).make_labels(image_id, part, findings) if findings else []
        labels[FINDINGS, None] = label_list("Detections", marks)
        labels[PROPOSALS, None] = proposal_labels(fo, media, findings, marks)
        id_of = {finding: str(mark["_id"]) for mark, finding in zip(marks, findings, strict=True)}
        logged = self.log.of_findings(image_id, findings, marks)
        settled = {finding for finding, decision in logged.items() if decision.verdict != "unsure"}
        decisions = {id_of[finding]: decision for finding, decision in logged.items()}
        for (kind, annotator), label in labels.items():
            if kind in SEGMENTS and label is not None:
                decisions |= self.log.of_segments(image_id, annotator, label[LISTS[kind]])
        undecided = [finding for finding in findings if finding not in settled]
        stored = {str(mark["_id"]): finding for mark, finding in zip(marks, findings, strict=True)}
        texts = {"put_in": encode_findings(stored), "logged": encode_decisions(decisions)}
        return texts | severity_counts(undecided), len(findings) - len(undecided)


_OLD_TAGS = {*SEVERITIES, DISPUTED}  # our own tags, which may be outdated
_INFO_KEY = "segdata"  # the key of `Dataset.info` that marks our datasets
_BUILT_IN = {
    *("attributes", "label", "bounding_box", "mask", "mask_path", "confidence", "index", "instance", "id", "tags"),
    *("points", "closed", "filled"),
}


def open_dataset(fo: Any, name: str, origin: str) -> Any:  # Any: FiftyOne has no types
    """The dataset of this name made from the data at `origin`; a new one if there is none.

    Raises SegdataError if the name belongs to another dataset.
    """
    if not fo.dataset_exists(name):
        try:
            dataset = fo.Dataset(name, persistent=True)
        except ValueError as error:
            raise SegdataError(
                f"FiftyOne does not accept the dataset name {name!r}: {error}; choose another with --name"
            ) from error
        dataset.info[_INFO_KEY] = {"data": origin}
        dataset.save()
        return dataset
    dataset = fo.load_dataset(name)
    info = dataset.info.get(_INFO_KEY)
    if info is None:
        raise SegdataError(f"FiftyOne already has a dataset {name!r} that segdata did not make; choose another --name")
    if info.get("data") != origin:
        raise SegdataError(f"FiftyOne already has a dataset {name!r} of {info.get('data')}; choose another --name")
    return dataset


def stored_info(dataset: Any, name: str) -> Any:  # Any: whatever `Loader.tell` was given
    """The stored origin of a dataset; None: nothing is stored."""
    return (dataset.info.get(_INFO_KEY) or {}).get(name)


@dataclass
class SampleLoader:
    """Loads entries into a dataset.

    Ids of labels are hashes of their content, so tags, foreign fields and foreign attributes survive an update.
    Verdicts come only from the log of the data.

    `fo`: the package; `dataset`: the dataset to fill; `fields`: name -> (kind, annotator) of the label fields so far.
    """

    fo: Any  # Any: FiftyOne has no types
    dataset: Any  # Any: as above
    fields: dict[str, tuple[Kind, str | None]] = field(default_factory=dict)
    _id_counts: Counter[str] = field(default_factory=Counter)
    _sample_ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        declare_images(self.fo, self.dataset)
        self._sample_ids = dict(zip(*self.dataset.values(["image_id", "id"]), strict=True))
        self._field("findings", None)

    def load(self, entries: Sequence[SampleEntry]) -> None:
        """Add or update images."""
        fresh, old = [], []
        for entry in entries:
            self._id_counts[entry.image_id] += 1
            times = self._id_counts[entry.image_id]
            key = entry.image_id if times == 1 else f"{entry.image_id} ({times})"
            values = self._values(entry) | {"image_id": key}
            if key in self._sample_ids:
                old.append((self._sample_ids.pop(key), values))
            else:
                fresh.append(values)
        if old:
            self._keep([id_ for id_, _ in old], [values for _, values in old])
        self._set(old, list(zip(self._add_images(fresh), fresh, strict=True)))

    def finish(self, *, is_part: bool = False) -> None:
        """Remove images and fields that the data no longer has; nothing if only a part was loaded."""
        before = [row for row in self.load_stored("fields") or () if row["name"] not in self.fields]
        if is_part:
            self.fields |= {row["name"]: (row["kind"], row["annotator"]) for row in before}
        else:
            self.dataset.delete_samples(list(self._sample_ids.values()))
            gone = [row["name"] for row in before if self.dataset.has_sample_field(row["name"])]
            self.dataset.delete_sample_fields(gone)
        fields = self.fields.items()
        self.store(fields=[{"name": name, "kind": kind, "annotator": annotator} for name, (kind, annotator) in fields])

    def store(self, **more: object) -> None:
        """Store more about the origin of the dataset in its `info`."""
        self.dataset.info[_INFO_KEY].update(more)
        self.dataset.save()

    def load_stored(self, name: str) -> Any:  # Any: whatever `store` was given
        """The values that `store` stored the last time; None: nothing is stored."""
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

    def _add_images(self, fresh: list[dict[str, Any]]) -> list[str]:  # Any: FiftyOne has no types
        """Add images without their labels, and return their ids.

        With labels FiftyOne would parse again what it has just written. The samples are released here, since FiftyOne
        reloads all living samples after every change.
        """
        if not fresh:
            return []
        bare = [self.fo.Sample(filepath=values["filepath"], metadata=values["metadata"]) for values in fresh]
        ids: list[str] = self.dataset.add_samples(bare, progress=False)
        del bare
        gc.collect()
        return ids

    def _set(self, old: Sequence[_Stored], fresh: Sequence[_Stored]) -> None:
        """Set the values of images field by field; values that an old image no longer has become None.

        A new image has None in every field, so fields that only new images lack are not written: half of the updates.
        """
        images = [*old, *fresh]
        view = self.dataset.select([id_ for id_, _ in images], ordered=True)
        names = {name for _, values in images for name in values} | self.fields.keys()
        for name in sorted(names):
            column = [values.get(name) for _, values in images]
            if old or any(value is not None for value in column):
                view.set_values(name, column, expand_schema=False, validate=False)

    def _keep(self, ids: list[str], images: list[dict[str, Any]]) -> None:  # Any: FiftyOne has no types
        """Copy tags and foreign attributes from the old labels of images, by their ids, to the new ones."""
        view = self.dataset.select(ids, ordered=True)
        for name, (kind, _) in self.fields.items():
            if kind in LISTS:
                self._keep_field(view, name, kind, [values.get(name) for values in images])

    def _keep_field(self, view: Any, name: str, kind: Kind, labels: Iterable[Any]) -> None:
        path = f"{name}.{LISTS[kind]}"
        paths = self.dataset.get_field_schema(flat=True)
        present = {field.removeprefix(f"{path}.") for field in paths if field.startswith(f"{path}.")}
        ours = ATTRIBUTES[kind].keys() | DECISION_ATTRIBUTES.keys() | _BUILT_IN
        foreign = sorted(field for field in present - ours if "." not in field)
        columns = view.values([f"{path}.{field}" for field in ("id", "tags", *foreign)])
        for new, (ids, tags, *more) in zip(labels, zip(*columns, strict=True), strict=True):
            if new is None or not ids:
                continue
            before = {id_: (own_tags, rest) for id_, own_tags, *rest in zip(ids, tags, *more, strict=True)}
            for label in new[LISTS[kind]]:
                if (id_ := str(label["_id"])) in before:
                    own_tags, rest = before[id_]
                    _carry(label, own_tags or (), dict(zip(foreign, rest, strict=True)))


def _carry(label: dict[str, Any], tags: Sequence[str], more: dict[str, Any]) -> None:
    """Copy tags and foreign attributes to a label. Any: FiftyOne has no types.

    A single verdict with its comment is not copied: it is in the log, and the label already has the valid decision.
    """
    if len(verdicts_in_tags(tags)) == 1:
        tags = [tag for tag in tags if not verdicts_in_tags([tag]) and comment_in_tag(tag) is None]
    label["tags"] += [tag for tag in tags if tag not in label["tags"] and tag not in _OLD_TAGS]
    label |= {attribute: value for attribute, value in more.items() if value is not None}
