"""Loading: entries into a dataset of FiftyOne, new images added and known ones brought up to date."""

import gc
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from segdata.core.errors import SegdataError
from segdata.core.finding import SEVERITIES
from segdata.report.fiftyone.fields import (
    ATTRIBUTES,
    DECIDED,
    LISTS,
    Kind,
    comment_in,
    declare,
    declare_images,
    field_name,
    verdicts,
)
from segdata.report.fiftyone.logged import DISPUTED
from segdata.report.fiftyone.samples import Entry

_OF_THEN = {*SEVERITIES, DISPUTED}  # tags of ours that may not be right any more
_MARK = "segdata"  # the key of `Dataset.info` by which our datasets are known
_EMBEDDED = {
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


def opened(fo: Any, name: str, origin: str) -> Any:  # Any: FiftyOne has no types
    """The dataset of this name that was made of the data at `origin`, new where there is none.

    Raises SegdataError where the name belongs to something else.
    """
    if not fo.dataset_exists(name):
        try:
            dataset = fo.Dataset(name, persistent=True)
        except ValueError as error:
            raise SegdataError(f"FiftyOne cannot call a dataset {name!r}: {error}; --name gives it another") from error
        dataset.info[_MARK] = {"data": origin}
        dataset.save()
        return dataset
    dataset = fo.load_dataset(name)
    told = dataset.info.get(_MARK)
    if told is None:
        raise SegdataError(f"FiftyOne has a dataset {name!r} already, and it is not of segdata; --name gives another")
    if told.get("data") != origin:
        raise SegdataError(f"FiftyOne has a dataset {name!r} already, of {told.get('data')}; --name gives another")
    return dataset


def told(dataset: Any, name: str) -> Any:  # Any: whatever `Loader.tell` was given
    """What is kept about where a dataset is from; None: nothing."""
    return (dataset.info.get(_MARK) or {}).get(name)


@dataclass
class Loader:
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

    def load(self, entries: Sequence[Entry]) -> None:
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
        self.dataset.info[_MARK].update(more)
        self.dataset.save()

    def told(self, name: str) -> Any:  # Any: whatever `tell` was given
        """What `tell` kept the last time; None: nothing."""
        return told(self.dataset, name)

    def _field(self, kind: Kind, annotator: str | None) -> str:
        name = field_name(kind, annotator)
        if name not in self.fields:
            declare(self.fo, self.dataset, name, kind)
            self.fields[name] = (kind, annotator)
        return name

    def _values(self, entry: Entry) -> dict[str, Any]:  # Any: FiftyOne has no types
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
        ours = ATTRIBUTES[kind].keys() | DECIDED.keys() | _EMBEDDED
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
    if len(verdicts(tags)) == 1:
        tags = [tag for tag in tags if not verdicts([tag]) and comment_in(tag) is None]
    label["tags"] += [tag for tag in tags if tag not in label["tags"] and tag not in _OF_THEN]
    label |= {attribute: value for attribute, value in more.items() if value is not None}
