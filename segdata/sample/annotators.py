"""Annotators with known skill and bias, so that what agreement finds can be held against what was put in."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from segdata.sample import write
from segdata.sample.canvas import Segment
from segdata.sample.redraw import Sheet, free_spot, simplified, touching
from segdata.sample.scene import Picture
from segdata.sample.taxonomy import BUS, BY_NAME, CAR, PERSON, SIGN
from segdata.sample.write import Json, Shot

INVENTED = 500  # tracks of things that an annotator made up begin here


@dataclass(frozen=True)
class Annotator:
    """How somebody draws; rates are probabilities for each thing.

    `jitter_px`: standard deviation of the outlines. `grow_px`: outward bias by category. `coarse_px`: tolerance of the
    polygons, which also fill holes; 0 draws pixels. `miss_rate`: for things under `small_pixels`. `confusions`: by
    category, what it is taken for, and how often. `merge_rate`: for things that touch their own kind.
    `invent_rate`: for a picture. `skips`: positions of pictures not annotated. `leaves_empty`: of those annotated
    without a segment.
    """

    name: str
    jitter_px: float = 0.0
    grow_px: dict[str, float] = field(default_factory=dict)
    coarse_px: float = 0.0
    small_pixels: int = 0
    miss_rate: float = 0.0
    confusions: dict[str, tuple[str, float]] = field(default_factory=dict)
    merge_rate: float = 0.0
    invent_rate: float = 0.0
    skips: tuple[int, ...] = ()
    leaves_empty: tuple[int, ...] = ()


ANNOTATORS = (
    Annotator("gold", jitter_px=0.25),
    Annotator("careful", jitter_px=0.6, small_pixels=120, miss_rate=0.06),
    Annotator(
        "hurried", jitter_px=1.2, coarse_px=1.5, small_pixels=260, miss_rate=0.4, merge_rate=0.5, invent_rate=0.15,
        skips=(3,), leaves_empty=(2,),
    ),
    Annotator(
        "biased", jitter_px=0.6, grow_px={PERSON.name: 2.0, CAR.name: 2.0, SIGN.name: -1.0},
        confusions={BUS.name: (CAR.name, 0.35)},
    ),
)  # fmt: skip


def annotate(picture: Picture, who: Annotator, rng: np.random.Generator) -> tuple[Picture, dict[int, list[str]]]:
    """What an annotator draws of a picture, and what they did to each thing, by track."""
    sheet = Sheet.of(picture)
    done: dict[int, list[str]] = {track: [] for track in sheet.things}
    if who.jitter_px:
        sheet.warp(rng, who.jitter_px)
    for track in sorted(sheet.things):
        if track in sheet.things:
            _redraw(sheet, track, who, rng, done)
    if sheet.things and rng.random() < who.invent_rate:
        _invent(sheet, rng, done)
    drawn = sheet.picture()
    left = {segment.track for segment in drawn.segments}
    for track, deeds in done.items():
        # What a hand made too small to see is missed as well.
        if track not in left and not any(deed == "missed" or deed.startswith("merged into") for deed in deeds):
            deeds.append("missed")
    return drawn, done


def _redraw(sheet: Sheet, track: int, who: Annotator, rng: np.random.Generator, done: dict[int, list[str]]) -> None:
    """Do to one thing what its annotator does; one draw of chance for each temptation, whatever comes of it."""
    missed, confused, merged = rng.random(3)
    segment, mask = sheet.things[track]
    if mask.sum() < who.small_pixels and missed < who.miss_rate:
        del sheet.things[track]
        done[track].append("missed")
        return
    target, rate = who.confusions.get(segment.category.name, ("", 0.0))
    if confused < rate:
        sheet.rename(track, BY_NAME[target])
        done[track].append(f"called {target}")
    if merged < who.merge_rate and (neighbours := touching(sheet, track)):
        sheet.merge(track, neighbours[0])
        done[neighbours[0]].append(f"merged into {track}")
        done[track].append(f"took in {neighbours[0]}")
    if who.coarse_px:
        kind, drawn = sheet.things[track]
        sheet.things[track] = (kind, simplified(drawn, who.coarse_px))
    if pixels := who.grow_px.get(segment.category.name, 0.0):
        sheet.grow(track, pixels)
        done[track].append(f"grown by {pixels:g} px")


def _invent(sheet: Sheet, rng: np.random.Generator, done: dict[int, list[str]]) -> None:
    model = int(rng.choice(sorted(sheet.things)))
    spot = free_spot(sheet, model, rng)
    if spot is not None:
        track = INVENTED + model
        sheet.things[track] = (Segment(sheet.things[model][0].category, track), spot)
        done[track] = ["invented"]


def write_annotators(folder: Path, shots: Sequence[Shot], seed: int) -> Json:
    """Write what each annotator drew, as COCO panoptic, and truth.json; returns the truth."""
    truth: Json = {"annotators": {}, "objects": []}
    for who in ANNOTATORS:
        pages = [page for page in range(len(shots)) if page not in who.skips]
        drawn: list[Shot] = []
        for page in pages:
            name, picture = shots[page]
            if page in who.leaves_empty:
                drawn.append(Shot(name, Picture(picture.image, np.zeros_like(picture.labels), ())))
                continue
            sheet, done = annotate(picture, who, np.random.default_rng([seed, page, *who.name.encode()]))
            drawn.append(Shot(name, sheet))
            truth["objects"] += _objects(who, shots[page], sheet, done)
        write.write_panoptic(folder / who.name, drawn, listed=shots)
        truth["annotators"][who.name] = asdict(who) | {
            "skipped": [f"{shots[page].name}.jpg" for page in who.skips if page < len(shots)],
            "empty": [f"{shots[page].name}.jpg" for page in who.leaves_empty if page < len(shots)],
        }
    write.write_json(folder / "truth.json", truth)
    return truth


def _objects(who: Annotator, shot: Shot, drawn: Picture, done: dict[int, list[str]]) -> list[Json]:
    """One entry a thing: its id in the clean panoptic PNG, its id in the annotator's, and what was done to it."""
    true, mine = _by_track(shot.picture), _by_track(drawn)
    return [
        {
            "annotator": who.name, "image": f"{shot.name}.jpg", "track": track, "done": deeds,
            "segment": true.get(track, (None, None))[0], "category": true.get(track, (None, None))[1],
            "drawn": mine.get(track, (None, None))[0], "drawn_category": mine.get(track, (None, None))[1],
        }
        for track, deeds in done.items()
    ]  # fmt: skip


def _by_track(picture: Picture) -> dict[int, tuple[int, str]]:
    ids = write.panoptic_ids(picture.segments)
    named = zip(picture.segments, ids, strict=True)
    return {
        segment.track: (number, segment.category.name) for segment, number in named if segment.category.kind == "thing"
    }
