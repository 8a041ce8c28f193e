"""Defects that show across images: splits, outliers, drift, videos and volumes."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.generators.sample import writers
from tests.generators.sample.dataset import render_video, write_video
from tests.generators.sample.defects.seeding import Mask, SeededDataset, SeededDefect, seeds_defect
from tests.generators.sample.scene import small_parts
from tests.generators.sample.taxonomy import BUS, CAR, FENCE, PERSON, SIGN, VEGETATION, Category, write_taxonomy
from tests.generators.sample.writers import DIVISOR, Json, NamedPicture, segmentation


def _drop_annotations(site: SeededDataset, doomed: list[Json]) -> None:
    ids = {annotation["id"] for annotation in doomed}
    site.document["annotations"] = [a for a in site.document["annotations"] if a["id"] not in ids]


def _annotations_of(site: SeededDataset, category: int, split: str = "") -> list[Json]:
    return [
        annotation for annotation in site.document["annotations"]
        if annotation["category_id"] == category and site.image_of(annotation)["file_name"].startswith(split)
    ]  # fmt: skip


@seeds_defect("splits")
def split_leak(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG304: an image of train again in val, and one that was only saved again, brighter by a little."""
    for number, (gain, note) in enumerate(((0, "the same file"), (6, "the same picture, 6 grey levels brighter"))):
        source = site.document["images"][number]
        copy = _copy_of(site, source, f"val/again{number}.jpg", gain)
        for annotation in [a for a in site.document["annotations"] if a["image_id"] == source["id"]]:
            site.add(annotation, image_id=copy["id"])
        yield site.defect(
            "SEG304", f"{note} as {source['file_name']}", file=f"images/{copy['file_name']}", image=copy["file_name"]
        )


