"""Rules of splits, balance, companions, empty images and taxonomies against loops that say what their pages say."""

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats
from skimage.color import rgb2lab

from segdata.core.profile import ImageSequence
from segdata.core.resampling import StratifiedGroups
from segdata.core.rule import Tables, rules
from segdata.core.table import Table
from segdata.core.taxonomy import Attribute, Category, ExpectedCategory, SizeLimits, Taxonomy
from segdata.rules import annotator_drift, missing_companion, occlusion_treatment
from segdata.rules.annotator_drift import GroupFeature
from tests.rules.campaigns import with_tables
from tests.rules.test_rules_by_loops import CAR, HAZE, PERSON, ROAD, SEEDS, SIGN, TREE, check, images, scattered, whole

NAMES = {CAR: "car", PERSON: "person", ROAD: "road", HAZE: "haze", SIGN: "sign", TREE: "tree"}


def in_splits(tables: Tables, splits: list[str | None], by: str | None = None, **columns: Any) -> Tables:
    """The tables with the splits of their images, and other columns."""
    own = tables.images.beside(split=np.array(splits, object), **columns)
    undeclared = np.full(len(tables.segments), np.nan)
    segments = tables.segments.beside(declared_width=undeclared, declared_height=undeclared)
    return replace(tables, images=own, segments=segments, profile=replace(tables.profile, by=by))


def some_tables(rng: np.random.Generator, n_images: int, n: int) -> Tables:
    """Random segments in images; crowds, void and segments without pixels among them."""
    tables = scattered(rng, images(n_images, 6, 5), n)
    empty = rng.random(n) < 0.1
    return replace(tables, segments=tables.segments.beside(area=np.where(empty, 0, tables.segments["area"])))


def rows_of(tables: Tables, *, void: bool = False, empty: bool = False) -> list[tuple[int, int, int, bool]]:
    """Image, category, area and whether it is a crowd of each segment that counts."""
    columns = (whole(tables, name) for name in ("image", "category_id", "area", "iscrowd"))
    return [row for row in zip(*columns, strict=True) if (void or row[1] != HAZE) and (empty or row[2] > 0)]


@pytest.mark.parametrize("seed", range(30))
def test_categories_that_a_split_lacks_by_chance_or_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 14
    tables = some_tables(rng, n, int(rng.integers(8, 30)))
    splits = [[None, "train", "train", "val", "test"][int(rng.integers(5))] for _ in range(n)]
    groups = [f"g{int(rng.integers(3))}" if rng.random() < 0.3 else None for _ in range(n)]
    limit = float(rng.choice([0.05, 0.31, 0.61]))
    tables = in_splits(tables, splits, group=np.array(groups, object))
    unit = [group if group is not None else str(k) for k, group in enumerate(groups)]
    seen = {(splits[image], unit[image], category) for image, category, _, _ in rows_of(tables) if splits[image]}
    size = Counter(split for split, _ in {(split, one) for split, one, _ in seen})
    sure, rare = [], {}
    own = {split: {category for name, _, category in seen if name == split} for split in size}
    apart = [
        split
        for split, n_units in sorted(size.items())
        if not own[split] & {category for other in size if other != split for category in own[other]}
        and stats.hypergeom.pmf(0, sum(size.values()), sum(size.values()) - n_units, n_units) <= limit
    ]
    if len(apart) == len(size):
        apart.remove(max(apart, key=size.__getitem__))
    named = {f"{split!r} (" for split in apart}
    seen = {row for row in seen if row[0] not in apart}
    size = Counter({split: count for split, count in size.items() if split not in apart})
    for category in sorted({category for _, _, category in seen}):
        having = Counter(split for split, _, one in seen if one == category)
        for split in sorted(size, key=str):
            if split in having or len(size) < 2:
                continue
            total, has = sum(size.values()), sum(having.values())
            chance = float(stats.hypergeom.pmf(0, total, has, size[split]))
            if chance > limit:
                rare.setdefault(split, []).append(NAMES[category])
            else:
                words = "less than 0.1%" if chance < 0.001 else f"{chance:.1%}"
                sure.append(
                    f"no {NAMES[category]!r} in {split!r} (of {total} annotated images, or groups of them, it has "
                    f"{size[split]}); {has} of the others have it: a random division would leave it out in {words} of "
                    "cases"
                )
    found = check("SEG303", tables, max_chance=limit)
    in_common = [one.message for one in found if "no category in common" in one.message]
    assert {message[: message.index("(") + 1] for message in in_common} == named
    assert [one.message for one in found if one.severity is None and one.message not in in_common] == sure
    told = {
        f"{split!r} lacks {len(names)} rare {'category' if len(names) == 1 else 'categories'}: {', '.join(names)}":
            names[0] if len(names) == 1 else None
        for split, names in rare.items()
    }  # fmt: skip
    assert {one.message: one.category for one in found if one.severity == "warning"} == told


