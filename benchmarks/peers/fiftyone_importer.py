"""FiftyOne: its own importer of COCO instances, masks included."""

import sys
from pathlib import Path

import fiftyone as fo

coco = Path(sys.argv[1])
dataset = fo.Dataset.from_dir(
    dataset_type=fo.types.COCODetectionDataset,
    data_path=str(coco.parent / "images"),
    labels_path=str(coco),
    label_types=["segmentations"],
    include_id=True,
    progress=False,
)
labels = "segmentations" if "segmentations" in dataset.get_field_schema() else "ground_truth"
print(len(dataset), "images,", dataset.count(f"{labels}.detections"), "segments")
