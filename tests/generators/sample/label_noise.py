"""Annotators with known skill and bias, and label errors of every kind: both with the truth of what was done."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.generators.sample import writers
from tests.generators.sample.canvas import Field, Segment, value_noise
from tests.generators.sample.scene import Picture, nearest_label, remove_small_parts
from tests.generators.sample.taxonomy import BUS, BY_NAME, CAR, PERSON, SIGN, Category
from tests.generators.sample.writers import Json, NamedPicture

Mask = NDArray[np.bool_]


def signed_distance(mask: Mask) -> Field:
    """Pixels to the outline of a mask, positive inside: (height, width). Outlines run between pixels."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)


@dataclass
class EditableLabels:
    """A label map to change: `stuff` holds the stuff everywhere, `things` one mask by track."""

    image: NDArray[np.uint8]
    stuff: NDArray[np.int32]
    kinds: list[Segment]
    things: dict[int, tuple[Segment, Mask]]

    @classmethod
    def of(cls, picture: Picture) -> "EditableLabels":
        """The editable labels of a picture; behind things is the nearest stuff."""
        is_thing = np.array([False, *(segment.category.kind == "thing" for segment in picture.segments)])
        things = {
            segment.track: (segment, picture.mask(label))
            for label, segment in enumerate(picture.segments, start=1)
            if is_thing[label]
        }
        return cls(
            picture.image, nearest_label(picture.labels, ~is_thing[picture.labels]), list(picture.segments), things
        )

    def rename(self, track: int, category: Category) -> None:
        """Give a thing another category."""
        segment, mask = self.things[track]
        self.things[track] = (replace(segment, category=category), mask)

    def grow(self, track: int, pixels: float) -> None:
        """Move a thing's outline outwards, or inwards where `pixels` is negative; other things keep their pixels."""
        segment, mask = self.things[track]
        other_pixels = np.zeros_like(mask)
        for other_track, (_, other_mask) in self.things.items():
            other_pixels |= other_mask if other_track != track else False
        self.things[track] = (segment, (signed_distance(mask) > -pixels) & ~other_pixels)

    def merge(self, kept_track: int, lost_track: int) -> None:
        """Make one thing of two."""
        segment, mask = self.things[kept_track]
        self.things[kept_track] = (segment, mask | self.things.pop(lost_track)[1])

    def warp(self, rng: np.random.Generator, pixels: float, cell: float = 12.0) -> None:
        """Move every outline by about `pixels` (standard deviation), in waves of about `cell` pixels."""
        height, width = self.stuff.shape
        # value_noise has a standard deviation of about a half.
        across, down = (value_noise(rng, height, width, cell) * np.float32(2 * pixels) for _ in range(2))
        rows = np.clip(np.round(np.arange(height)[:, None] + down), 0, height - 1).astype(int)
        columns = np.clip(np.round(np.arange(width)[None, :] + across), 0, width - 1).astype(int)
        self.stuff = self.stuff[rows, columns]
        self.things = {track: (segment, mask[rows, columns]) for track, (segment, mask) in self.things.items()}

    def picture(self, min_pixels: int = 12) -> Picture:
        """The labels as a picture again; parts under `min_pixels` are given to their surroundings."""
        labels, segments = self.stuff.copy(), list(self.kinds)
        for segment, mask in self.things.values():
            segments.append(segment)
            labels[mask] = len(segments)
        tidied, old_labels = remove_small_parts(labels, min_pixels)
        return Picture(self.image, tidied, tuple(segments[label - 1] for label in old_labels))


