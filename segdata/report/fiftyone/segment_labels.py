"""Segments as labels of FiftyOne: the fields of samples, masks in the database or in files, and heat maps."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from segdata.core.batch import Batch
from segdata.core.finding import VERDICTS, Verdict
from segdata.core.label_hash import hash_each_segment
from segdata.core.profile import Profile
from segdata.core.runs import Flags, Floats, Ints
from segdata.report.fiftyone.media_files import AnnotationMasks, Map, MapValues, Mask, MediaFiles, relative_boxes

Kind = Literal["map", "segments", "outlines", "findings", "proposals", "confidence", "disagreement"]
FINDINGS: Kind = "findings"
PROPOSALS: Kind = "proposals"
HEAT: tuple[Kind, ...] = ("confidence", "disagreement")
LISTS: Mapping[str, str] = {
    "segments": "detections",
    "outlines": "polylines",
    "findings": "detections",
    "proposals": "detections",
}
CLASSES: Mapping[str, str] = {
    "map": "Segmentation",
    "segments": "Detections",
    "outlines": "Polylines",
    "findings": "Detections",
    "proposals": "Detections",
    **dict.fromkeys(HEAT, "Heatmap"),
}
_SEGMENT_ATTRIBUTES = {
    "segment_id": "StringField",
    "category_id": "IntField",
    "iscrowd": "BooleanField",
    "source": "StringField",
    "imprint": "StringField",
}
DECISION_ATTRIBUTES: Mapping[str, str] = dict.fromkeys(
    ("verdict", "reviewer", "decided", "comment", "disputed"), "StringField"
)
"""Attributes of decided labels, beside the verdict as a tag; `disputed` lists the verdicts of a dispute."""
SEGMENTS: tuple[Kind, ...] = ("segments", "outlines")
DECIDABLE: tuple[Kind, ...] = (FINDINGS, *SEGMENTS)
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "map": {},
    "segments": {**_SEGMENT_ATTRIBUTES, "area": "IntField", "track_id": "IntField"},
    "outlines": _SEGMENT_ATTRIBUTES,
    "findings": {
        "code": "StringField",
        "rule": "StringField",
        "severity": "StringField",
        "score": "FloatField",
        "score_low": "FloatField",
        "score_high": "FloatField",
        "message": "StringField",
        "annotator": "StringField",
        "category": "StringField",
        "segment_ids": "ListField",
        "pixels": "IntField",
        "place": "StringField",
        "proposal": "StringField",
        "imprint": "StringField",
    },
    "proposals": {"finding": "StringField", "action": "StringField", "category": "StringField"},
    "confidence": {},
    "disagreement": {},
}
IMAGE_FIELDS: Mapping[str, str] = {
    "image_id": "StringField",
    "worst": "StringField",
    "codes": "ListField",
    "errors": "IntField",
    "warnings": "IntField",
    "infos": "IntField",
    "picture": "StringField",
    "split": "StringField",
    "group": "StringField",
    "camera": "StringField",
    "timestamp": "StringField",
    "sequence": "StringField",
    "frame": "IntField",
    "put_in": "StringField",
    "logged": "StringField",
}


def field_name(kind: Kind, annotator: str | None) -> str:
    """The field of an annotator's labels; characters that a field name cannot have become `_` and a hash of the name.

    >>> field_name("segments", None), field_name("segments", "anna"), field_name("map", "a.b")
    ('segments', 'segments_anna', 'map_a_b_cd02')
    """
    if annotator is None:
        return kind
    plain = re.sub(r"[^0-9A-Za-z_]", "_", annotator)
    mark = "" if plain == annotator else f"_{blake2b(annotator.encode(), digest_size=2).hexdigest()}"
    return f"{kind}_{plain}{mark}"


def label_id(*words: object) -> str:
    """The id of a label, 24 hexadecimal digits; the same words give the same id, so that tags stay."""
    text = "\0".join(map(str, words))
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def verdicts_in_tags(tags: Iterable[str]) -> set[Verdict]:
    """The verdicts among tags, in upper or lower case.

    >>> sorted(verdicts_in_tags(["SEG106", "Reject ", "accept"]))
    ['accept', 'reject']
    """
    typed = {tag.strip().lower() for tag in tags}
    return {verdict for verdict in VERDICTS if verdict in typed}


def comment_in_tag(tag: str) -> str | None:
    """The comment in a tag; None if it is not a comment.

    >>> comment_in_tag("Comment: glass in front")
    'glass in front'
    """
    begin, colon, comment = tag.partition(":")
    return comment.strip() if colon and begin.strip().lower() == "comment" else None


def declare_labels(fo: Any, dataset: Any, name: str, kind: Kind) -> None:  # Any: FiftyOne has no types
    """Add a field of labels to a dataset with all its attributes, if it does not exist."""
    if not dataset.has_sample_field(name):
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=getattr(fo, CLASSES[kind]))
    people = DECISION_ATTRIBUTES if kind in DECIDABLE else {}
    attributes = {**ATTRIBUTES[kind], **people}.items()
    _add_fields(fo, dataset, {f"{name}.{LISTS[kind]}.{attribute}": type_ for attribute, type_ in attributes})


def declare_images(fo: Any, dataset: Any) -> None:  # Any: FiftyOne has no types
    """Add the fields of images to a dataset."""
    _add_fields(fo, dataset, IMAGE_FIELDS)


def _add_fields(fo: Any, dataset: Any, types: Mapping[str, str]) -> None:  # Any: FiftyOne has no types
    """Add the fields that a dataset lacks, by path.

    Its method for one field reads the whole dataset document again, a third of the time to load 500 images.
    """
    missing = {path: type_ for path, type_ in types.items() if dataset.get_field(path) is None}
    schema = {
        path: fo.ListField(fo.StringField()) if type_ == "ListField" else getattr(fo, type_)()
        for path, type_ in missing.items()
    }
    if schema:
        dataset._merge_sample_field_schema(schema)


def label_document(fo: Any, kind: str, id_: str, **values: Any) -> dict[str, Any]:  # Any: FiftyOne has no types
    """A ``Detection`` or ``Polyline`` with these attributes; None is left out, a mask is packed."""
    from bson import ObjectId  # comes with FiftyOne's database

    attributes = {name: value for name, value in values.items() if value is not None}
    if "mask" in attributes:
        attributes["mask"] = fo.core.utils.serialize_numpy_array(attributes["mask"])
    return {"_id": ObjectId(id_), "_cls": kind, "attributes": {}, "tags": [], **attributes}


def label_list(kind: str, labels: list[dict[str, Any]]) -> dict[str, Any]:  # Any: as above
    """The ``Detections`` or ``Polylines`` of an image."""
    return {"_cls": kind, kind.lower(): labels}


MAX_INLINE_MASKS = 300  # masks of an image stored in the database; with more, each is a file
_MAX_INLINE_PIXELS = 2**24  # of the masks of an image that are stored in the database
_COLUMNS = ["segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "source", "rings"]


def fits_inline(masks: Sequence[Mask]) -> bool:
    """Whether the masks of an image are few and small enough for its document in the database, of at most 16 MB."""
    return len(masks) <= MAX_INLINE_MASKS and sum(mask.size for mask in masks) <= _MAX_INLINE_PIXELS


@dataclass(frozen=True)
class SegmentLabels:
    """Converts segments to labels."""

    # the package
    fo: Any  # Any: FiftyOne has no types
    profile: Profile  # profile of the dataset
    targets: MapValues  # values of categories on maps
    media: MediaFiles  # mask files

    def make_labels(
        self, image_id: str, annotator: str | None, segments: pa.Table, masks: AnnotationMasks
    ) -> dict[Kind, Any]:
        """The labels of an annotation by the kind of their field; an annotation without segments has empty ones.

        Outlines exist only if the source has polygons. Any: FiftyOne has no types.
        """
        rows = segments.select(_COLUMNS).to_pylist()
        category = np.array([row["category_id"] for row in rows], np.int64)
        called = {id_: self.profile.name_of(id_) for id_ in set(category.tolist())}
        names = [called[id_] for id_ in category.tolist()]
        for row, name, label_hash in zip(rows, names, hash_each_segment(masks.runs, names), strict=True):
            row |= {"name": name, "imprint": label_hash}
        ids = self._ids(image_id, annotator, rows)
        on_map, single = self.targets.split(category)
        labels: dict[Kind, Any] = {}
        if self.profile.task != "instance":
            painted, hidden = masks.map(self.targets.values(category), on_map)
            map_id = label_id(image_id, field_name("map", annotator))
            labels["map"] = self.fo.Segmentation(id=map_id, mask_path=self.media.mask(painted))
            single = np.sort(np.concatenate([single, hidden]))
        if self.profile.task != "semantic" or len(single):
            labels["segments"] = label_list("Detections", self._detections(rows, ids, masks, single))
        outlines = [self._outline(row, id_, masks) for row, id_ in zip(rows, ids, strict=True) if row["rings"]]
        if outlines:
            labels["outlines"] = label_list("Polylines", outlines)
        return labels

    def _ids(self, image_id: str, annotator: str | None, rows: list[dict[str, Any]]) -> list[str]:
        """Ids from image, annotator and segment, numbered if an id is repeated."""
        n_seen: Counter[str] = Counter()
        ids = []
        for row in rows:
            own_id = _own_id(row)
            n_seen[own_id] += 1
            ids.append(label_id(image_id, field_name("segments", annotator), own_id, n_seen[own_id]))
        return ids

    def _detections(
        self, rows: list[dict[str, Any]], ids: list[str], pixels: AnnotationMasks, chosen: Ints
    ) -> list[Any]:
        """A detection for each chosen segment, with its mask exactly in its box."""
        masks = pixels.masks(chosen)
        x, y, wide, high = (side[chosen] for side in pixels.boxes())
        places = relative_boxes(x, y, wide, high, pixels.width, pixels.height).tolist()
        keep, area = fits_inline(masks), pixels.runs.areas(pixels.n_segments)
        detections = []
        for number, mask, place in zip(chosen.tolist(), masks, places, strict=True):
            row = rows[number]
            mask_field = {"mask": mask} if keep else {"mask_path": self.media.mask(mask)}
            detections.append(
                label_document(
                    self.fo,
                    "Detection",
                    ids[number],
                    bounding_box=place,
                    area=int(area[number]),
                    track_id=row["track_id"],
                    index=row["track_id"],
                    confidence=row["score"],
                    **(mask_field if mask.size else {}),
                    **self._attributes(row),
                )
            )
        return detections

    def _outline(self, row: dict[str, Any], id_: str, pixels: AnnotationMasks) -> Any:  # Any: FiftyOne has no types
        size = (pixels.width, pixels.height)
        rings = [(np.array(ring).reshape(-1, 2) / size).tolist() for ring in row["rings"] if len(ring) % 2 == 0]
        attributes = {"points": rings, "closed": True, "filled": False, **self._attributes(row)}
        return label_document(self.fo, "Polyline", label_id(id_, "outline"), **attributes)

    @staticmethod
    def _attributes(row: dict[str, Any]) -> dict[str, Any]:  # Any: rows of a table
        return {
            "label": row["name"],
            "segment_id": _own_id(row),
            "category_id": row["category_id"],
            "iscrowd": bool(row["iscrowd"]),
            "source": row["source"],
            "imprint": row["imprint"],
        }


def split_annotations(batch: Batch) -> list[tuple[int, str | None, pa.Table, AnnotationMasks]]:
    """Each annotation of a batch: the row of its image, its annotator, its segments and their pixels."""
    first = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1)).tolist()
    named = zip(batch.annotation_image.tolist(), batch.annotations["annotator"].to_pylist(), strict=True)
    return [
        (image, annotator, batch.segments.slice(first[row], first[row + 1] - first[row]), masks)
        for row, ((image, annotator), masks) in enumerate(zip(named, AnnotationMasks.from_batch(batch), strict=True))
    ]


def _own_id(row: dict[str, Any]) -> str:  # Any: rows of a table
    return str(row["segment_id"] if row["source_id"] is None else row["source_id"])


class PixelProbabilities(Protocol):
    """Probabilities of categories that a model predicts for pixels, image by image.

    Attributes
    ----------
    image_ids : (n_images,) the images
    usable : (n_images,) whether there is a prediction for an image
    channels : category id -> the channel of its probability; channel 0: unlabelled
    """

    @property
    def image_ids(self) -> Sequence[str]: ...  # noqa: D102  # see above

    @property
    def usable(self) -> Flags: ...  # noqa: D102

    @property
    def channels(self) -> Mapping[int, int]: ...  # noqa: D102

    def probabilities(self, row: int) -> NDArray[np.float32]:
        """(K, height, width) of the image at a row."""


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """Heat maps of annotations."""

    # the package
    fo: Any  # Any: FiftyOne has no types
    media: MediaFiles
    predictions: PixelProbabilities | None  # out-of-sample predictions of a model; None: there are none
    row: dict[str, int]  # image_id -> row of the predictions

    @staticmethod
    def from_predictions(
        fo: Any, media: MediaFiles, predictions: PixelProbabilities | None
    ) -> "HeatMaps":  # Any: FiftyOne has no types
        """Build from predictions, or without any."""
        usable = () if predictions is None else np.flatnonzero(predictions.usable).tolist()
        return HeatMaps(
            fo, media, predictions, {predictions.image_ids[row]: row for row in usable} if predictions else {}
        )

    def confidence(
        self, image_id: str, category: Ints, masks: AnnotationMasks
    ) -> Any | None:  # Any: FiftyOne has no types
        """The probability of the given category of each pixel; None without a prediction of the image's size.

        `category` (n,) are the category ids of the segments. Categories that the model does not know, such as void,
        count as sure.
        """
        if self.predictions is None or image_id not in self.row:
            return None
        probability = self.predictions.probabilities(self.row[image_id])
        n_channels = len(probability)
        if probability.shape[1:] != (masks.height, masks.width):
            return None
        channel = self.predictions.channels
        values = np.array([channel.get(id_, n_channels) for id_ in category.tolist()], np.int64)
        given = masks.map(values, np.arange(len(values)))[0].astype(np.int64)
        is_known = given < n_channels
        sure = np.take_along_axis(probability, np.where(is_known, given, 0)[None], 0)[0].astype(np.float32)
        return self._layer(np.where(is_known, sure, 1))

    def disagreement(
        self, annotations: Sequence[tuple[Ints, AnnotationMasks]]
    ) -> Any | None:  # Any: FiftyOne has no types
        """The share of an image's annotators who differ from the most common category; None with fewer than two.

        `annotations`: the category ids of each one's segments, and their pixels.
        """
        if len(annotations) < 2:
            return None
        names = np.unique(np.concatenate([category for category, _ in annotations]))
        maps = [
            masks.map(np.searchsorted(names, category) + 1, np.arange(len(category)))[0]
            for category, masks in annotations
        ]
        return self._layer(disagreement_share(maps, len(names)))

    def _layer(self, share: NDArray[np.floating]) -> Any:  # Any: FiftyOne has no types
        path = self.media.mask(np.rint(255 * share).astype(np.uint8))
        return self.fo.Heatmap(map_path=path, range=[0, 255])


def disagreement_share(maps: Sequence[Map], n_values: int) -> Floats:
    """(height, width) share of maps of the values 0 to `n_values` that differ from the most common one."""
    most = np.zeros(maps[0].shape, np.int64)
    for value in range(n_values + 1):
        np.maximum(most, sum((map_ == value).astype(np.int64) for map_ in maps), out=most)
    return 1 - most / len(maps)
