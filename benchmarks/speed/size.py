"""How large the canonical dataset is on disk, against the files it came from and against zipped COCO-RLE JSON.

    SEGDATA_REAL_DATA=… python -m benchmarks.speed.size

The JSON holds what COCO needs to train on (ids, category, compressed RLE, area, bbox, iscrowd), zipped at level 9.
"""

import json
import os
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from pycocotools import mask as coco

import segdata
from segdata.core.batch import replace_column
from segdata.core.config import Config, InstanceIds
from segdata.core.dataset import OpenDataset
from segdata.core.losses import LossCounter
from segdata.core.schema import runs_to_rle
from segdata.store import canonical

# Name -> how it is opened, and the label files (not the images) it came as.
DATASETS: dict[str, tuple[str, dict[str, object], str]] = {
    "coco_tiny": ("coco_tiny", {}, "annotations/*.json"),
    "gbm40_nuclei": ("gbm40_nuclei", {}, "instances.json"),
    "taco": ("taco/annotations.json", {}, "annotations.json"),
    "camseq32": ("camseq32", {}, "labels/*.png"),
    "stardist_nuclei": (
        "stardist_nuclei",
        {"config": Config(instance_ids=InstanceIds(category="nucleus"))},
        "mask*.tif",
    ),
}


def coco_rle_zipped(dataset: OpenDataset) -> int:
    """Bytes of the dataset as COCO-RLE JSON, zipped."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for batch in dataset.batches():
        height, width = batch.segment_size
        first = len(images)
        for name, high, wide in zip(batch.images["image_id"].to_pylist(), *batch.image_size, strict=True):
            images.append({"id": len(images), "file_name": name, "height": int(high), "width": int(wide)})
        rows = zip(
            batch.segment_image.tolist(),
            batch.segments["category_id"].to_pylist(),
            runs_to_rle(batch.runs, height, width).to_pylist(),
            batch.segments["iscrowd"].to_pylist(),
            height.tolist(),
            width.tolist(),
            strict=True,
        )
        for image, category, counts, crowd, high, wide in rows:
            rle = {"size": [high, wide], "counts": counts}
            shown = {"size": [high, wide], "counts": counts.decode()}
            about = {"area": int(coco.area(rle)), "bbox": coco.toBbox(rle).tolist(), "iscrowd": int(bool(crowd))}
            numbers = {"id": len(annotations) + 1, "image_id": first + image, "category_id": category}
            annotations.append({**numbers, "segmentation": shown, **about})
    text = json.dumps({"images": images, "annotations": annotations}, separators=(",", ":"))
    return len(zlib.compress(text.encode(), 9))


def on_disk(dataset: OpenDataset, with_rings: bool) -> int:
    """Bytes of the canonical dataset, with or without the polygons of the source."""
    batches = dataset.batches(in_order=True)
    if not with_rings:
        batches = (
            replace(each, segments=replace_column(each.segments, "rings", [None] * each.n_segments)) for each in batches
        )
    with tempfile.TemporaryDirectory() as folder:
        canonical.write(dataset.profile, batches, Path(folder) / "d", LossCounter())
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def main() -> None:
    """Print the table."""
    root = Path(os.environ["SEGDATA_REAL_DATA"])
    print(
        "| dataset | segments | files it came as, KB | zipped COCO-RLE JSON, KB | canonical without polygons | with |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (place, opening, files) in DATASETS.items():
        dataset = segdata.read(root / place, **opening)  # type: ignore[arg-type]  # as the table says
        folder = (root / place) if (root / place).is_dir() else (root / place).parent
        came = sum(path.stat().st_size for path in folder.glob(files))
        zipped, without, whole = coco_rle_zipped(dataset), on_disk(dataset, False), on_disk(dataset, True)
        has_rings = any(pc.any(pc.is_valid(batch.segments["rings"])).as_py() for batch in dataset.batches())
        shown = f"{whole / 1e3:,.0f} KB" if has_rings else "no polygons"
        print(
            f"| {name} | {len(dataset.segments):,} | {came / 1e3:,.0f} | {zipped / 1e3:,.0f} "
            f"| {without / 1e3:,.0f} KB, {without / zipped:.2f} x | {shown} |"
        )


if __name__ == "__main__":
    main()
