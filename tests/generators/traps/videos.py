"""Traps of videos: MOTS, DAVIS, KITTI-STEP and YouTube-VIS."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.core.schema import runs_to_rle
from segdata.testing.pictures import runs_of_masks
from tests.generators.traps.trap import Mask, TrueSegment, Truth, trap

Pixels = NDArray[np.uint8 | np.uint16]
_COLOURS = [0, 0, 0, 200, 10, 10, 10, 200, 10, 10, 10, 200] + [90] * 756


def grey(path: Path, values: object, dtype: type[np.uint8 | np.uint16] = np.uint16) -> Pixels:
    """Save a grey PNG; tells its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels: Pixels = np.array(values, dtype)
    Image.fromarray(pixels).save(path)
    return pixels


def palette(path: Path, values: object) -> Pixels:
    """Save a palette PNG; tells its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.array(values, np.uint8)
    picture = Image.fromarray(pixels)
    picture.putpalette(_COLOURS)
    picture.save(path)
    return pixels


def rle(mask: Mask) -> dict[str, object]:
    """A compressed RLE of COCO."""
    height, width = mask.shape
    counts = runs_to_rle(runs_of_masks([mask]), np.array([height]), np.array([width]))
    return {"size": [height, width], "counts": counts[0].as_py().decode()}


def box(left: int, right: int) -> Mask:
    """A mask of 12 x 10 pixels that is True in some columns."""
    mask = np.zeros((12, 10), bool)
    mask[:, left:right] = True
    return mask


@trap("T40", format=None)
def mots_classes_begin_with_car(folder: Path) -> Truth:
    """MOTS masks without a list of labels: class 1 is car, 2 pedestrian, and 10000 a region to be ignored.

    Datumaro 1.13.12 calls class 1 background and class 2 car, and writes the ignored region as 4000.
    """
    pixels = grey(folder / "instances/0002/000000.png", [[0, 1000, 1004, 2004, 10000]])
    said = ((1000, "car", 1000), (1004, "car", 1004), (2004, "pedestrian", 2004), (10000, "ignored", None))
    segments = [TrueSegment("0002/000000.png", name, pixels == value, track=track) for value, name, track in said]
    return Truth(segments=segments)


@trap("T40", format="mots")
def mots_ignored_stays_ignored(folder: Path) -> Truth:
    """The same regions, written again.

    Datumaro 1.13.12 writes the ignored region as 4000, which is a class of its own.
    """
    pixels = grey(folder / "instances/0002/000000.png", [[1000, 10000, 10000]])
    segments = [
        TrueSegment("0002/000000.png", "car", pixels == 1000, track=1000),
        TrueSegment("0002/000000.png", "ignored", pixels == 10000),
    ]
    return Truth(segments=segments, to="mots")


@trap("T39", format="mots")
def mots_of_sixteen_bits(folder: Path) -> Truth:
    """Ids beyond 8 bits, among them those that would be 0, 255 or each other's in 8 bits.

    Pillow's `convert("L")` makes 255 of them all, OpenCV's grey reading keeps the high byte.
    """
    pixels = grey(folder / "instances/0002/000000.png", [[1024, 1279, 1280, 2048, 2303]])
    segments = [
        TrueSegment("0002/000000.png", "car" if value < 2000 else "pedestrian", pixels == value, track=value)
        for value in pixels[0].tolist()
    ]
    return Truth(segments=segments)


@trap("T39", format="mots")
def mots_saved_with_eight_bits(folder: Path) -> Truth:
    """Ids that were saved with 8 bits have wrapped: nothing tells which they were, so nothing may be made of them."""
    grey(folder / "instances/0002/000000.png", [[0, 1001 % 256, 2001 % 256]], np.uint8)
    return Truth(findings=["SEG010"])


@trap("T42", format="mots")
def an_id_twice_in_a_frame(folder: Path) -> Truth:
    """Two lines of one frame have the same id.

    mots_tools stops with an assertion; who keeps a dictionary by id loses the first of them.
    """
    first, second = box(0, 3), box(5, 7)
    lines = [f"0 2001 2 12 10 {rle(mask)['counts']}\n" for mask in (first, second)]
    (folder / "0002.txt").write_text("".join(lines), encoding="utf-8")
    segments = [TrueSegment("0002/000000.png", "pedestrian", mask, track=2001) for mask in (first, second)]
    return Truth(segments=segments, findings=["SEG008"])


@trap("T42", format="youtube-vis")
def a_list_shorter_than_the_video(folder: Path) -> Truth:
    """A track with two segmentations in a video of three frames, beside a sound one.

    Who pairs lists by position reads masks into frames that they may not belong to.
    """
    mask = box(2, 5)
    video = {"id": 1, "width": 10, "height": 12, "length": 3, "file_names": [f"v/{k:05d}.jpg" for k in range(3)]}
    content = {
        "videos": [video],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 1, "segmentations": [rle(mask), None]},
            {"id": 2, "video_id": 1, "category_id": 1, "segmentations": [None, None, rle(mask)]},
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")
    return Truth("instances.json", [TrueSegment("v/00002.jpg", "cat", mask, track=2)], findings=["SEG004"])


@trap("T43", format=None)
def an_object_that_appears_late(folder: Path) -> Truth:
    """The second object of a video is not in its first frame.

    The official evaluation of DAVIS 2017 counts objects by the highest index of the first frame, and never sees it.
    """
    palette(folder / "Annotations/480p/bear/00000.png", [[0, 1, 1]])
    pixels = palette(folder / "Annotations/480p/bear/00001.png", [[2, 2, 1]])
    segments = [TrueSegment("bear/00000.png", "object", np.array([[False, True, True]]), track=1)]
    segments += [TrueSegment("bear/00001.png", "object", pixels == value, track=value) for value in (1, 2)]
    return Truth(segments=segments)


@trap("T44", format="davis")
def davis_2016_is_foreground(folder: Path) -> Truth:
    """In DAVIS 2016 the value 255 is the object: who reads it as DAVIS 2017 finds nothing but void."""
    pixels = grey(folder / "Annotations/480p/bear/00000.png", [[0, 255, 255]], np.uint8)
    sets = folder / "ImageSets/2016"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("bear\n", encoding="utf-8")
    return Truth(segments=[TrueSegment("bear/00000.png", "object", pixels == 255, track=1)])


@trap("T44", format="davis")
def davis_2017_is_void(folder: Path) -> Truth:
    """In DAVIS 2017 the value 255 is void, also in a video that has nothing else, for its lists are of 2017."""
    pixels = palette(folder / "Annotations/480p/bear/00000.png", [[0, 255, 255]])
    for year in ("2016", "2017"):
        sets = folder / "ImageSets" / year
        sets.mkdir(parents=True)
        (sets / "train.txt").write_text("bear\n", encoding="utf-8")
    return Truth(segments=[TrueSegment("bear/00000.png", "void", pixels == 255)])


@trap("T44", format="davis")
def nothing_tells_what_255_is(folder: Path) -> Truth:
    """One video holds 0 and 255 alone, another one numbers of objects, and there are no lists: it has to be asked."""
    palette(folder / "bear/00000.png", [[0, 255]])
    palette(folder / "tennis/00000.png", [[0, 1]])
    return Truth(refused="give the option year=2016")


@trap("T38", format="davis")
def the_index_of_a_palette_is_the_object(folder: Path) -> Truth:
    """A palette whose colours have little to do with the indices.

    OpenCV's grey reading gives luminances, Pillow's `convert("L")` too.
    """
    pixels = palette(folder / "Annotations/480p/bear/00000.png", [[0, 1, 2, 3, 255]])
    segments = [TrueSegment("bear/00000.png", "object", pixels == value, track=value) for value in (1, 2, 3)]
    segments.append(TrueSegment("bear/00000.png", "void", pixels == 255))
    return Truth(segments=segments)


@trap("T30", format="kitti-step")
def step_classes_may_be_either_benchmarks(folder: Path) -> Truth:
    """Classes 0, 4 and 6 alone: road, fence and traffic light of KITTI-STEP, or what MOTChallenge-STEP calls so."""
    path = folder / "panoptic_maps/train/0001/000000.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.array([[[0, 0, 0], [4, 0, 1], [6, 0, 0]]], np.uint8)).save(path)
    return Truth(refused="give the option labels=kitti")
