"""Fields: names and types of the fields of samples, and labels as the database keeps them."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Literal

from segdata.core.finding import VERDICTS, Verdict

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
    for attribute, type_ in {**ATTRIBUTES[kind], **people}.items():
        path = f"{name}.{LISTS[kind]}.{attribute}"
        if dataset.get_field(path) is None:
            _add_field(fo, dataset, path, type_)


def declare_images(fo: Any, dataset: Any) -> None:  # Any: FiftyOne has no types
    """Add the fields of images to a dataset."""
    for name, type_ in IMAGE_FIELDS.items():
        if not dataset.has_sample_field(name):
            _add_field(fo, dataset, name, type_)


def _add_field(fo: Any, dataset: Any, path: str, type_: str) -> None:  # Any: FiftyOne has no types
    of_list = {"subfield": fo.StringField} if type_ == "ListField" else {}
    dataset.add_sample_field(path, getattr(fo, type_), **of_list)


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