@pytest.mark.parametrize(("n_rare", "more"), [(8, ""), (9, " and 1 more")])
def test_rare_categories_of_a_split_are_listed_up_to_eight(n_rare: int, more: str) -> None:
    legend = "\n".join(f"category: c{k} (id {10 + k})" for k in range(n_rare))
    tables = scattered(np.random.default_rng(0), images(3, 5, 5, legend), n_rare + 2, (CAR,))
    category = np.array([CAR, CAR, *(10 + k for k in range(n_rare))])
    image = np.array([0, 1, *[2] * n_rare])
    n = np.arange(n_rare + 2)
    segments = tables.segments.beside(category_id=category, image=image, annotation=image, area=n + 1)
    tables = in_splits(replace(tables, segments=segments), ["train", "val", "train"])
    (found,) = [one for one in check("SEG303", tables) if "'val'" in one.message]
    listed = ", ".join(f"c{k}" for k in range(8))
    assert found.message == f"'val' lacks {n_rare} rare categories: {listed}{more}"


@pytest.mark.parametrize("by", [None, "split", "camera"])
@pytest.mark.parametrize("seed", range(15))
def test_categories_with_too_few_images_segments_or_pixels(seed: int, by: str | None) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.choice([4, 9, 10]))
    tables = some_tables(rng, n, int(rng.integers(8, 40)))
    splits = [[None, "train", "train", "val", "test"][int(rng.integers(5))] for _ in range(n)]
    cameras = [[None, "a", "b"][int(rng.integers(3))] for _ in range(n)]
    cameras[0] = "a"
    splits[0] = "train"
    tables = in_splits(tables, splits, by, camera=np.array(cameras, object))
    task = ["instance", "semantic"][int(rng.integers(2))]
    tables = replace(tables, profile=replace(tables.profile, task=task))  # type: ignore[arg-type]  # both are tasks
    limits = {"min_images": int(rng.integers(1, 6)), "min_segments": int(rng.integers(1, 6)),
              "min_pixels": int(rng.integers(1, 60)), "min_per_stratum": int(rng.integers(1, 4))}  # fmt: skip
    strata = cameras if by == "camera" else splits
    expected = []
    rows = rows_of(tables, empty=True)
    for category in sorted({category for _, category, _, _ in rows}):
        own = [row for row in rows if row[1] == category]
        counts = (len({row[0] for row in own}), len(own), sum(row[2] for row in own))
        required = (
            min(limits["min_images"], n),
            min(limits["min_segments"], n) if task == "semantic" else limits["min_segments"],
            limits["min_pixels"],
        )
        units = (("image", "images"), ("segment", "segments"), ("px", "px"))
        short = [
            f"{count} {one if count == 1 else many}, {least} are required"
            for count, least, (one, many) in zip(counts, required, units, strict=True) if count < least
        ]  # fmt: skip
        lacking = []
        for name in sorted({name for name in strata if name is not None}):
            n_in = len({image for image, *_ in own if strata[image] == name})
            if n_in < limits["min_per_stratum"] and (n_in or by == "camera"):
                lacking.append(f"{name!r} {n_in}")
        if lacking:
            short.append(f"images by {by or 'split'}: {', '.join(lacking)}, {limits['min_per_stratum']} are required")
        if short and counts[2]:  # segments without a pixel are SEG105's
            expected.append(("; ".join(short), NAMES[category], "info" if n < 10 else None))
    found = check("SEG302", tables, **limits)
    assert [(one.message, one.category, one.severity) for one in found] == expected


