"""Labels: the segments of an annotation as FiftyOne's labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from segdata.core.batch import Batch
from segdata.core.label_hash import hash_each_segment
from segdata.core.profile import Profile
from segdata.core.runs import Ints
from segdata.report.fiftyone.boxes import relative
from segdata.report.fiftyone.documents import document, documents
from segdata.report.fiftyone.fields import Kind, field_name, label_id
from segdata.report.fiftyone.masks import Drawn, Mask, Targets
from segdata.report.fiftyone.shelf import Shelf

MOST_INLINE = 300  # masks of an image that go into the database; of more each is a file
_MOST_PIXELS = 2**24  # of these masks together
_COLUMNS = ["segment_id", "source_id", "category_id", "iscrowd", "track_id", "score", "source", "rings"]


def inline(masks: Sequence[Mask]) -> bool:
    """Whether the masks of an image are few and small enough for its document in the database, of at most 16 MB."""
    return len(masks) <= MOST_INLINE and sum(mask.size for mask in masks) <= _MOST_PIXELS


@dataclass(frozen=True)
class Labels:
    """Makes labels of segments.

    Attributes
    ----------
    fo : the package
    profile : of the dataset
    targets : the values of categories on maps
    shelf : for mask files
    """

    fo: Any  # Any: FiftyOne has no types
    profile: Profile
    targets: Targets
    shelf: Shelf

    def of(self, image_id: str, annotator: str | None, segments: pa.Table, drawn: Drawn) -> dict[Kind, Any]:
        """The labels of an annotation by the kind of their field; an annotation without segments has empty ones.

        Outlines are there only where the source has polygons. Any: FiftyOne has no types.
        """
        rows = segments.select(_COLUMNS).to_pylist()
        category = np.array([row["category_id"] for row in rows], np.int64)
        called = {id_: self.profile.name_of(id_) for id_ in set(category.tolist())}
        names = [called[id_] for id_ in category.tolist()]
        for row, name, told in zip(rows, names, hash_each_segment(drawn.runs, names), strict=True):
            row |= {"name": name, "imprint": told}
        ids = self._ids(image_id, annotator, rows)
        on_map, single = self.targets.split(category)
        found: dict[Kind, Any] = {}
        if self.profile.task != "instance":
            painted, hidden = drawn.map(self.targets.values(category), on_map)
            map_id = label_id(image_id, field_name("map", annotator))
            found["map"] = self.fo.Segmentation(id=map_id, mask_path=self.shelf.mask(painted))
            single = np.sort(np.concatenate([single, hidden]))
        if self.profile.task != "semantic" or len(single):
            found["segments"] = documents("Detections", self._detections(rows, ids, drawn, single))
        outlines = [self._outline(row, id_, drawn) for row, id_ in zip(rows, ids, strict=True) if row["rings"]]
        if outlines:
            found["outlines"] = documents("Polylines", outlines)
        return found

    def _ids(self, image_id: str, annotator: str | None, rows: list[dict[str, Any]]) -> list[str]:
        """Who drew what where, and for an id that is there twice, which of them."""
        seen: Counter[str] = Counter()
        found = []
        for row in rows:
            own = _own_id(row)
            seen[own] += 1
            found.append(label_id(image_id, field_name("segments", annotator), own, seen[own]))
        return found

    def _detections(self, rows: list[dict[str, Any]], ids: list[str], drawn: Drawn, chosen: Ints) -> list[Any]:
        """A detection for each chosen segment, with its mask exactly in its box."""
        masks = drawn.masks(chosen)
        x, y, wide, high = (side[chosen] for side in drawn.boxes())
        places = relative(x, y, wide, high, drawn.width, drawn.height).tolist()
        keep, area = inline(masks), drawn.runs.areas(drawn.n_segments)
        found = []
        for number, mask, place in zip(chosen.tolist(), masks, places, strict=True):
            row = rows[number]
            pixels = {"mask": mask} if keep else {"mask_path": self.shelf.mask(mask)}
            found.append(
                document(
                    self.fo,
                    "Detection",
                    ids[number],
                    bounding_box=place,
                    area=int(area[number]),
                    track_id=row["track_id"],
                    index=row["track_id"],
                    confidence=row["score"],
                    **(pixels if mask.size else {}),
                    **self._said(row),
                )
            )
        return found

    def _outline(self, row: dict[str, Any], id_: str, drawn: Drawn) -> Any:  # Any: FiftyOne has no types
        """The source's polygon of a segment."""
        size = (drawn.width, drawn.height)
        rings = [(np.array(ring).reshape(-1, 2) / size).tolist() for ring in row["rings"] if len(ring) % 2 == 0]
        told = {"points": rings, "closed": True, "filled": False, **self._said(row)}
        return document(self.fo, "Polyline", label_id(id_, "outline"), **told)

    @staticmethod
    def _said(row: dict[str, Any]) -> dict[str, Any]:  # Any: rows of a table
        """What every label of a segment tells."""
        return {
            "label": row["name"],
            "segment_id": _own_id(row),
            "category_id": row["category_id"],
            "iscrowd": bool(row["iscrowd"]),
            "source": row["source"],
            "imprint": row["imprint"],
        }


def annotations(batch: Batch) -> list[tuple[int, str | None, pa.Table, Drawn]]:
    """Each annotation of a batch: the row of its image, who drew it, its segments and their pixels."""
    first = np.searchsorted(batch.segment_annotation, np.arange(batch.annotations.num_rows + 1)).tolist()
    named = zip(batch.annotation_image.tolist(), batch.annotations["annotator"].to_pylist(), strict=True)
    return [
        (image, annotator, batch.segments.slice(first[row], first[row + 1] - first[row]), drawn)
        for row, ((image, annotator), drawn) in enumerate(zip(named, Drawn.each(batch), strict=True))
    ]


def _own_id(row: dict[str, Any]) -> str:  # Any: rows of a table
    return str(row["segment_id"] if row["source_id"] is None else row["source_id"])
