"""Small sound datasets of every registered format, each written by its own writer where it has one."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from segdata.api.convert import convert
from segdata.core.format import formats
from tests.bad_input.sound_datasets import HEIGHT, NAMES, WIDTH, labels, write_sound
from tests.generators.dicom_files import contour, segment, write_ct, write_seg, write_structures
from tests.generators.nifti_files import write_nifti


def _dicom_seg(root: Path) -> None:
    series = write_ct(root / "ct")
    box = np.zeros((5, 6), np.uint8)
    box[1:3, 2:5] = 1
    write_seg(root / "seg.dcm", series, [segment(1, "liver"), segment(2, "lung")], [(1, 0, box), (2, 1, 1 - box)])


def _rt_struct(root: Path) -> None:
    series = write_ct(root / "ct")
    rings = [contour(series, k, [(1, 1), (4, 1), (4, 3)]) for k in range(3)]
    write_structures(root / "rs.dcm", series, [(1, "liver", rings), (2, "lung", rings[:1])])


def _nifti(root: Path) -> None:
    write_nifti(root / "labels/a.nii.gz", np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 3, sform=np.eye(4))
    write_nifti(root / "labels/b.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4) % 2, qform=(0, 0, 0))


def _npz(root: Path) -> None:
    root.mkdir()
    scores = np.stack([labels() == each for each in range(3)]).astype(np.float32)
    for name in NAMES:
        np.savez_compressed(root / f"{Path(name).stem}.npz", probabilities=scores)


def _openimages(root: Path) -> None:
    root.mkdir()
    rows = ["MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"]
    for name in NAMES:
        stem = Path(name).stem
        for value in (1, 2):
            Image.fromarray(labels() == value).save(root / f"{stem}_{value}.png")
            rows.append(f"{stem}_{value}.png,{stem},/m/{value},,,,,,,")
    (root / "train-annotations-object-segmentation.csv").write_text("\n".join(rows))


def _matlab(root: Path) -> None:
    root.mkdir()
    for name in NAMES:
        savemat(root / f"{Path(name).stem}.mat", {"groundTruth": labels()}, do_compression=True)


def _ome_zarr(root: Path) -> None:
    import zarr  # an extra

    for name in NAMES:
        labelled = zarr.open_group(str(root / f"{Path(name).stem}.zarr" / "labels"), mode="w", zarr_format=2)
        labelled.attrs["labels"] = ["cells"]
        group = labelled.create_group("cells")
        group.create_array("0", data=labels())
        group.attrs["multiscales"] = [{"version": "0.4", "datasets": [{"path": "0"}]}]


def _sam(root: Path) -> None:
    root.mkdir()
    # The counts of a mask that is all background but its last pixel.
    counts = {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH - 1, 1]}
    found = {"segmentation": counts, "area": 1, "bbox": [WIDTH - 1, HEIGHT - 1, 1, 1], "predicted_iou": 0.9}
    for k, name in enumerate(NAMES):
        image = {"image_id": k, "file_name": name, "width": WIDTH, "height": HEIGHT}
        text = json.dumps({"image": image, "annotations": [{"id": k, "stability_score": 0.9, **found}]})
        (root / f"{Path(name).stem}.json").write_text(text)


def _via_csv(root: Path) -> None:
    write_sound("coco-instances", root)
    (root / "coco.json").unlink()
    shape = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
    quoted = ['"' + json.dumps(each).replace('"', '""') + '"' for each in ({}, shape, {"class": "car"})]
    rows = [f"{name},99,{quoted[0]},1,0,{quoted[1]},{quoted[2]}" for name in NAMES]
    head = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    (root / "via.csv").write_text("\n".join([head, *rows]))


def _scene(root: Path) -> None:
    """A source for the writers: cars on a road, and in each image one that is an RLE with a hole and an attribute."""
    write_sound("coco-instances", root)
    document = json.loads((root / "coco.json").read_text())
    mask = np.zeros((HEIGHT, WIDTH), np.int8)
    mask[2:7, 2:9], mask[4, 4] = 1, 0
    edges = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0, append=0))
    counts = np.diff(edges, prepend=0, append=HEIGHT * WIDTH).tolist()
    for image in (1, 2, 3):
        holed: dict[str, Any] = {"id": 10 + image, "image_id": image, "category_id": 2, "iscrowd": 0}
        holed |= {"segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}, "attributes": {"occluded": True}}
        document["annotations"].append(holed)
    (root / "coco.json").write_text(json.dumps(document))


# The packages of the extras that a format needs.
NEEDS = {
    "dicom-seg": ("pydicom",),
    "rt-struct": ("pydicom",),
    "nifti": ("nibabel",),
    "geotiff": ("rasterio",),
    "ome-zarr": ("zarr",),
}
# What is not written by a writer from the scene.
_MAKERS: dict[str, Callable[[Path], None]] = {
    "dicom-seg": _dicom_seg,
    "layers": lambda root: write_sound("layers", root),
    "matlab": _matlab,
    "nifti": _nifti,
    "npz": _npz,
    "ome-zarr": _ome_zarr,
    "openimages": _openimages,
    "rt-struct": _rt_struct,
    "sam": _sam,
    "via as CSV": _via_csv,
}
# Other kinds of a format's files: the format, and the options of its writer.
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {"mots as text": ("mots", {"layout": "txt"})}
WRITTEN = (*formats(), *_KINDS, "via as CSV")


def write_dataset(name: str, root: Path) -> str:
    """Write a sound dataset below `root`, which does not exist; returns what of it is DATA: ".", or a file in it."""
    if name in _MAKERS:
        _MAKERS[name](root)
        return "."
    to, options = _KINDS.get(name, (name, {}))
    suffixes = formats()[to].file_suffixes
    data = f"labels{suffixes[0]}" if suffixes else "."
    if suffixes:
        root.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        _scene(Path(folder, "data"))
        convert(Path(folder, "data"), root / data, to=to, copy_images=True, jobs=1, write_options=options)
    return data
