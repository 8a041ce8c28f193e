"""Datumaro: import COCO instances, then its segmentation validator (which looks at metadata, not at pixels)."""

import sys
import tempfile
from pathlib import Path

import datumaro as dm
from datumaro.plugins.validators import SegmentationValidator

with tempfile.TemporaryDirectory() as folder:
    (Path(folder) / "annotations").mkdir()
    (Path(folder) / "images").mkdir()
    (Path(folder) / "annotations" / "instances_train.json").symlink_to(Path(sys.argv[1]).absolute())
    dataset = dm.Dataset.import_from(folder, "coco_instances")
    report = SegmentationValidator().validate(dataset)
print(len(dataset), "images,", len(report["validation_reports"]), "reports")