def test_strata_with_too_few_are_listed_up_to_five() -> None:
    for n, more in ((5, ""), (6, " and 1 more")):
        tables = scattered(np.random.default_rng(0), images(2 * n, 4, 4), 1, (CAR,))
        cameras = np.array([f"c{k // 2}" for k in range(2 * n)], object)
        image = np.zeros(1, np.int64) + 2 * n - 1
        tables = replace(tables, segments=tables.segments.beside(image=image, annotation=image, area=image * 0 + 16))
        tables = in_splits(tables, [None] * (2 * n), "camera", camera=cameras)
        (found,) = check("SEG302", tables, min_images=1, min_segments=1, min_pixels=1)
        listed = ", ".join(f"'c{k}' {int(k == n - 1)}" for k in range(min(n - 1, 5)))
        assert found.message == f"images by camera: {listed}, 1 are required"
        found = check("SEG302", tables, min_images=1, min_segments=1, min_pixels=1, min_per_stratum=2)[0]
        listed = ", ".join(f"'c{k}' {int(k == n - 1)}" for k in range(min(n, 5)))
        assert found.message == f"images by camera: {listed}{more}, 2 are required"


@pytest.mark.parametrize("by", [None, "camera"])
@pytest.mark.parametrize("seed", range(15))
def test_categories_of_very_unequal_sizes(seed: int, by: str | None) -> None:
    rng = np.random.default_rng(seed)
    tables = some_tables(rng, 6, 30)
    cameras = ["a", "a", "b", "b", None, "c"]
    tables = in_splits(tables, [None] * 6, by, camera=np.array(cameras, object))
    options = {"max_ratio": float(rng.choice([1.5, 2, 3])), "max_pixel_ratio": float(rng.choice([2, 4, 8])),
               "min_effective": float(rng.choice([0.2, 0.8, 0.95]))}  # fmt: skip
    rows = rows_of(tables)
    expected = []
    for stratum in [None, *(["a", "b", "c"] if by else [])]:
        own = [row for row in rows if stratum is None or cameras[row[0]] == stratum]
        amounts = {
            "pixels": {c: sum(area for _, one, area, _ in own if one == c) for c in NAMES},
            "segments": {c: sum(one == c and not crowd for _, one, _, crowd in own) for c in NAMES},
            "images": {c: len({image for image, one, _, _ in own if one == c}) for c in NAMES},
        }
        for measure, counts in amounts.items():
            limit = options["max_pixel_ratio" if measure == "pixels" else "max_ratio"]
            used = sorted((count, c) for c, count in counts.items() if count)
            if len(used) < 2:
                continue
            total = sum(count for count, _ in used)
            effective = math.exp(-sum(count / total * math.log(count / total) for count, _ in used))
            (low, rarest), (high, most) = used[0], max(used)
            if not (high / low > limit or effective < options["min_effective"] * len(used)):
                continue
            rare = [c for count, c in used if count * limit < high]
            mean = sum(count**-0.5 for count, _ in used) / len(used)
            weight = {c: count**-0.5 / mean for count, c in used}
            top = min(c for count, c in used if count == high)
            shown = [*(rare[:3] or [rarest]), top]
            listed = ", ".join(f"{NAMES[c]} {weight[c]:.2g}" for c in shown)
            beyond = f"; {len(rare)} beyond the limit" if len(rare) > 1 else ""
            place = "" if stratum is None else f" in camera {stratum!r},"
            expected.append((
                f"by {measure},{place} the effective number of {len(used)} categories is {effective:.1f}; "
                f"{NAMES[most]!r} has {high}, {NAMES[rarest]!r} {low} ({high / low:.0f} to 1){beyond}; "
                f"suggested weights: {listed}",
                NAMES[rarest],
            ))  # fmt: skip
    found = check("SEG301", tables, **options)
    assert [(one.message, one.category) for one in found] == expected