def simplify(mask: Mask, pixels: float) -> Mask:
    """The mask as a coarse polygon: outlines off by up to `pixels`, holes filled."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    coarse = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(coarse, [cv2.approxPolyDP(contour, pixels, True) for contour in contours], 1)
    return coarse.astype(bool)


def _touching_things(sheet: EditableLabels, track: int) -> list[int]:
    """The things of the same category that touch a thing along three pixels or more."""
    segment, mask = sheet.things[track]
    dilated = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    category = segment.category
    return [
        other_track for other_track, (kind, other_mask) in sheet.things.items()
        if other_track != track and kind.category is category and not kind.crowd and (dilated & other_mask).sum() >= 3
    ]  # fmt: skip


def _free_spot(sheet: EditableLabels, track: int, rng: np.random.Generator) -> Mask | None:
    """The shape of a thing, mirrored and moved to where there is no thing, or None if there is no room."""
    mask = sheet.things[track][1]
    is_taken = np.any([other_mask for _, other_mask in sheet.things.values()], axis=0)
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    for _ in range(200):
        down, left = int(rng.integers(-12, 13)), int(rng.integers(0, width - np.ptp(columns)))
        y, x = rows + down, left + (columns.max() - columns)
        if y.min() >= 0 and y.max() < height and not is_taken[y, x].any():
            spot = np.zeros_like(mask)
            spot[y, x] = True
            return spot
    return None


_INVENTED = 500  # tracks of things that an annotator made up begin here


@dataclass(frozen=True)
class Annotator:
    """The errors of an annotator; rates are probabilities for each thing.

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


def annotate(picture: Picture, annotator: Annotator, rng: np.random.Generator) -> tuple[Picture, dict[int, list[str]]]:
    """An annotator's version of a picture, and the changes to each thing, by track."""
    sheet = EditableLabels.of(picture)
    done: dict[int, list[str]] = {track: [] for track in sheet.things}
    if annotator.jitter_px:
        sheet.warp(rng, annotator.jitter_px)
    for track in sorted(sheet.things):
        if track in sheet.things:
            _redraw(sheet, track, annotator, rng, done)
    if sheet.things and rng.random() < annotator.invent_rate:
        _invent(sheet, rng, done)
    result = sheet.picture()
    remaining = {segment.track for segment in result.segments}
    for track, deeds in done.items():
        # What a hand made too small to see is missed as well.
        if track not in remaining and not any(deed == "missed" or deed.startswith("merged into") for deed in deeds):
            deeds.append("missed")
    return result, done


def _redraw(
    sheet: EditableLabels, track: int, annotator: Annotator, rng: np.random.Generator, done: dict[int, list[str]]
) -> None:
    """Change one thing as its annotator does; one random number for each kind of error, whether it is used or not."""
    missed, confused, merged = rng.random(3)
    segment, mask = sheet.things[track]
    if mask.sum() < annotator.small_pixels and missed < annotator.miss_rate:
        del sheet.things[track]
        done[track].append("missed")
        return
    target, rate = annotator.confusions.get(segment.category.name, ("", 0.0))
    if confused < rate:
        sheet.rename(track, BY_NAME[target])
        done[track].append(f"called {target}")
    if merged < annotator.merge_rate and (neighbours := _touching_things(sheet, track)):
        sheet.merge(track, neighbours[0])
        done[neighbours[0]].append(f"merged into {track}")
        done[track].append(f"took in {neighbours[0]}")
    if annotator.coarse_px:
        kind, outline = sheet.things[track]
        sheet.things[track] = (kind, simplify(outline, annotator.coarse_px))
    if pixels := annotator.grow_px.get(segment.category.name, 0.0):
        sheet.grow(track, pixels)
        done[track].append(f"grown by {pixels:g} px")


def _invent(sheet: EditableLabels, rng: np.random.Generator, done: dict[int, list[str]]) -> None:
    model = int(rng.choice(sorted(sheet.things)))
    spot = _free_spot(sheet, model, rng)
    if spot is not None:
        track = _INVENTED + model
        sheet.things[track] = (Segment(sheet.things[model][0].category, track), spot)
        done[track] = ["invented"]


