"""Defects of video: each in its own copy of one clean sequence."""

from collections.abc import Iterator

import numpy as np

from segdata.sample import write
from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Mask, Site
from segdata.sample.taxonomy import BUS, CAR, FENCE, SIGN, VEGETATION
from segdata.sample.video import film, write_film
from segdata.sample.write import DIVISOR, Shot

BUS_ID, SIGN_ID = BUS.id * DIVISOR + 2, SIGN.id * DIVISOR + 7
SET = "video"


def _sequence(site: Site, name: str) -> list[Shot]:
    """A fresh copy of the clean sequence under another name."""
    shots = [Shot(f"{name}/{shot.name.rpartition('/')[2]}", shot.picture) for shot in site.shots]
    write_film(site.folder, shots)
    return shots


def _recolour(site: Site, shot: Shot, where: Mask, value: int) -> None:
    ids = site.pixels("masks", shot)
    ids[where] = value
    write.write_png(site.path("masks", shot), ids)


def _about(shot: Shot, segments: list[int] | None = None, category: str | None = None) -> dict[str, object]:
    return {"file": f"masks/{shot.name}.png", "image": f"{shot.name}.jpg", "segments": segments, "category": category}


@seeds(SET)
def track_category(site: Site) -> Iterator[Defect]:
    """SEG351: the bus is a car for one frame, under the same track."""
    shot = _sequence(site, "category")[4]
    bus = site.pixels("masks", shot) == BUS_ID
    fresh = CAR.id * DIVISOR + 2
    _recolour(site, shot, bus, fresh)
    yield site.covering("SEG351", "track 2 is a bus before and after", bus, **_about(shot, [fresh], CAR.name))


@seeds(SET)
def track_duplicate(site: Site) -> Iterator[Defect]:
    """SEG352: a second, distant segment in one frame has the sign's track: a piece of the sky."""
    shot = _sequence(site, "duplicate")[3]
    twin = np.zeros(shot.picture.labels.shape, bool)
    rows, columns = np.nonzero(shot.picture.labels == _label(shot, SIGN_ID))
    twin[rows - rows.min() + 6, columns - columns.min() + 100] = True
    _recolour(site, shot, twin, SIGN_ID)
    yield site.covering("SEG352", "track 7 a second time", twin, **_about(shot, [SIGN_ID], SIGN.name))


@seeds(SET)
def track_gap(site: Site) -> Iterator[Defect]:
    """SEG353: the sign, in plain view, is not drawn in two frames."""
    gone = _sequence(site, "gap")[3:5]
    for shot in reversed(gone):
        sign = site.pixels("masks", shot) == SIGN_ID
        _recolour(site, shot, sign, VEGETATION.id * DIVISOR)
    where = _about(gone[0], [SIGN_ID], SIGN.name)
    yield site.covering("SEG353", "track 7 is missing in this frame and the next", sign, **where)


@seeds(SET)
def track_jump(site: Site) -> Iterator[Defect]:
    """SEG354: the sign jumps 60 pixels to the left for one frame."""
    shot = _sequence(site, "jump")[4]
    sign = site.pixels("masks", shot) == SIGN_ID
    moved = np.roll(sign, -60, axis=1)
    _recolour(site, shot, sign, VEGETATION.id * DIVISOR)
    _recolour(site, shot, moved, SIGN_ID)
    yield site.covering("SEG354", "track 7 lies 60 px beside its place", moved, **_about(shot, [SIGN_ID], SIGN.name))


@seeds(SET)
def track_swap(site: Site) -> Iterator[Defect]:
    """SEG355: two cars exchange their tracks from the middle of a sequence on, while both are in view."""
    height, width = site.shots[0].picture.labels.shape
    shots = film(0, 6, (width, height), "swap", until=0.15)
    write_film(site.folder, shots)
    first, second = CAR.id * DIVISOR + 1, CAR.id * DIVISOR + 6
    for shot in shots[len(shots) // 2 :]:
        ids = site.pixels("masks", shot)
        one, other = ids == first, ids == second
        ids[one], ids[other] = second, first
        write.write_png(site.path("masks", shot), ids)
    shot = shots[len(shots) // 2]
    ids = site.pixels("masks", shot)
    both = (ids == first) | (ids == second)
    yield site.covering(
        "SEG355", "from here on tracks 1 and 6 are exchanged", both, **_about(shot, [first, second], CAR.name)
    )


@seeds(SET)
def frame_order(site: Site) -> Iterator[Defect]:
    """SEG356: a frame is missing, another is there twice."""
    shots = _sequence(site, "frames")
    gone, twice = shots[2], shots[5]
    for kind in ("images", "masks"):
        site.path(kind, gone).unlink()
        site.path(kind, twice).write_bytes(site.path(kind, shots[4]).read_bytes())
    yield site.defect("SEG356", "frame 2 is missing", file=f"images/{gone.name}.jpg")
    yield site.defect("SEG356", "frame 5 repeats frame 4", **_about(twice))


@seeds(SET)
def flicker(site: Site) -> Iterator[Defect]:
    """SEG357: the left tree is vegetation and fence by turns."""
    for shot in _sequence(site, "flicker")[1:-1:2]:
        tree = site.pixels("masks", shot) == VEGETATION.id * DIVISOR
        tree[:, shot.picture.labels.shape[1] // 3 :] = False
        _recolour(site, shot, tree, FENCE.id * DIVISOR)
        yield site.covering(
            "SEG357", "vegetation called fence in every other frame", tree, **_about(shot, category=FENCE.name)
        )


def _label(shot: Shot, value: int) -> int:
    """The label that has an instance id in a picture."""
    named = enumerate(shot.picture.segments, start=1)
    return next(label for label, segment in named if segment.category.id * DIVISOR + segment.track == value)