@pytest.mark.parametrize("at_once", [1, 7, 2_000_000])
@pytest.mark.parametrize("seed", range(12))
def test_categories_that_the_others_ask_for(seed: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_companion, "_AT_ONCE", at_once)
    rng = np.random.default_rng(seed)
    tables = images(20, 4, 4)
    has = rng.random((20, 4)) < rng.choice([0.4, 0.9, 0.95], 4)
    pairs = [(image, (CAR, PERSON, SIGN, HAZE)[c]) for image, c in np.argwhere(has).tolist() for _ in range(2)]
    tables = scattered(rng, tables, len(pairs), (CAR,))
    owner, category = (np.array(column) for column in zip(*pairs, strict=True))
    segments = tables.segments.beside(image=owner, annotation=owner, category_id=category, area=owner + 1)
    tables = replace(tables, segments=segments)
    min_rate, max_missing = float(rng.choice([0.3, 0.6])), float(rng.choice([0.01, 0.2]))
    drawn = {c: {int(k) for k in owner[category == c]} for c in (CAR, PERSON, SIGN)}
    best: dict[tuple[int, int], tuple[float, int, int, int]] = {}
    for sign, companion in ((a, b) for a in drawn for b in drawn if a != b):
        of, together = len(drawn[sign]), len(drawn[sign] & drawn[companion])
        lacking = of - together
        if not 0 < lacking <= max(1, max_missing * of):
            continue
        rate = float(stats.beta.ppf(0.05, together, of - together + 1)) if together else 0.0
        if rate >= min_rate:
            for image in drawn[sign] - drawn[companion]:
                shown = (round(rate, 6), sign, together, of)  # of equal ones the last
                best[image, companion] = max(best.get((image, companion), shown), shown)
    expected = {
        (image, NAMES[companion]): f"no {NAMES[companion]!r}, though {together} of {of} annotations with "
        f"{NAMES[sign]!r} have it (with 95 % confidence the rate is {rate:.0%} or more)"
        for (image, companion), (rate, sign, together, of) in best.items()
    }
    found = check("SEG309", tables, min_rate=min_rate, max_missing=max_missing)
    assert {(one.annotation, one.category): one.message for one in found} == expected
    assert len(found) == len(expected)


def leaks(rng: np.random.Generator, n: int) -> Tables:
    """Images of three splits, with random pairs that are alike, and that are altered copies."""
    tables = images(n, 4, 4)
    names = np.array([f"{k}.jpg" for k in range(n)], object)
    for k in range(n):
        if rng.random() < 0.4:
            stem = ("p1", "p2", "IMG_12345")[int(rng.integers(3))]
            names[k] = f"{stem}_jpg.rf.{k:032x}.jpg"
        elif rng.random() < 0.2:
            names[k] = "same.jpg"
    part = np.array([[None, "train", "val", "test"][int(rng.integers(4))] for _ in range(n)], object)
    sequence = np.array([[None, "v", "w"][int(rng.integers(3))] for _ in range(n)], object)
    pairs = sorted((b, a) for a, b in combinations(range(n), 2) if rng.random() < 0.2)
    alike = {"image": [pair[0] for pair in pairs], "of": [pair[1] for pair in pairs]}
    alike |= {"same": rng.integers(0, 2, len(pairs)), "bits": rng.choice([3, 7, 8, 9], len(pairs))}
    others = sorted((a, b) for a in range(n) for b in range(n) if a != b and rng.random() < 0.08)
    altered = {"image": [pair[0] for pair in others], "of": [pair[1] for pair in others]}
    altered |= {"how": rng.integers(1, 3, len(others)), "share": rng.random(len(others)),
                "correlation": rng.random(len(others))}  # fmt: skip
    columns = [Table({name: np.array(values) for name, values in one.items()}) for one in (alike, altered)]
    own = tables.images.beside(image_id=names, part=part, sequence=sequence)
    return with_tables(replace(tables, images=own), alike=columns[0], altered=columns[1])