def write_annotators(folder: Path, shots: Sequence[NamedPicture], seed: int) -> Json:
    """Write each annotator's labels, as COCO panoptic, and truth.json; returns the truth."""
    truth: Json = {"annotators": {}, "objects": []}
    for annotator in ANNOTATORS:
        pages = [page for page in range(len(shots)) if page not in annotator.skips]
        pictures: list[NamedPicture] = []
        for page in pages:
            name, picture = shots[page]
            if page in annotator.leaves_empty:
                pictures.append(NamedPicture(name, Picture(picture.image, np.zeros_like(picture.labels), ())))
                continue
            sheet, done = annotate(picture, annotator, np.random.default_rng([seed, page, *annotator.name.encode()]))
            pictures.append(NamedPicture(name, sheet))
            truth["objects"] += _object_entries(annotator, shots[page], sheet, done)
        writers.write_panoptic(folder / annotator.name, pictures, listed=shots)
        truth["annotators"][annotator.name] = asdict(annotator) | {
            "skipped": [f"{shots[page].name}.jpg" for page in annotator.skips if page < len(shots)],
            "empty": [f"{shots[page].name}.jpg" for page in annotator.leaves_empty if page < len(shots)],
        }
    writers.write_json(folder / "truth.json", truth)
    return truth


def _object_entries(
    annotator: Annotator, shot: NamedPicture, annotated: Picture, done: dict[int, list[str]]
) -> list[Json]:
    """One entry per thing: its id in the clean panoptic PNG, its id in the annotator's, and the changes to it."""
    nothing = None, None
    true_segments, drawn_segments = _segments_by_track(shot.picture), _segments_by_track(annotated)
    return [
        {
            "annotator": annotator.name, "image": f"{shot.name}.jpg", "track": track, "done": deeds,
            "segment": true_segments.get(track, nothing)[0], "category": true_segments.get(track, nothing)[1],
            "drawn": drawn_segments.get(track, nothing)[0], "drawn_category": drawn_segments.get(track, nothing)[1],
        }
        for track, deeds in done.items()
    ]  # fmt: skip


def _segments_by_track(picture: Picture) -> dict[int, tuple[int, str]]:
    ids = writers.panoptic_ids(picture.segments)
    with_ids = zip(picture.segments, ids, strict=True)
    return {
        segment.track: (number, segment.category.name)
        for segment, number in with_ids
        if segment.category.kind == "thing"
    }


_ADDED = 700  # tracks of segments that noise made begin here
_MISTAKEN: dict[Category, Category] = {CAR: BUS, BUS: CAR, PERSON: SIGN, SIGN: PERSON}

# An injection changes a sheet and says which tracks it touched, before and after; None: it found nothing to change.
_ChangedTracks = tuple[list[int], list[int], str]
_Injection = Callable[[EditableLabels, np.random.Generator], _ChangedTracks | None]


def _pick_thing(sheet: EditableLabels, rng: np.random.Generator, min_pixels: int = 150) -> int | None:
    large = [track for track, (kind, mask) in sheet.things.items() if mask.sum() >= min_pixels and not kind.crowd]
    return int(rng.choice(sorted(large))) if large else None


