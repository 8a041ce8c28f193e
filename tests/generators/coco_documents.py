"""Small COCO documents for tests: sound ones, of which a test breaks what it is about."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from segdata.core.batch import Batch
from segdata.core.finding import Defect
from segdata.core.format import Source

Content = dict[str, Any]  # Any: JSON
SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]  # a ring around 4 pixels


def annotation(**keys: Any) -> Content:
    """A sound annotation of 4 pixels with `keys` instead; a key that is `...` is left out."""
    sound = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}
    return {key: value for key, value in (sound | keys).items() if value is not ...}


def document(**parts: Any) -> Content:
    """A sound document, of one image of 6 x 5 pixels (width x height) with one annotation, with `parts` instead.

    A part that is `...` is left out.
    """
    sound = {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 5}],
        "annotations": [annotation()],
        "categories": [{"id": 1, "name": "cat"}],
    }
    return {key: value for key, value in (sound | parts).items() if value is not ...}


def write_document(folder: Path, content: Content | bytes, name: str = "some.json") -> Path:
    """The file with a document, or with bytes as they are."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def load_all(source: Source) -> tuple[Batch, list[Defect]]:
    """All images of a source, and every defect that was met, without mere informations."""
    batch = source.load(np.arange(len(source.image_ids), dtype=np.int64))
    return batch, [defect for defect in (*source.defects, *batch.defects) if defect.severity != "info"]