@pytest.mark.parametrize("seed", range(30))
def test_images_that_two_splits_have(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 10
    tables = leaks(rng, n)
    names, part, sequence = (tables.images[name].tolist() for name in ("image_id", "part", "sequence"))
    pairs = [
        (image, 1 - same, bits, of) for image, of, same, bits in tables.alike.lines("image", "of", "same", "bits")
        if part[image] and part[of] and part[image] != part[of] and (same or bits <= 8)
    ]  # fmt: skip
    told: list[tuple[int, str, str | None]] = []
    leaking = {pair[0] for pair in pairs}
    altered = list(tables.altered.lines("image", "of", "how", "share", "correlation"))
    altered = [row for row in altered if row[0] not in leaking and part[row[0]] and part[row[1]]]
    for image in sorted({row[0] for row in altered}):
        _, of, how, share, correlation = max((row for row in altered if row[0] == image), key=lambda row: row[4])
        what = f"shows {share:.0%} of" if how == 2 else "is the mirror image of"
        told.append((image, f"{what} {names[of]} (their details correlate by {correlation:.2f}): one is in {part[of]}, "
                     f"this in {part[image]}", "warning"))  # fmt: skip
    for image in sorted(leaking):
        _, differs, bits, of = min(pair for pair in pairs if pair[0] == image)
        splits = f"one is in {part[of]}, this in {part[image]}"
        if differs:
            film = "; both are frames of one video" if sequence[image] and sequence[image] == sequence[of] else ""
            message = f"nearly the same as {names[of]} ({bits} of 256 bits of their difference hashes differ): {splits}"
            told.append((image, message + film, "warning"))
        elif names[image] == names[of]:
            told.append((image, f"it is in {part[of]} and in {part[image]}", None))
        else:
            told.append((image, f"the same file as {names[of]}, byte by byte: {splits}", None))
    known = leaking | {row[0] for row in altered}
    first: dict[str, list[int]] = {}
    for image in range(n):
        if ".rf." not in names[image] or part[image] is None:
            continue
        others = first.setdefault(names[image].partition(".rf.")[0], [])
        others.append(image)
        if part[others[0]] != part[image] and image not in known:
            copies = f"comes of the same picture as {names[others[0]]}, by the names that Roboflow gives to copies"
            splits = f"one is in {part[others[0]]}, this in {part[image]}"
            told.append(
                (
                    image,
                    f"{copies} and tiles of one picture: {splits}",
                    "warning" if "12345" in names[image] else "info",
                )
            )
    found = check("SEG304", tables, max_bits=8)
    assert [(one.image, one.message, one.severity) for one in found] == told


@pytest.mark.parametrize("kind", ["video", "volume"])
@pytest.mark.parametrize("seed", range(25))
def test_images_without_a_segment(seed: int, kind: str) -> None:
    """Above a share they are one finding, but for ends of videos; outer slices of volumes are none."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([9, 12, 20]))
    tables = images(n, 9, 9)
    in_sequence = n - int(rng.integers(0, 4))
    frames = np.array([k if k < in_sequence else None for k in range(n)], object)
    sequence = np.array(["s" if k < in_sequence else None for k in range(n)], object)
    labelled = rng.random(n) < rng.choice([0.6, 0.95])
    first, last = int(rng.integers(0, 5)), in_sequence - int(rng.integers(0, 5))
    labelled[:first] = False
    labelled[last:in_sequence] = False
    owner = np.flatnonzero(labelled)
    area = rng.choice([10, 20, 40], len(owner))
    columns: dict[str, Any] = {"annotation": owner, "image": owner, "area": area, "category_id": owner * 0 + CAR}
    segments = scattered(rng, tables, len(owner), (CAR,)).segments.beside(**columns)
    annotations = tables.annotations.beside(n_segments=labelled.astype(int))
    own = tables.images.beside(frame=frames, sequence=sequence)
    profile = replace(tables.profile, sequences=(ImageSequence("s", kind),))  # type: ignore[arg-type]  # both are kinds
    tables = replace(tables, images=own, annotations=annotations, segments=segments, profile=profile)
    limit, min_frames = float(rng.choice([0.1, 0.3])), int(rng.integers(1, 4))
    min_usual = float(rng.choice([0.5, 1.0]))
    empty = np.flatnonzero(~labelled).tolist()
    many = len(empty) > max(limit * n, 1)
    expected: list[tuple[int | None, str, str | None]] = []
    if many:
        share = len(empty) / n
        expected.append((None, f"{len(empty)} of {n} annotations ({share:.0%}) have no segment", None))
    pixels = dict(zip(owner.tolist(), area.tolist(), strict=True))
    full = [k for k in range(in_sequence) if labelled[k]]
    noun = "frame" if kind == "video" else "slice"
    least = min_frames if kind == "video" else 1
    if full and (many if kind == "video" else not many):
        usual = float(np.median([pixels[k] for k in full]))
        ends = ((full[0], full[0], "first", "after them", 0),
                (in_sequence - 1 - full[-1], full[-1], "last", "before them", full[-1] + 1))  # fmt: skip
        for count, edge, where, beside, row in ends:
            if least <= count < in_sequence / 2 and pixels[edge] >= min_usual * usual:
                expected.append((
                    row, f"the {where} {count} {noun}{'s' * (count > 1)} of {in_sequence} of 's' "
                    f"{'has' if count == 1 else 'have'} no segment, and {pixels[edge]} px are labelled in the {noun} "
                    f"{beside}: is the work unfinished?", "warning",
                ))  # fmt: skip
    if not many:
        for row in empty:
            outer = kind == "volume" and row < in_sequence and full and not full[0] < row < full[-1]
            if not outer:
                expected.append((row, "annotated, but without a segment", None))
    found = check("SEG312", tables, max_share=limit, min_frames=min_frames, min_usual=min_usual)
    assert [(one.annotation, one.message, one.severity) for one in found] == expected


def of_taxonomy(*categories: Category, **fields: Any) -> list[tuple[str, str | None, str | None]]:
    tables = images(1, 2, 2)
    taxonomy = Taxonomy(categories=categories, **fields)
    found = check("SEG208", replace(tables, profile=replace(tables.profile, taxonomy=taxonomy)))
    return [(one.message, one.category, one.severity) for one in found]


def test_what_a_taxonomy_says_twice_or_of_nobody() -> None:
    a, b = Category(id=1, name="a"), Category(id=2, name="b")
    assert of_taxonomy(a, b) == []
    assert of_taxonomy(a, msgspec.structs.replace(b, id=1), Category(id=1, name="c")) == [
        ("id 1 belongs to 'a' and 'b'", "b", None), ("id 1 belongs to 'a' and 'c'", "c", None),
    ]  # fmt: skip
    assert of_taxonomy(a, Category(id=5, name="a"), Category(id=6, name="a")) == [
        ("the ids 1, 5 and 6 are all called 'a'; only one can be used", "a", None),
    ]
    assert of_taxonomy(a, Category(id=4, name=" ")) == [("the category with id 4 has no name", " ", None)]
    assert of_taxonomy(msgspec.structs.replace(a, aliases=("x",)), msgspec.structs.replace(b, aliases=("x", "a"))) == [
        ("alias x belongs to 'a' and 'b'", "b", None), ("alias a belongs to 'b' and 'a'", "a", None),
    ]  # fmt: skip
    assert of_taxonomy(msgspec.structs.replace(a, aliases=("x", "x"))) == [("alias x belongs to 'a', twice", "a", None)]
    red = msgspec.structs.replace(a, color=(255, 0, 0))
    assert of_taxonomy(red, msgspec.structs.replace(b, color="#ff0000")) == [
        ("color (255, 0, 0) belongs to 'a' and 'b'", "b", None)
    ]
    assert of_taxonomy(a, b, unlabelled=2) == [("'b' has the value of `unlabelled`, 2", "b", None)]
    (same,) = of_taxonomy(red, b, unlabelled=(255, 0, 0))
    assert same == ("'a' has the value of `unlabelled`, (255, 0, 0)", "a", None)
    assert of_taxonomy(a, b, unlabelled=0) == []


def test_colours_parents_and_rules_that_contradict() -> None:
    def category(id_: int, name: str, **fields: Any) -> Category:  # Any: fields of all types
        return Category(id=id_, name=name, **fields)

    (close,) = of_taxonomy(category(1, "a", color=(0, 0, 142)), category(2, "b", color=(0, 0, 143)))
    one, other = (rgb2lab(np.array([[[0, 0, blue]]], np.uint8)) for blue in (142, 143))
    assert close[0].endswith(f" look alike: Delta E {np.linalg.norm(one - other):.1f}, the limit is 2.3")
    assert "(0, 0, 142) of 'a'" in close[0]
    assert "(0, 0, 143) of 'b'" in close[0]
    assert close[2] == "warning"
    assert of_taxonomy(category(1, "a", color=(0, 0, 142)), category(2, "b", color=(0, 0, 160))) == []
    parents = {"a": "b", "b": "c", "c": "b", "d": "d", "e": "f", "g": "e"}
    circle = [category(k, name, parent=parent) for k, (name, parent) in enumerate(parents.items())]
    assert of_taxonomy(*circle, groups={"f": "g"}) == [
        ("parents form a circle: f, g, e", "f", None), ("parents form a circle: b, c", "b", None),
    ]  # fmt: skip
    assert of_taxonomy(
        category(1, "a", part_of=("group", "bb"), may_not_touch=("zz",)), category(2, "b"), groups={"group": None}
    ) == [
        ("'a' names 'bb' in part_of, but no category has this name; nearest: b", "a", None),
        ("'a' names 'zz' in may_not_touch, but no category has this name", "a", None),
    ]  # fmt: skip
    assert of_taxonomy(category(1, "a", expected=ExpectedCategory(whenever=("zz",)))) == [
        ("'a' names 'zz' in whenever, but no category has this name", "a", None)
    ]
    both = category(1, "a", may_overlap=("b", "c"), may_not_overlap=("c", "b"), part_of=("b",), may_not_touch=("b",))
    assert [one[0] for one in of_taxonomy(both, category(2, "b"), category(3, "c"))] == [
        f"'a' names {name!r} both in {allowed} and in {forbidden}"
        for name, allowed, forbidden in (
            ("b", "may_overlap", "may_not_overlap"), ("c", "may_overlap", "may_not_overlap"),
            ("b", "may_overlap", "may_not_touch"), ("b", "part_of", "may_not_overlap"),
            ("b", "part_of", "may_not_touch"),
        )
    ]  # fmt: skip
    sizes = category(1, "a", size=SizeLimits(min_pixels=10, max_pixels=9, min_mm2=2.5, max_mm2=2.5))
    assert of_taxonomy(sizes) == [("'a' must have at least 10 and at most 9 px", "a", None)]
    sizes = category(1, "a", size=SizeLimits(min_pixels=9, max_pixels=9, min_mm2=2.5, max_mm2=2.25))
    assert of_taxonomy(sizes) == [("'a' must have at least 2.5 and at most 2.25 mm²", "a", None)]
    twice = category(1, "a", attributes=tuple(Attribute(name) for name in ("y", "x", "y", "x", "z")))
    assert [one[0] for one in of_taxonomy(twice)] == [f"'a' has the attribute {name!r} twice" for name in "xy"]


@pytest.mark.parametrize(
    ("kind", "difference", "n", "beyond"),
    [
        ("presence", 0.2, 5, True), ("presence", -0.2, 5, True), ("presence", 0.19, 5, False),
        ("presence", 0.5, 4, False), ("void", 0.03, 5, True), ("void", -0.029, 9, False),
        ("count", math.log(2), 5, True), ("size", -math.log(2), 5, True), ("size", math.log(1.99), 5, False),
        ("count", math.nan, 9, False),
    ],
)  # fmt: skip
def test_differences_that_count(kind: Any, difference: float, n: int, beyond: bool) -> None:
    limits = annotator_drift._Limits(0.2, 2.0, 0.03, 5)
    feature = GroupFeature(kind, 1, np.zeros(1), np.ones(1, bool))
    given: Any = SimpleNamespace(difference=np.array([difference]), n=np.array([n]))
    assert limits.beyond(feature, given).tolist() == [beyond]
    half = annotator_drift._Limits(0.2, 0.5, 0.03, 5)  # a ratio below one asks for none
    if kind in ("count", "size") and n >= 5:
        assert half.beyond(feature, given).tolist() == [not math.isnan(difference)]


@pytest.mark.parametrize(
    ("kind", "mean", "difference", "words"),
    [
        ("presence", 0.75, 0.5, "in 75% of images (the others: 25%)"),
        ("presence", 0.25, -0.5, "in 25% of images (the others: 75%)"),
        ("presence", 0.25, 0.5, "in 25% of images (the others: 0%)"),
        ("void", 0.034, 0.03, "3.4% of the pixels (the others: 0.4%)"),
        ("count", 0.0, math.log(2.5), "2.5 times as many as for the others"),
        ("size", 0.0, -math.log(2), "0.5 times as large as for the others"),
    ],
)  # fmt: skip
def test_a_drift_in_words(kind: Any, mean: float, difference: float, words: str) -> None:
    feature = GroupFeature(kind, 1, np.zeros(1), np.ones(1, bool))
    given: Any = SimpleNamespace(mean=np.array([9.0, mean]), difference=np.array([9.0, difference]))
    drift = SimpleNamespace(feature=feature, comparison=given, group=1)
    assert annotator_drift._describe_drift(drift, "the others") == words  # type: ignore[arg-type]  # all that it reads


@pytest.mark.parametrize("seed", SEEDS)
def test_who_deviates_is_left_out_before_the_next_is_sought(seed: int) -> None:
    """Where another deviates nearly as much to the other side, the two differ from each other, and that is all."""
    rng = np.random.default_rng(seed)
    n_groups, n_images = int(rng.integers(2, 5)), 12
    group, stratum = np.tile(np.arange(n_groups), n_images), np.repeat(np.arange(n_images), n_groups)
    shift = rng.choice([0.0, 0.0, 1.0, -1.0, 2.0], n_groups)
    feature = GroupFeature("size", CAR, shift[group] + rng.normal(0, 0.1, len(group)), np.ones(len(group), bool))
    limits, critical = annotator_drift._Limits(0.15, 1.5, 0.02, 5), float(rng.choice([2.0, 4.0]))
    blocks = StratifiedGroups.from_strata(group, stratum, n_groups)
    found = list(annotator_drift._deviating(feature, blocks, limits, critical))
    expected: list[tuple[int, int | None]] = []
    rest = list(range(n_groups))
    while len(rest) > 1:
        compared = blocks.only(rest).compare(feature.values)
        z = {k: float(compared.z[k]) for k in rest}
        may = [k for k in rest if abs(float(compared.difference[k])) >= math.log(1.5) and abs(z[k]) >= critical]
        if not may:
            break
        worst = max(may, key=lambda k: abs(z[k]))
        opposite = max(rest, key=lambda k: -math.copysign(1, z[worst]) * z[k])
        if abs(z[opposite]) >= 0.75 * abs(z[worst]):
            means = [float(feature.values[group == k].mean()) for k in (worst, opposite)]
            if abs(means[0] - means[1]) >= math.log(1.5):
                expected.append((min(worst, opposite), max(worst, opposite)))
            break
        expected.append((worst, None))
        rest.remove(worst)
    assert [(one.group, one.against) for one in found] == expected


@pytest.mark.parametrize("seed", range(15))
def test_annotators_who_draw_another_way_than_the_others(seed: int) -> None:
    """Compared within each stratum, over ten borders or more; one finding a category, for who differs most."""
    rng = np.random.default_rng(seed)
    people = ["ann", "bob", None]
    tables = images(6, 5, 5)
    annotators = np.array([people[k % 3] for k in range(6)], object)
    tables = replace(tables, annotations=tables.annotations.beside(annotator=annotators))
    n = int(rng.choice([18, 150]))
    annotation = rng.integers(0, 6, n)
    always = float(rng.choice([0.1, 0.5, 1.0]))
    flag = np.where(annotation % 3 == 0, rng.random(n) < always, rng.random(n) < 0.1)
    observed = Table({"category": rng.choice([CAR, PERSON], n), "annotation": annotation, "flag": flag,
                      "stratum": rng.integers(0, 2, n)})  # fmt: skip
    words = ("more", "less", "things")
    found = list(occlusion_treatment._by_annotator(tables, observed, words, 0.5, 1.0))
    for one in found:
        assert one.annotator in ("ann", "bob")
        category = {"car": CAR, "person": PERSON}[str(one.category)]
        own = [k for k in range(n) if observed["category"][k] == category and annotators[annotation[k]] is not None]
        count = Counter((annotators[annotation[k]], int(observed["stratum"][k])) for k in own)
        usable = [k for k in own if all(count[who, int(observed["stratum"][k])] for who in ("ann", "bob"))]
        mine = [k for k in usable if annotators[annotation[k]] == one.annotator]
        assert len(mine) >= 10
        share = np.mean([flag[k] for k in mine])
        assert f": {share:.0%} of {len(mine)} things, for the others " in one.message
        other_share = int(one.message.partition("others ")[2].partition("%")[0]) / 100
        assert abs(share - other_share) >= 0.49
        assert f"{one.annotator!r} {'less' if share < other_share else 'more'}:" in one.message
        assert "; limit 50%; p = " in one.message
    told = {one.category for one in found}
    for name in ("car", "person"):
        if n == 150 and always == 1.0:
            assert name in told
        if always == 0.1 and n == 150:
            assert name not in told


# Which rules judge a dataset as a whole, so that they are skipped for some images of it; every other finding of an
# image must not depend on what else there is.
OF_THE_WHOLE = {
    19, 20, 30, 104, 121, 129, 130, 131, 132, 133, 204, 212, 215, 301, 302, 303, 306, 308, 309, 310, 311, 313, 314, 315,
    316, 317, 318, 319, 320, 356, 359, 360, 361, 363, 508, 509,
}  # fmt: skip
# Which rules see all tables at once, image by image or in parts of a large dataset excepted.
ALL_AT_ONCE = {16, 19, 20, 202, 203, 208, 210, 304, 305}


def test_what_rules_need_of_a_dataset() -> None:
    known = rules().values()
    assert {int(rule.code[3:]) for rule in known if rule.whole} == OF_THE_WHOLE
    profile = images(1, 2, 2).profile
    below = [rule for rule in known if rule.code < "SEG35"]
    assert {int(rule.code[3:]) for rule in below if not rule.runs_by_part(profile)} == ALL_AT_ONCE
    assert {rule.code for rule in known if rule.opt_in} == {"SEG110", "SEG113", "SEG117", "SEG120", "SEG357", "SEG510"}