def _remove_thing(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG501: a thing is gone; what is around it took its pixels."""
    if (track := _pick_thing(sheet, rng)) is None:
        return None
    del sheet.things[track]
    return [track], [], "thing removed"


def _add_thing(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG502: a thing where there is none."""
    for track in rng.permutation(sorted(sheet.things)).tolist():
        kind, mask = sheet.things[track]
        if mask.sum() >= 80 and not kind.crowd and (spot := _free_spot(sheet, track, rng)) is not None:
            sheet.things[_ADDED] = (Segment(kind.category, _ADDED), spot)
            return [], [_ADDED], "thing added where none is"
    return None


def change_category(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG503: a thing of another category."""
    if (track := _pick_thing(sheet, rng)) is None:
        return None
    was = sheet.things[track][0].category
    sheet.rename(track, _MISTAKEN[was])
    return [track], [track], f"{was.name} called {_MISTAKEN[was].name}"


def _move_boundary(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG504: an outline too far out or in, by 3 pixels or a fifth of the thing's radius."""
    if (track := _pick_thing(sheet, rng, 300)) is None:
        return None
    pixels = max(3.0, 0.2 * float(np.sqrt(sheet.things[track][1].sum() / np.pi))) * float(rng.choice([-0.8, 1.0]))
    sheet.grow(track, round(pixels, 1))
    return [track], [track], f"outline moved by {pixels:.1f} px"


def _merge_things(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG505: two touching things of one category as one."""
    pairs = [(track, neighbour) for track in sorted(sheet.things) for neighbour in _touching_things(sheet, track)]
    pairs = [(a, b) for a, b in pairs if not sheet.things[a][0].crowd]
    if not pairs:
        return None
    kept_track, lost_track = pairs[int(rng.integers(len(pairs)))]
    sheet.merge(kept_track, lost_track)
    return [kept_track, lost_track], [kept_track], "two things as one"


def _split_thing(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks | None:
    """SEG506: a thing cut in two along an upright line."""
    if (track := _pick_thing(sheet, rng, 300)) is None:
        return None
    segment, mask = sheet.things[track]
    right_part = mask.copy()
    right_part[:, : int(np.median(np.nonzero(mask)[1]))] = False
    sheet.things[track] = (segment, mask & ~right_part)
    sheet.things[_ADDED] = (Segment(segment.category, _ADDED), right_part)
    return [track], [track, _ADDED], "one thing as two"


def _shift_mask(sheet: EditableLabels, rng: np.random.Generator) -> _ChangedTracks:
    """SEG507: the whole mask lies some pixels beside its image."""
    across, down = (int(rng.integers(5, 10) * rng.choice([-1, 1])) for _ in range(2))
    height, width = sheet.stuff.shape
    rows, columns = np.clip(np.arange(height) - down, 0, height - 1), np.clip(np.arange(width) - across, 0, width - 1)
    window = np.ix_(rows, columns)
    sheet.stuff = sheet.stuff[window]
    sheet.things = {track: (segment, mask[window]) for track, (segment, mask) in sheet.things.items()}
    tracks = sorted(sheet.things)
    return tracks, tracks, f"mask shifted by ({across}, {down}) px"


INJECTIONS: dict[str, _Injection] = {
    "SEG501": _remove_thing, "SEG502": _add_thing, "SEG503": change_category,
    "SEG504": _move_boundary, "SEG505": _merge_things, "SEG506": _split_thing, "SEG507": _shift_mask,
}  # fmt: skip


def inject(picture: Picture, code: str, rng: np.random.Generator) -> tuple[Picture, Json] | None:
    """A picture with one label error, and its truth; None if the picture has nothing to change.

    The truth holds the ids before (`clean_segments`) and after (`segments`) as the panoptic PNGs have them, and the
    box and number of pixels whose segment changed.
    """
    sheet = EditableLabels.of(picture)
    touched = INJECTIONS[code](sheet, rng)
    if touched is None:
        return None
    before, after, note = touched
    noisy = sheet.picture()
    changed = _segment_keys(picture) != _segment_keys(noisy)
    truth: Json = {
        "code": code, "what": note,
        "segments": _panoptic_ids_of(noisy, after), "clean_segments": _panoptic_ids_of(picture, before),
        "bbox": writers.box_of(changed), "pixels": int(changed.sum()),
    }  # fmt: skip
    return noisy, truth


def _segment_keys(picture: Picture) -> np.ndarray:
    """A number for each pixel made of category and track, independent of labels."""
    return np.array([0, *(s.category.id * 100_000 + s.track for s in picture.segments)])[picture.labels]


def _panoptic_ids_of(picture: Picture, tracks: list[int]) -> list[int]:
    ids = writers.panoptic_ids(picture.segments)
    return [number for number, segment in zip(ids, picture.segments, strict=True) if segment.track in tracks]


def write_noise(folder: Path, shots: Sequence[NamedPicture], seed: int) -> list[Json]:
    """Write the pictures as COCO panoptic, two in three with one error, and truth.json; returns the truth."""
    noisy, truth = [], list[Json]()
    codes = list(INJECTIONS)
    for page, shot in enumerate(shots):
        rng = np.random.default_rng([seed, page, 5])
        injected = None
        for code in [] if page % 3 == 2 else np.roll(codes, -(page - page // 3)).tolist():
            if injected := inject(shot.picture, code, rng):
                break
        noisy.append(NamedPicture(shot.name, injected[0]) if injected else shot)
        if injected:
            truth.append({"image": f"{shot.name}.jpg", **injected[1]})
    writers.write_panoptic(folder, noisy)
    writers.write_json(folder / "truth.json", truth)
    return truth
