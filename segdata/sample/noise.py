"""Label noise of every kind, injected into clean labels, with its truth."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segdata.sample import write
from segdata.sample.canvas import Segment
from segdata.sample.redraw import Sheet, free_spot, touching
from segdata.sample.scene import Picture
from segdata.sample.taxonomy import BUS, CAR, PERSON, SIGN, Category
from segdata.sample.write import Json, Shot

ADDED = 700  # tracks of segments that noise made begin here
MISTAKEN: dict[Category, Category] = {CAR: BUS, BUS: CAR, PERSON: SIGN, SIGN: PERSON}

# An injection changes a sheet and says which tracks it touched, before and after; None: it found nothing to change.
Touched = tuple[list[int], list[int], str]
Injection = Callable[[Sheet, np.random.Generator], Touched | None]


def _pick(sheet: Sheet, rng: np.random.Generator, min_pixels: int = 150) -> int | None:
    large = [track for track, (kind, mask) in sheet.things.items() if mask.sum() >= min_pixels and not kind.crowd]
    return int(rng.choice(sorted(large))) if large else None


def missing(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG501: a thing is gone; what is around it took its pixels."""
    if (track := _pick(sheet, rng)) is None:
        return None
    del sheet.things[track]
    return [track], [], "thing removed"


def extra(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG502: a thing where there is none."""
    for track in rng.permutation(sorted(sheet.things)).tolist():
        kind, mask = sheet.things[track]
        if mask.sum() >= 80 and not kind.crowd and (spot := free_spot(sheet, track, rng)) is not None:
            sheet.things[ADDED] = (Segment(kind.category, ADDED), spot)
            return [], [ADDED], "thing added where none is"
    return None


def category(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG503: a thing of another category."""
    if (track := _pick(sheet, rng)) is None:
        return None
    was = sheet.things[track][0].category
    sheet.rename(track, MISTAKEN[was])
    return [track], [track], f"{was.name} called {MISTAKEN[was].name}"


def boundary(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG504: an outline too far out or in, by 3 pixels or a fifth of the thing's radius."""
    if (track := _pick(sheet, rng, 300)) is None:
        return None
    pixels = max(3.0, 0.2 * float(np.sqrt(sheet.things[track][1].sum() / np.pi))) * float(rng.choice([-0.8, 1.0]))
    sheet.grow(track, round(pixels, 1))
    return [track], [track], f"outline moved by {pixels:.1f} px"


def merge(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG505: two touching things of one category as one."""
    pairs = [(track, other) for track in sorted(sheet.things) for other in touching(sheet, track)]
    pairs = [(a, b) for a, b in pairs if not sheet.things[a][0].crowd]
    if not pairs:
        return None
    kept, lost = pairs[int(rng.integers(len(pairs)))]
    sheet.merge(kept, lost)
    return [kept, lost], [kept], "two things as one"


def split(sheet: Sheet, rng: np.random.Generator) -> Touched | None:
    """SEG506: a thing cut in two along an upright line."""
    if (track := _pick(sheet, rng, 300)) is None:
        return None
    segment, mask = sheet.things[track]
    right = mask.copy()
    right[:, : int(np.median(np.nonzero(mask)[1]))] = False
    sheet.things[track] = (segment, mask & ~right)
    sheet.things[ADDED] = (Segment(segment.category, ADDED), right)
    return [track], [track, ADDED], "one thing as two"


def shift(sheet: Sheet, rng: np.random.Generator) -> Touched:
    """SEG507: the whole mask lies some pixels beside its image."""
    across, down = (int(rng.integers(5, 10) * rng.choice([-1, 1])) for _ in range(2))
    height, width = sheet.stuff.shape
    rows, columns = np.clip(np.arange(height) - down, 0, height - 1), np.clip(np.arange(width) - across, 0, width - 1)
    window = np.ix_(rows, columns)
    sheet.stuff = sheet.stuff[window]
    sheet.things = {track: (segment, mask[window]) for track, (segment, mask) in sheet.things.items()}
    tracks = sorted(sheet.things)
    return tracks, tracks, f"mask shifted by ({across}, {down}) px"


INJECTIONS: dict[str, Injection] = {
    "SEG501": missing, "SEG502": extra, "SEG503": category,
    "SEG504": boundary, "SEG505": merge, "SEG506": split, "SEG507": shift,
}  # fmt: skip


def inject(picture: Picture, code: str, rng: np.random.Generator) -> tuple[Picture, Json] | None:
    """A picture with one label error, and its truth; None where the picture offers no occasion.

    The truth holds the ids before (`clean_segments`) and after (`segments`) as the panoptic PNGs have them, and the
    box and number of pixels whose segment changed.
    """
    sheet = Sheet.of(picture)
    touched = INJECTIONS[code](sheet, rng)
    if touched is None:
        return None
    before, after, what = touched
    noisy = sheet.picture()
    changed = _keys(picture) != _keys(noisy)
    truth: Json = {
        "code": code, "what": what, "segments": _ids(noisy, after), "clean_segments": _ids(picture, before),
        "bbox": write.box_of(changed), "pixels": int(changed.sum()),
    }  # fmt: skip
    return noisy, truth


def _keys(picture: Picture) -> np.ndarray:
    """A number for each pixel that tells category and track, whatever the labels are."""
    return np.array([0, *(s.category.id * 100_000 + s.track for s in picture.segments)])[picture.labels]


def _ids(picture: Picture, tracks: list[int]) -> list[int]:
    ids = write.panoptic_ids(picture.segments)
    return [number for number, segment in zip(ids, picture.segments, strict=True) if segment.track in tracks]


def write_noise(folder: Path, shots: Sequence[Shot], seed: int) -> list[Json]:
    """Write the pictures as COCO panoptic, two in three with one error, and truth.json; returns the truth."""
    noisy, truth = [], list[Json]()
    codes = list(INJECTIONS)
    for page, shot in enumerate(shots):
        rng = np.random.default_rng([seed, page, 5])
        injected = None
        for code in [] if page % 3 == 2 else np.roll(codes, -(page - page // 3)).tolist():
            if injected := inject(shot.picture, code, rng):
                break
        noisy.append(Shot(shot.name, injected[0]) if injected else shot)
        if injected:
            truth.append({"image": f"{shot.name}.jpg", **injected[1]})
    write.write_panoptic(folder, noisy)
    write.write_json(folder / "truth.json", truth)
    return truth
