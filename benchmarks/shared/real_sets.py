"""The real datasets of docs/results/real_data.md, and what has to be said to open each."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from segdata.core.config import Config, InstanceIds, Layers, Sequences
from segdata.core.taxonomy import Category, Taxonomy

NERVES = "axon_sem_corrections"  # images in one folder, three kinds of masks together in another
NERVE = Taxonomy(unlabelled=0, categories=(Category(id=127, name="myelin"), Category(id=255, name="axon")))
TISSUE = Taxonomy(
    unlabelled=255,
    categories=tuple(Category(id=id_, name=f"value {id_}") for id_ in (0, 32, 64, 96, 128, 159, 191, 223)),
)
STREET = Taxonomy(
    categories=tuple(
        Category(id=id_, name=name, kind="void" if name == "Unlabelled" else "stuff", thin=name == "Pole")
        for id_, name in enumerate(
            ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
             "Bicyclist", "Unlabelled")
        )
    )
)  # fmt: skip
VOC = Taxonomy(
    unlabelled=0,
    categories=(
        *(
            Category(id=id_, name=name)
            for id_, name in enumerate(
                ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
                 "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv/monitor"),
                start=1,
            )
        ),
        Category(id=255, name="void", kind="void"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class RealSet:
    """A dataset: its path below the folder of all, and the keywords of `segdata.read`."""

    name: str
    path: str
    opening: dict[str, Any] = field(default_factory=dict)  # Any: as `read` has them


def _layers(pattern: str, frames: Sequences | None = None, **more: Any) -> dict[str, Any]:  # Any: fields of Layers
    return {"config": Config(layers=Layers(pattern=pattern, **more), sequences=frames)}


SETS = (
    RealSet("COCO train2017, 50 images", "coco_tiny"),
    RealSet("TACO, December 2019", "taco/annotations.json"),
    RealSet("TACO, 24 June 2019", "taco/annotations_2019-06-24_a35e944.json"),
    RealSet("TACO, 26 June 2019", "taco/annotations_2019-06-26_1e4d24a.json"),
    RealSet("GBM40 nuclei", "gbm40_nuclei"),
    RealSet("LabelMe's COCO export", "labelme/instance_segmentation/data_dataset_coco"),
    RealSet("sahi terrain", "peer_fixtures/sahi_terrain/terrain_all_coco.json"),
    RealSet("COCO panoptic sample", "coco_panoptic_sample", {"format": "coco-panoptic"}),
    RealSet("the same as RLE", "coco_panoptic_sample/panoptic_coco_detection_format.json"),
    RealSet("CamSeq01", "camseq32", {"config": Config(sequences=Sequences("0016E5_{frame}.png"))}),
    RealSet("CamVid, poles thin", "camvid11", {"taxonomy": STREET}),
    RealSet("DAVIS, three sequences", "davis_interactive"),
    RealSet("results of OSVOS", "davis2017_results/osvos"),
    RealSet("results of RVOS", "davis2017_results/rvos"),
    RealSet("LabelMe, three images", "labelme/instance_segmentation/data_annotated"),
    RealSet("LabelMe's VOC export", "labelme/instance_segmentation/data_dataset_voc"),
    RealSet("LabelMe's VOC classes", "labelme/instance_segmentation/data_dataset_voc/SegmentationClass",
            {"format": "colour-masks", "taxonomy": VOC}),
    RealSet("LabelMe, a video", "labelme/video_annotation/data_annotated"),
    RealSet("LabelMe's VOC video", "labelme/video_annotation/data_dataset_voc"),
    RealSet("LabelMe, every shape", "labelme/primitives"),
    *(RealSet(f"nerve, merged, {version}", f"{NERVES}/labels_{version}", {"format": "colour-masks", "taxonomy": NERVE})
      for version in ("original", "corrected")),
    *(RealSet(f"nerve, layers, {version}", f"{NERVES}/labels_{version}", _layers("layers/{stem}_{category}.png"))
      for version in ("original", "corrected")),
    RealSet("ivadomed microscopy", "ivadomed_testing/microscopy_png",
            _layers("derivatives/labels/{stem}_seg-{category}-manual.png")),
    RealSet("fly tissue, three layers", "vnc_sstem",
            _layers("{category}/{stem}.png", Sequences("{frame}.tif", kind="volume"))),
    RealSet("fly tissue, merged labels", "vnc_sstem/labels", {"format": "colour-masks", "taxonomy": TISSUE,
             "config": Config(sequences=Sequences("labels{frame}.png", kind="volume"))}),
    *(RealSet(f"DRIVE, observer {n}", "drive", _layers(f"{nth}_manual/{{stem}}_manual{n}.gif", category="vessel"))
      for n, nth in ((1, "1st"), (2, "2nd"))),
    RealSet("magnetic tiles", "magnetic_tile", _layers("{category}/Imgs/{stem}.png")),
    RealSet("magnetic tiles, threshold", "magnetic_tile", _layers("{category}/Imgs/{stem}.png", threshold=128)),
    RealSet("StarDist nuclei", "stardist_nuclei", {"config": Config(instance_ids=InstanceIds(category="nucleus"))}),
    RealSet("pycococreator shapes", "peer_fixtures/pycococreator_shapes",
            _layers("annotations/{stem}_{category}_{instance}.png")),
    RealSet("kudzu, train and val", "via_kudzu"),
    RealSet("crops", "yolo_seg_crop"),
    RealSet("lemons", "supervisely_lemons"),
    RealSet("three brush masks", "label_studio_brush"),
    RealSet("lesions, three readers", "nifti_three_readers"),
    RealSet("spine MRI", "ivadomed_testing/mri"),
    RealSet("spleen CT", "ivadomed_testing/ct_scan"),
    RealSet("liver CT, dcmqi", "peer_fixtures/dicom_seg/dcmqi"),
    RealSet("highdicom's files", "peer_fixtures/dicom_seg/highdicom"),
)  # fmt: skip


def real_sets(folder: Path) -> Iterator[tuple[RealSet, Path]]:
    """Every dataset, and where it can be opened while it is the current one."""
    for each in SETS:
        path = folder / each.path
        if path.parent.name == NERVES:
            with TemporaryDirectory() as scratch:
                yield each, _sorted_out(path.parent, path, Path(scratch))
        else:
            yield each, path


def _sorted_out(source: Path, masks: Path, target: Path) -> Path:
    """Links: images and their merged masks under the same names, and the layers apart from them."""
    for image in sorted((source / "images").iterdir()):
        links = {
            f"images/{image.name}": image,
            f"masks/{image.name}": masks / f"{image.stem}_seg-axonmyelin-manual.png",
        }
        for category in ("axon", "myelin"):
            links[f"layers/{image.stem}_{category}.png"] = masks / f"{image.stem}_seg-{category}-manual.png"
        for name, file in links.items():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).symlink_to(file)
    return target
