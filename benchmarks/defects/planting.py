"""Copies of real datasets to plant defects in, and what `segdata validate` reports of them."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as rle

import segdata
from benchmarks.defects.drawn_datasets import Made
from benchmarks.shared.real_sets import STREET, TISSUE
from segdata.core.config import Config, Layers, Sequences
from segdata.core.finding import Finding

Array = NDArray[Any]
Json = dict[str, Any]  # Any: JSON


@dataclass
class Copy:
    """A copy of a dataset that a defect is planted in."""

    root: Path
    document: str | None = None  # the JSON file of polygons, below the root
    pattern: str | None = None  # of the masks

    @property
    def masks(self) -> list[Path]:
        """The files of masks, in their order."""
        return sorted(self.root.glob(self.pattern)) if self.pattern else []

    def array(self, path: Path) -> Array:
        """The values of a mask; of a colour mask its colours."""
        with Image.open(path) as image:
            return np.array(image)

    def put(self, path: Path, values: Array, mode: str | None = None) -> None:
        """Write values as the file was written before: its mode and palette."""
        with Image.open(path) as image:
            mode, palette = mode or image.mode, image.getpalette() if image.mode == "P" else None
        new = (
            Image.fromarray(values)
            if values.dtype == np.uint16 or values.ndim == 3
            else Image.fromarray(values.astype(np.uint8), mode="L")
        )
        if mode == "P" and palette is not None:
            new.putpalette(palette)
        path.unlink()
        new.save(path)

    def load(self) -> Json:
        """The JSON document."""
        content: Json = json.loads((self.root / str(self.document)).read_text())
        return content

    def save(self, content: Json) -> None:
        """Write the JSON document."""
        path = self.root / str(self.document)
        path.unlink()
        path.write_text(json.dumps(content))

    def change_lines(self, change: Callable[[str], str]) -> None:
        """Change each line of YOLO's label files."""
        for path in sorted(self.root.rglob("labels/**/*.txt")):
            path.write_text("\n".join(change(line) if line.strip() else line for line in path.read_text().splitlines()))

    def change_documents(self, change: Callable[[Json], object], pattern: str = "*.json") -> None:
        """Change each JSON document of a tool."""
        for path in sorted(self.root.rglob(pattern)):
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

    def change_results(self, tasks: slice, change: Callable[[Json], None]) -> None:
        """Change the regions of some tasks of Label Studio."""

        def change_document(content: Any) -> None:  # Any: a list of tasks
            for task in content[tasks]:
                for own in task["annotations"]:
                    for region in own["result"]:
                        change(region)

        self.change_documents(change_document)

    def change_cvat(self, chosen: slice, change: Callable[[str], str]) -> None:
        """Change the text of some images of a CVAT file."""
        (path,) = self.root.glob("*.xml")
        text = path.read_text()
        for image in re.findall(r"<image .*?</image>", text, re.DOTALL)[chosen]:
            text = text.replace(image, change(image))
        path.write_text(text)

    def change_labels(
        self,
        change: Callable[[Array], Array],
        numbers: Iterable[int] | None = None,
        place: Callable[[Array], Array] = np.copy,
    ) -> None:
        """Change the labels, and the place, of some cases of nnU-Net; None: of all."""
        paths = sorted(self.root.glob("labelsTr/*.nii.gz"))
        for number in range(len(paths)) if numbers is None else numbers:
            path, image, values = self.labels_of_case(number)
            write_volume(path, change(values), place(image.affine))

    def change_dataset_json(self, change: Callable[[Json], object]) -> None:
        """Change the dataset.json of nnU-Net."""
        self.change_documents(change, "dataset.json")

    def change_segmentation(self, change: Callable[[Any], None]) -> None:  # Any: pydicom's datasets
        """Change the DICOM segmentation."""
        path = self.root / "liver.dcm"
        data = pydicom.dcmread(path)
        change(data)
        data.save_as(path)

    def change_case(self, number: int, change: Callable[[Array, bool], Array], affine: Array | None = None) -> None:
        """Change image and labels of a case; `change` takes (x, y, slices) and whether these are labels."""
        for is_label, path in enumerate(
            (
                sorted(self.root.glob("imagesTr/*_0000.nii.gz"))[number],
                sorted(self.root.glob("labelsTr/*.nii.gz"))[number],
            )
        ):
            volume: Any = nibabel.load(path)
            values = np.asanyarray(volume.dataobj)
            write_volume(
                path, change(values, bool(is_label)).astype(values.dtype), volume.affine if affine is None else affine
            )

    def change_volume(self, change: Callable[[Array], Array], affine: Array | None = None) -> None:
        """Change the labels of a volume, (x, y, slices)."""
        if self.root.name == "tissue":
            stack = np.stack([self.array(path).T for path in self.masks], axis=2)
            new = change(stack)
            for k, path in enumerate(self.masks):
                self.put(path, np.ascontiguousarray(new[:, :, k].T))
            return
        (path,) = sorted((self.root / "derivatives").rglob("*.nii.gz"))
        image: Any = nibabel.load(path)  # its types lack what NIfTI files have
        values = change(np.asanyarray(image.dataobj))
        dtype = values.dtype if values.dtype.kind == "f" or (values < 0).any() else image.get_data_dtype()
        written: Any = type(image)(values.astype(dtype), image.affine if affine is None else affine, image.header)
        written.set_data_dtype(dtype)
        path.unlink()
        nibabel.save(written, path)

    def labels_of_case(self, number: int) -> tuple[Path, Any, Array]:
        """The labels of a case of nnU-Net: the file, its image, its values."""
        path = sorted(self.root.glob("labelsTr/*.nii.gz"))[number]
        image: Any = nibabel.load(path)
        return path, image, np.asanyarray(image.dataobj).astype(np.uint8)

    def own_images(self) -> Path:
        """The folder of images, which was a link, as a folder of its own."""
        (linked,) = (path for path in self.root.iterdir() if path.is_symlink())
        source = linked.resolve()
        linked.unlink()
        shutil.copytree(source, linked)
        return linked

    def frames(self, sequence: str = "dogs-jump") -> list[Path]:
        """The masks of one video."""
        return [path for path in self.masks if path.parent.name in (sequence, "labels")]

    def relabel(self, paths: list[Path], change: Callable[[Array], Array]) -> None:
        """Change the ids of tracks in some frames."""
        for path in paths:
            self.put(path, change(self.array(path)))

    def train_and_val(self) -> tuple[Path, Json, Path, Json]:
        """The two COCO files of a set in splits, and what they hold."""
        paths = [self.root / f"annotations/instances_{split}.json" for split in ("train", "val")]
        return paths[0], json.loads(paths[0].read_text()), paths[1], json.loads(paths[1].read_text())


