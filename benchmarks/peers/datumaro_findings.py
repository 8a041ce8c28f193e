"""Datumaro: import a dataset, and print what its import and its segmentation validator say of it, as JSON.

python datumaro_findings.py coco_instances | coco_panoptic | common_semantic_segmentation PATH
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import datumaro as dm
import yaml
from datumaro.components.importer import ImportErrorPolicy
from datumaro.plugins.validators import SegmentationValidator


class Telling(ImportErrorPolicy):
    """Notes what is wrong with an item or annotation, and goes on without it."""

    def __init__(self):
        self.told = []

    def report_item_error(self, error, *, item_id):
        """An image that cannot be read."""
        self._tell(error, item_id)

    def report_annotation_error(self, error, *, item_id):
        """An annotation that cannot be read."""
        self._tell(error, item_id)

    def _tell(self, error, item_id):
        self.told.append({"kind": type(error).__name__, "item": item_id[0], "says": str(error)[:300]})


def laid_out(kind: str, path: Path, folder: Path) -> None:
    """Links as Datumaro wants them: the annotation file beside the images, or a table of colours beside the masks."""
    if kind == "common_semantic_segmentation":
        for part in ("images", "masks"):
            (folder / part).symlink_to(path / part)
        categories = yaml.safe_load((path / "taxonomy.yaml").read_text())["categories"]
        colours = {each["name"]: each["color"] for each in categories if isinstance(each.get("color"), list)}
        (folder / "dataset_meta.json").write_text(json.dumps({"label_map": {str(n): name for n, name in
            enumerate(["background", *colours])}, "segmentation_colors": [[0, 0, 0], *colours.values()]}))  # fmt: skip
        return
    prefix = kind.removeprefix("coco_")
    (folder / "annotations").mkdir()
    (folder / "annotations" / f"{prefix}_train.json").symlink_to(path)
    if kind == "coco_panoptic":
        (folder / "annotations" / f"{prefix}_train").symlink_to(
            path.parent / "panoptic" if (path.parent / "panoptic").is_dir() else path.with_suffix("")
        )
    images = next((path.parent / name for name in ("images", "input_images") if (path.parent / name).is_dir()), None)
    images = images or next((each for each in path.parent.parent.glob("*2017") if each.is_dir()), None)
    (folder / "images").mkdir()  # it refuses a dataset without
    if images is not None:
        (folder / "images" / "train").symlink_to(images)


def main(kind: str, path: Path) -> None:
    """Print an object: `stopped`, what ended the import, or null; `told` by the import; `reports` of the validator."""
    policy, stopped, reports = Telling(), None, []
    with tempfile.TemporaryDirectory() as scratch:
        laid_out(kind, path, Path(scratch))
        try:
            dataset = dm.Dataset.import_from(scratch, kind, error_policy=policy)
            dataset.init_cache()
            reports = SegmentationValidator().validate(dataset)["validation_reports"]
        except Exception as error:  # whatever it is, it is what a user sees
            cause = error.__cause__ or error
            stopped = f"{type(cause).__name__}: {cause}".replace(scratch, "…")[:300]
    print(json.dumps({"stopped": stopped, "told": policy.told, "reports": reports}, default=str))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], Path(sys.argv[2]).absolute())
