"""Writes clean datasets, then spoils each in its own way."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from segdata.sample import write
from segdata.sample.defects.registry import discover
from segdata.sample.defects.site import Defect, Site
from segdata.sample.scene import Picture
from segdata.sample.taxonomy import write_taxonomy
from segdata.sample.write import Shot

Writer = Callable[[Path, Sequence[Shot]], None]


def _coco(overlap: str) -> Writer:
    def write_coco(folder: Path, shots: Sequence[Shot]) -> None:
        write.write_instances(folder, shots)
        write.write_config(folder, coverage="sparse", overlap=overlap)

    return write_coco


def _coco_in_splits(folder: Path, shots: Sequence[Shot]) -> None:
    """COCO instances whose images lie in images/train (two thirds) and images/val."""
    train = len(shots) * 2 // 3
    named = [Shot(f"{'train' if n < train else 'val'}/{shot.name}", shot.picture) for n, shot in enumerate(shots)]
    _coco("allow")(folder, named)


def _coco_mirrored(folder: Path, shots: Sequence[Shot]) -> None:
    """COCO instances of the pictures and their three mirror images: enough of them to say what is always there."""
    ways = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    mirrored = [
        Shot(f"{name}-{number}", Picture(view.image[::up, ::left], view.labels[::up, ::left], view.segments))
        for number, (up, left) in enumerate(ways)
        for name, view in shots
    ]
    _coco("allow")(folder, mirrored)


def _nothing(folder: Path, shots: Sequence[Shot]) -> None:
    """Sequences and annotators are written by what spoils them: each needs copies of its own."""


def _index_masks(folder: Path, shots: Sequence[Shot]) -> None:
    write.write_semantic(folder, shots)
    write_taxonomy(folder / "taxonomy.yaml", unlabelled=0)


# How each dataset is written before it is spoiled, and from how many pictures.
DATASETS: dict[str, tuple[Writer, int]] = {
    "broken_json": (_coco("allow"), 2),
    "coco_reading": (_coco("allow"), 12),
    "coco_shapes": (_coco("allow"), 12),
    "coco_overlap": (_coco("forbid"), 6),
    "mask_reading": (write.write_semantic, 12),
    "mask_shapes": (write.write_semantic, 10),
    "thin_lines": (write.write_semantic, 6),
    "palette_masks": (_index_masks, 6),
    "panoptic_reading": (write.write_panoptic, 11),
    "instance_shapes": (write.write_instance_ids, 8),
    "wrapped_ids": (write.write_instance_ids, 2),
    "taxonomy_broken": (write.write_semantic, 6),
    "taxonomy_use": (_coco("allow"), 12),
    "taxonomy_mapping": (_coco("allow"), 8),
    "suppressions": (write.write_semantic, 6),
    "relations": (_coco("allow"), 12),
    "expectations": (_coco("allow"), 8),
    "splits": (_coco_in_splits, 12),
    "imbalance": (_coco("allow"), 12),
    "outliers": (_coco("allow"), 12),
    "companions": (_coco_mirrored, 12),
    "drift": (_coco_in_splits, 12),
    "boundary_treatment": (write.write_semantic, 8),
    "occlusion_treatment": (_coco("allow"), 8),
    "annotator_drift": (_nothing, 6),
    "video": (_nothing, 0),
    "volume": (_nothing, 0),
}


def build_defects(folder: Path, shots: Sequence[Shot], frames: Sequence[Shot]) -> list[Defect]:
    """Write every dataset with seeded defects into `folder`, and truth.json.

    `shots` are at least 12 pictures, `frames` a clean sequence of at least 8.
    """
    found: list[Defect] = []
    seedings = discover()
    for name, (writer, count) in DATASETS.items():
        site = Site(folder / name, list(shots[:count] or frames))
        writer(site.folder, site.shots)
        document = next(iter(sorted(site.folder.glob("*.json"))), None)
        if document:
            site.document = json.loads(document.read_text(encoding="utf-8"))
        whole = json.dumps(site.document)
        found += [defect for seeding in seedings[name] for defect in seeding(site)]
        if document and json.dumps(site.document) != whole:
            write.write_json(document, site.document)
    write.write_json(folder / "truth.json", [defect.entry() for defect in found])
    return found