Plant = Callable[[Copy, np.random.Generator], Any]


@dataclass(frozen=True)
class Base:
    """A real dataset to plant in: what is copied, and how it is opened."""

    name: str
    path: str
    opening: Json = field(default_factory=dict)
    document: str | None = None
    pattern: str | None = None
    linked: tuple[str, ...] = ()  # folders that no defect changes
    draw: Callable[[Path], None] | None = None  # of a drawn dataset: draws it in a folder


STREET_FILM = {"config": Config(sequences=Sequences("0016E5_{frame}.png"))}
TISSUE_STACK = {
    "format": "colour-masks",
    "taxonomy": TISSUE,
    "config": Config(sequences=Sequences("labels{frame}.png", kind="volume")),
}
VESSELS = {"config": Config(layers=Layers(pattern="1st_manual/{stem}_manual1.gif", category="vessel"))}
BASES = {
    base.name: base
    for base in (
        Base("coco", "coco_tiny", document="annotations/instances_train2017.json", linked=("train2017",)),
        Base("gbm", "gbm40_nuclei", document="instances.json", linked=("images",)),
        Base("taco", "taco/annotations.json", document="annotations.json"),
        Base("camvid", "camvid11", {"taxonomy": STREET}, pattern="*annot/*.png"),
        Base("camseq", "camseq32", STREET_FILM, pattern="labels/*.png", linked=("images",)),
        Base("tissue", "vnc_sstem/labels", TISSUE_STACK, pattern="*.png"),
        Base("ids", "gbm ids", pattern="masks/*.png", linked=("images",)),
        Base("osvos", "davis2017_results/osvos", pattern="*/*.png"),
        Base("rvos", "davis2017_results/rvos", pattern="*/*.png"),
        Base("yolo", "yolo_seg_crop"),
        Base("spleen", "ivadomed_testing/ct_scan"),
        Base("labelme", "labelme/instance_segmentation/data_annotated"),
        Base("labelme video", "labelme/video_annotation/data_annotated"),
        Base("voc", "labelme/instance_segmentation/data_dataset_voc"),
        Base("kudzu", "via_kudzu"),
        Base("lemons", "supervisely_lemons"),
        Base("panoptic", "coco_panoptic_sample", {"format": "coco-panoptic"}, "panoptic_examples.json",
             "panoptic_examples/*.png"),
        Base("dicom", "peer_fixtures/dicom_seg/dcmqi"),
        Base("vessels", "drive", VESSELS, pattern="1st_manual/*.gif"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Defect:
    """A kind of defect: who makes it, whether files or pictures tell it, and how it is planted in which dataset."""

    name: str
    by: str
    known_from: str  # files, pictures, nothing
    plants: dict[str, Plant]


DEFECTS: list[Defect] = []


def defect(name: str, by: str, known_from: str, *bases: str) -> Callable[[Plant], Plant]:
    """Register the decorated function as what plants a defect in some datasets; several functions may share a name."""

    def register(plant: Plant) -> Plant:
        known = next((one for one in DEFECTS if one.name == name), None)
        if known is None:
            known = Defect(name, by, known_from, {})
            DEFECTS.append(known)
        known.plants.update(dict.fromkeys(bases, plant))
        return plant

    return register


def json_defect(
    name: str, by: str, known_from: str, *bases: str
) -> Callable[[Callable[[Json, np.random.Generator], Json | None]], Plant]:
    """As `defect`, for a function that changes the content of the JSON document, or returns another."""

    def register(change: Callable[[Json, np.random.Generator], Json | None]) -> Plant:
        @defect(name, by, known_from, *bases)
        @wraps(change)
        def plant(copy: Copy, rng: np.random.Generator) -> None:
            content = copy.load()
            changed = change(content, rng)
            copy.save(content if changed is None else changed)

        return plant

    return register


def annotation_defect(
    name: str, by: str, known_from: str, *bases: str, every: int = 1
) -> Callable[[Callable[[Json], object]], Plant]:
    """As `json_defect`, for a function that changes one annotation: it gets each, or each third if `every` is 3."""

    def register(change: Callable[[Json], object]) -> Plant:
        @json_defect(name, by, known_from, *bases)
        @wraps(change)
        def plant(content: Json, rng: np.random.Generator) -> None:
            for one in content["annotations"][::every]:
                change(one)

        return plant

    return register


def parts_defect(
    name: str, by: str, known_from: str, *bases: str, each: Callable[[Copy, Callable[[Any], Any]], object]
) -> Callable[[Callable[[Any], Any]], Plant]:
    """As `defect`, for a function that changes one part: a line, a mask, a document. `each` applies it to the parts."""

    def register(change: Callable[[Any], Any]) -> Plant:
        @defect(name, by, known_from, *bases)
        @wraps(change)
        def plant(copy: Copy, rng: np.random.Generator) -> None:
            each(copy, change)

        return plant

    return register


def drawn_base(name: str, document: str | None = None, **opening: Any) -> Callable[[Callable[[Made], None]], None]:
    """Register a drawn dataset as a base; the decorated function draws it."""

    def register(build: Callable[[Made], None]) -> None:
        BASES[name] = Base(name, name, opening, document, draw=lambda root: build(Made(root)))

    return register


def exchange_files(first: Path, second: Path) -> None:
    """Give each of two files the content of the other."""
    aside = first.with_name(f"{first.name} aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def some(values: Any, rng: np.random.Generator, n: int) -> list[Any]:  # Any: rows of any kind
    """`n` of the values, at random."""
    return [values[k] for k in rng.permutation(len(values))[:n].tolist()]


def points(annotation: Json) -> Iterator[list[float]]:
    """The rings of an annotation; none of a crowd."""
    if isinstance(annotation.get("segmentation"), list):
        yield from annotation["segmentation"]


def map_points(content: Json, change: Callable[[Array, Json], Array], only: Callable[[Json], bool] = bool) -> None:
    """Change the points of annotations, boxes untouched; `change` takes (n, 2) points and the image's record."""
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        if only(annotation) and isinstance(annotation["segmentation"], list):
            annotation["segmentation"] = [
                change(np.array(ring, float).reshape(-1, 2), images[annotation["image_id"]]).reshape(-1).tolist()
                for ring in annotation["segmentation"]
            ]


def fit_boxes(content: Json) -> None:
    """Boxes and areas as exporters derive them from polygons."""
    for annotation in content["annotations"]:
        rings = [np.array(ring).reshape(-1, 2) for ring in points(annotation)]
        if rings:
            corners = np.concatenate(rings)
            low, high = corners.min(0), corners.max(0)
            annotation["bbox"] = [*low.tolist(), *(high - low).tolist()]
            annotation["area"] = float(sum(
                abs(np.dot(r[:, 0], np.roll(r[:, 1], 1)) - np.dot(r[:, 1], np.roll(r[:, 0], 1))) / 2 for r in rings
            ))  # fmt: skip


def add_annotations(content: Json, annotations: list[Json]) -> None:
    """Add annotations under ids that follow the highest."""
    last = max(one["id"] for one in content["annotations"])
    content["annotations"] += [one | {"id": last + 1 + k} for k, one in enumerate(annotations)]


def draw_rings(rings: Iterable[list[float]], width: int, height: int) -> Array:
    """The pixels within rings, as 0 and 1."""
    canvas = Image.new("L", (width, height))
    for ring in rings:
        ImageDraw.Draw(canvas).polygon(ring, fill=1)
    return np.array(canvas)


def as_mask(shape: Json) -> tuple[Array, Array, Array]:
    """The bitmap of a polygon of LabelMe, and the first and last pixel of its box, (x, y)."""
    ring = np.array(shape["points"], float)
    low, high = np.floor(ring.min(0)).astype(int), np.ceil(ring.max(0)).astype(int)
    width, height = (high - low + 1).tolist()
    return draw_rings([(ring - low).reshape(-1).tolist()], width, height), low, high


def change_tracks(tracks: Iterable[Json], change: Callable[[list[Any]], list[Any]]) -> None:
    """Change the lists that tracks of YouTube-VIS have, with a value for each frame."""
    for one in tracks:
        for key in ("segmentations", "areas", "bboxes"):
            one[key] = change(one[key])


def of_images(content: Json, ids: set[int]) -> Callable[[Json], bool]:
    """Whether an annotation is on one of these images."""
    return lambda annotation: annotation["image_id"] in ids


def half(content: Json) -> set[int]:
    """The ids of the second half of the images."""
    ids = [image["id"] for image in content["images"]]
    return set(ids[len(ids) // 2 :])


def encode_rle(pixels: Array) -> Json:
    """Compressed RLE as COCO writes it."""
    encoded = rle.encode(np.asfortranarray(pixels.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def write_volume(path: Path, values: Array, affine: Array) -> None:
    """Write a NIfTI file anew."""
    path.unlink()
    nibabel.save(nibabel.Nifti1Image(values, affine), path)  # type: ignore[no-untyped-call]


@cache
def instance_masks(folder: Path, scratch: Path) -> Path:
    """GBM40 as 16-bit instance ids; an overlap goes to the later nucleus."""
    target = scratch / "gbm ids"
    (target / "masks").mkdir(parents=True)
    (target / "images").symlink_to(folder / "gbm40_nuclei/images")
    content = json.loads((folder / "gbm40_nuclei/instances.json").read_text())
    for image in content["images"]:
        canvas = Image.new("I", (image["width"], image["height"]))
        number = 0
        for one in content["annotations"]:
            if one["image_id"] == image["id"]:
                number += 1
                for ring in points(one):
                    ImageDraw.Draw(canvas).polygon(ring, fill=number)
        name = Path(image["file_name"]).with_suffix(".png").name
        Image.fromarray(np.array(canvas).astype(np.uint16)).save(target / "masks" / name)
    return target


def make_copy(base: Base, folder: Path, scratch: Path) -> Copy:
    """A copy to plant in: folders that stay are links."""
    source = instance_masks(folder, scratch / "sources") if base.name == "ids" else folder / base.path
    if base.draw:
        source = scratch / "sources" / base.name
        if not source.exists():
            base.draw(source)
    target = scratch / base.name
    if target.exists():
        shutil.rmtree(target)
    target.mkdir()
    for path in [source] if source.is_file() else sorted(source.iterdir()):
        if path.name in base.linked:
            (target / path.name).symlink_to(path.resolve())
        elif path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            shutil.copy(path, target / path.name)
    return Copy(target, base.document, base.pattern)


def findings(base: Base, root: Path) -> Counter[tuple[str, str | None, str]]:
    """What `validate` reports at its defaults; a dataset that it refuses is one finding."""
    path = root / str(base.document) if base.name == "taco" else root
    try:
        found: tuple[Finding, ...] = segdata.validate(path, jobs=1, **base.opening).findings
    except segdata.SegdataError as error:
        return Counter({("refused", None, str(error)): 1})
    return Counter((one.code, one.image, f"{one.severity}: {one.message}") for one in found)