@seeds_defect("splits")
def unannotated_image(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG312: an image whose annotations are all gone."""
    image = site.document["images"][3]
    _drop_annotations(site, [a for a in site.document["annotations"] if a["image_id"] == image["id"]])
    yield site.defect("SEG312", "image without a segment", file="instances.json", image=image["file_name"])


@seeds_defect("splits")
def split_missing(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG303: no bus in val."""
    _drop_annotations(site, _annotations_of(site, BUS.id, "val"))
    yield site.defect("SEG303", "no bus in val", file="instances.json", category=BUS.name, pixels=0)


@seeds_defect("splits")
def too_few(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG302: one sign is left, the smallest, and none in val."""
    smallest = min(_annotations_of(site, SIGN.id, "train"), key=lambda sign: int(sign["area"]))
    _drop_annotations(site, [sign for sign in _annotations_of(site, SIGN.id) if sign is not smallest])
    yield site.covering("SEG302", "the only sign", site.mask_of(smallest), **site.about(smallest))
    yield site.defect("SEG303", "no sign in val", file="instances.json", category=SIGN.name, pixels=0)


@seeds_defect("splits")
def conflicting_duplicates(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG305: an image twice in train, with other masks the second time."""
    # Not one with the only sign, which would become two.
    signed = {annotation["image_id"] for annotation in _annotations_of(site, SIGN.id)}
    source = next(image for image in site.document["images"][4:] if image["id"] not in signed)
    copy = _copy_of(site, source, "train/other.jpg", 0)
    changed = 0
    for annotation in [a for a in site.document["annotations"] if a["image_id"] == source["id"] and not a["iscrowd"]]:
        twin = site.add(annotation, image_id=copy["id"])
        mask = site.mask_of(twin)
        eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        eroded &= ~small_parts(eroded.astype(np.int32), 20)
        if eroded.any():
            site.redraw(twin, segmentation(eroded))
            changed += int((mask & ~eroded).sum())
    note = f"the same file as {source['file_name']} with other masks"
    yield site.defect("SEG305", note, file=f"images/{copy['file_name']}", image=copy["file_name"], pixels=changed)


@seeds_defect("outliers")
def size_outlier(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG307: a person nearly as high as the image."""
    annotation = max(
        _annotations_of(site, PERSON.id), key=lambda person: 0 if person["iscrowd"] else int(person["area"])
    )
    height, width = site.mask_of(annotation).shape
    giant = cv2.resize(_cut_out(site, annotation), (width // 3, height - 10), interpolation=cv2.INTER_NEAREST)
    mask = np.zeros((height, width), bool)
    mask[5 : height - 5, 20 : 20 + width // 3] = giant.astype(bool)
    site.redraw(annotation, segmentation(mask))
    yield site.covering("SEG307", "a giant", mask, **site.about(annotation))


@seeds_defect("outliers")
def count_outlier(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG308: a picture in which every sign was drawn as 40 crumbs."""
    image, number = site.document["images"][0], 0
    model = _annotations_of(site, SIGN.id)[0]
    for row in range(4):
        for column in range(10):
            x, y = 12 + 20 * column, 12 + 20 * row
            crumb = site.add(model, image_id=image["id"])
            site.redraw(crumb, [[x, y + 4, x + 4, y, x + 9, y + 5, x + 5, y + 9]])
            number += 1
    about = {"file": "instances.json", "image": image["file_name"], "category": SIGN.name}
    yield site.defect("SEG308", f"{number} more signs than usual", **about)


@seeds_defect("companions")
def missing_companion(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG309: cars are in all of 48 pictures, but in the last one nobody drew them."""
    image = site.document["images"][-1]
    lost = [a for a in site.document["annotations"] if a["image_id"] == image["id"] and a["category_id"] == CAR.id]
    pixels = sum(annotation["area"] for annotation in lost)
    _drop_annotations(site, lost)
    about = {"file": "instances.json", "image": image["file_name"], "category": CAR.name}
    yield site.defect("SEG309", f"{len(lost)} cars not drawn", pixels=pixels, **about)


@seeds_defect("drift")
def split_drift(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG306: val has persons only in name: all cars were taken out there."""
    cars = _annotations_of(site, CAR.id, "val")
    _drop_annotations(site, cars[1:])
    note = f"{len(cars) - 1} of {len(cars)} cars left out of val"
    yield site.defect(
        "SEG306", note, file="instances.json", category=CAR.name, pixels=sum(car["area"] for car in cars[1:])
    )


def _copy_of(site: SeededDataset, source: Json, name: str, gain: int) -> Json:
    copy = dict(source) | {"id": 1 + max(image["id"] for image in site.document["images"]), "file_name": name}
    original, target = site.folder / "images" / source["file_name"], site.folder / "images" / name
    if gain:
        with Image.open(original) as image:
            brighter = np.clip(np.array(image).astype(int) + gain, 0, 255).astype(np.uint8)
        Image.fromarray(brighter).save(target, quality=85)
    else:
        target.write_bytes(original.read_bytes())
    site.document["images"].append(copy)
    return copy


def _cut_out(site: SeededDataset, annotation: Json) -> np.ndarray:
    x, y, width, height = annotation["bbox"]
    return site.mask_of(annotation)[y : y + height, x : x + width].astype(np.uint8)


BUS_ID, SIGN_ID = BUS.id * DIVISOR + 2, SIGN.id * DIVISOR + 7
VIDEO = "video"


def _sequence(site: SeededDataset, name: str) -> list[NamedPicture]:
    """A fresh copy of the clean sequence under another name."""
    shots = [NamedPicture(f"{name}/{shot.name.rpartition('/')[2]}", shot.picture) for shot in site.shots]
    write_video(site.folder, shots)
    return shots


def _recolour(site: SeededDataset, shot: NamedPicture, is_changed: Mask, value: int) -> None:
    ids = site.pixels("masks", shot)
    ids[is_changed] = value
    writers.write_png(site.path("masks", shot), ids)


def _about(shot: NamedPicture, segments: list[int] | None = None, category: str | None = None) -> dict[str, object]:
    return {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", "segments": segments, "category": category}


@seeds_defect(VIDEO)
def track_category(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG351: the bus is a car for one frame, under the same track."""
    shot = _sequence(site, "category")[4]
    bus = site.pixels("masks", shot) == BUS_ID
    fresh = CAR.id * DIVISOR + 2
    _recolour(site, shot, bus, fresh)
    yield site.covering("SEG351", "track 2 is a bus before and after", bus, **_about(shot, [fresh], CAR.name))


@seeds_defect(VIDEO)
def track_duplicate(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG352: a second, distant segment in one frame has the sign's track: a piece of the sky."""
    shot = _sequence(site, "duplicate")[3]
    twin = np.zeros(shot.picture.labels.shape, bool)
    rows, columns = np.nonzero(shot.picture.labels == _label(shot, SIGN_ID))
    twin[rows - rows.min() + 6, columns - columns.min() + 100] = True
    _recolour(site, shot, twin, SIGN_ID)
    yield site.covering("SEG352", "track 7 a second time", twin, **_about(shot, [SIGN_ID], SIGN.name))


@seeds_defect(VIDEO)
def track_gap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG353: the sign, in plain view, is not drawn in two frames."""
    removed = _sequence(site, "gap")[3:5]
    for shot in reversed(removed):
        sign = site.pixels("masks", shot) == SIGN_ID
        _recolour(site, shot, sign, VEGETATION.id * DIVISOR)
    about = _about(removed[0], [SIGN_ID], SIGN.name)
    yield site.covering("SEG353", "track 7 is missing in this frame and the next", sign, **about)


@seeds_defect(VIDEO)
def track_jump(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG354: the sign jumps 60 pixels to the left for one frame."""
    shot = _sequence(site, "jump")[4]
    sign = site.pixels("masks", shot) == SIGN_ID
    moved = np.roll(sign, -60, axis=1)
    _recolour(site, shot, sign, VEGETATION.id * DIVISOR)
    _recolour(site, shot, moved, SIGN_ID)
    yield site.covering("SEG354", "track 7 lies 60 px beside its place", moved, **_about(shot, [SIGN_ID], SIGN.name))


@seeds_defect(VIDEO)
def track_swap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG355: two cars exchange their tracks from the middle of a sequence on, while both are in view."""
    height, width = site.shots[0].picture.labels.shape
    shots = render_video(0, 6, (width, height), "swap", until=0.15)
    write_video(site.folder, shots)
    first, second = CAR.id * DIVISOR + 1, CAR.id * DIVISOR + 6
    for shot in shots[len(shots) // 2 :]:
        ids = site.pixels("masks", shot)
        is_first, is_second = ids == first, ids == second
        ids[is_first], ids[is_second] = second, first
        writers.write_png(site.path("masks", shot), ids)
    shot = shots[len(shots) // 2]
    ids = site.pixels("masks", shot)
    exchanged = (ids == first) | (ids == second)
    yield site.covering(
        "SEG355", "from here on tracks 1 and 6 are exchanged", exchanged, **_about(shot, [first, second], CAR.name)
    )


@seeds_defect(VIDEO)
def frame_order(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG356: a frame is missing, another is there twice."""
    shots = _sequence(site, "frames")
    removed, twice = shots[2], shots[5]
    for kind in ("images", "masks"):
        site.path(kind, removed).unlink()
        site.path(kind, twice).write_bytes(site.path(kind, shots[4]).read_bytes())
    yield site.defect("SEG356", "frame 2 is missing", file=f"images/{removed.name}.jpg")
    yield site.defect("SEG356", "frame 5 repeats frame 4", **_about(twice))


@seeds_defect(VIDEO)
def flicker(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG357: the left tree is vegetation and fence by turns."""
    for shot in _sequence(site, "flicker")[1:-1:2]:
        tree = site.pixels("masks", shot) == VEGETATION.id * DIVISOR
        tree[:, shot.picture.labels.shape[1] // 3 :] = False
        _recolour(site, shot, tree, FENCE.id * DIVISOR)
        yield site.covering(
            "SEG357", "vegetation called fence in every other frame", tree, **_about(shot, category=FENCE.name)
        )


def _label(shot: NamedPicture, value: int) -> int:
    """The label that has an instance id in a picture."""
    labelled = enumerate(shot.picture.segments, start=1)
    return next(label for label, segment in labelled if segment.category.id * DIVISOR + segment.track == value)


ORGAN, VESSEL = 1, 2
VOLUME = "volume"
_NAMES = {ORGAN: "organ", VESSEL: "vessel"}
Volume = NDArray[np.uint8]


def phantom() -> Volume:
    """Labels of 14 slices of 40 x 48 voxels."""
    z, y, x = np.mgrid[:14, :40, :48]
    labels = np.zeros(z.shape, np.uint8)
    labels[((z - 6.5) / 6) ** 2 + ((y - 20) / 13) ** 2 + ((x - 18) / 12) ** 2 < 1] = ORGAN
    labels[3:12, 12, 34] = labels[8, 12, 26:35] = ORGAN
    labels[:, 20, 20] = 0
    labels[(y - 28 + 0.3 * z) ** 2 + (x - 40) ** 2 < 9] = VESSEL
    return labels


@dataclass(frozen=True)
class _Copy:
    """A copy of the phantom under its own name, and where its files are."""

    site: SeededDataset
    name: str
    labels: Volume

    def write(self) -> None:
        """Its slices as images and masks, and what is said of all copies."""
        folder = self.site.folder
        names = [Category(id_, name, (80 * id_, 60, 90), "stuff") for id_, name in _NAMES.items()]
        write_taxonomy(folder / "taxonomy.yaml", names, unlabelled=0)
        sequences = {"pattern": "{sequence}/{frame}.png", "kind": "volume"}
        writers.write_config(folder, coverage="sparse", overlap="forbid", sequences=sequences)
        for number, labels in enumerate(self.labels):
            writers.write_png(folder / "masks" / self.name / f"{number:04d}.png", labels)
            grey = (40 + 70 * labels + 3 * number).astype(np.uint8)
            writers.write_png(folder / "images" / self.name / f"{number:04d}.png", grey)

    def defect(self, code: str, what: str, where: NDArray[np.bool_], category: int) -> SeededDefect:
        """A defect at the first of the slices that have most of it; `where` is in three dimensions."""
        number = int(where.sum(axis=(1, 2)).argmax())
        place = f"{self.name}/{number:04d}.png"
        return self.site.defect(
            code, what, file=f"masks/{place}", image=place, category=_NAMES[category],
            bbox=writers.box_of(where[number]), pixels=int(where.sum()),
        )  # fmt: skip


@seeds_defect(VOLUME)
def slice_gap(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG358: the vessel is not drawn on one slice."""
    copy = _Copy(site, "gap", phantom())
    removed = copy.labels == VESSEL
    removed[np.arange(14) != 6] = False
    copy.labels[removed] = 0
    copy.write()
    yield copy.defect("SEG358", "the vessel is missing on slice 6", removed, VESSEL)


@seeds_defect(VOLUME)
def specks_and_pinholes(site: SeededDataset) -> Iterator[SeededDefect]:
    """SEG106, SEG107: five voxels of the organ that stand alone on two slices; three voxels of a closed hole in it."""
    copy = _Copy(site, "crumbs", phantom())
    speck, hole = (np.zeros(copy.labels.shape, bool) for _ in range(2))
    speck[5, 36:38, 2] = speck[6, 35:38, 2] = True
    hole[4, 18, 14] = hole[5, 18, 13:15] = True
    copy.labels[speck], copy.labels[hole] = ORGAN, 0
    copy.write()
    yield copy.defect("SEG106", "five voxels on two slices", speck, ORGAN)
    yield copy.defect("SEG107", "a hole of three voxels on two slices", hole, ORGAN)
