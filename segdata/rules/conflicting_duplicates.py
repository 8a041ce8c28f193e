"""SEG305 conflicting-duplicates: one image is labelled in two ways."""

import re
from collections.abc import Sequence

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.statistics import proves_rate
from segdata.core.table import Table
from segdata.rules.shared import numbered_name, picture_of_copy

_MAX_NAMES = 3  # of categories in a finding
_MIN_SAMPLED_IMAGES = 8  # numbers with a common step; by chance, eight are all even or all odd once in 128
_MIN_SAMPLED_SHARE = 0.5  # of the frames of that step that are there: photographs numbered by tens have gaps
_MIN_SEQUENCE_IMAGES = 3  # of a sequence that only names tell
_NEAREST, _MIN_NEAR_IMAGES = 20, 2  # of so many images of a series one is near to another; but two at least
# Of the image's pixels: what covers them changes about half of their bits, and 16 of 256 differ at most.
_MIN_SHARE_ABSENT = 1 / 8
# The end of a name before its number, as Roboflow calls the frames of a film: `lake_mp4-0012_jpg`.
_FILM = re.compile(r"[._](mp4|m4v|mov|avi|mkv|wmv|webm)[_\-]$", re.IGNORECASE)
_MADE = re.compile(r"[_-]aug(mented)?[_-]?\d*$", re.IGNORECASE)  # the end of the name of an augmented copy
_CONFIDENCE = 0.99  # that images that look alike are near to each other, more than all are


@rule("SEG305", "conflicting-duplicates", severity="error", needs=("copies", "twins"), habit="image")
def conflicting_duplicates(
    tables: Tables, *, min_iou: float = 0.8, min_pixels: int = 50, max_bits: int = 16
) -> Findings:
    """The same image occurs twice, with different masks.

    Example:
        a.jpg and b.jpg are the same file; the cars of b.jpg were drawn smaller: IoU 0.71

    You get one finding for each annotation whose image repeats an earlier one, by the same annotator, where the pixels
    of a category differ. If the files are not byte-identical but look the same as in SEG304, the finding is a warning;
    frames of one sequence are then ignored, since things move there, unless one lacks a category that covers an eighth
    of the other. Images whose names differ only in their last number (before Roboflow's `_jpg.rf.<hash>`) are frames
    of a sequence, too, if they are neighbours, if the name before the number ends as a film's (`lake_mp4-0012_jpg`),
    if at least half of them look like another one, or if the numbers (eight at least) have a common step and at least
    half of those of that step are there, as every thirtieth frame of a film. So are those whose numbers are among the
    nearest twentieth (and two at least), if so many of the images that look alike are near to each other as chance
    gives in one of a hundred datasets: slices of one scan. Copies that a program altered, by their names (Roboflow's of
    one picture, `a_aug.jpg` beside `a.jpg`), are left out in the same way: their labels were turned with them. The rule
    compares the pixels of categories, not the instances. It leaves out crowds, void, and images of different sizes.
    Slices of volumes are compared where the files of two volumes are byte-identical.

    Why: if your model sees one image with two truths, it learns neither. The difference also shows the noise in your
    labels.

    Remedy: keep the better of the two; delete the other image, or give both the same masks.

    Options: `min_iou`: of a category's pixels in both. `min_pixels`: pixels that must differ. `max_bits`: as in SEG304.
    Defaults: 29 datasets have none; of 751 images in 16 of them one occurs twice in its dataset, with the same masks. A
    square moved by one pixel has an IoU of 0.95 at 40 px and of 0.82 at 10 px: 0.8 does not flag that.
    """
    images, alike, twins = tables.images, tables.alike, tables.twins
    if len(twins) == 0:
        return
    pair = twins["pair"]
    union = twins["area"] + twins["other_area"] - twins["shared"]
    iou, pixels = twins["shared"] / np.maximum(union, 1), union - twins["shared"]
    is_same_file = alike["same"][pair] == 1
    size = (images["width"] * images["height"])[alike["image"][pair]]
    is_absent = (np.minimum(twins["area"], twins["other_area"]) == 0) & (pixels >= _MIN_SHARE_ABSENT * size)
    is_similar = (alike["bits"][pair] <= max_bits) & (~_is_filmed(images, alike)[pair] | is_absent)
    differs = (iou < min_iou) & (pixels >= min_pixels) & (is_same_file | is_similar)
    conflicts = twins.beside(iou=iou, pixels=pixels, same=is_same_file).take(differs)
    for rows in conflicts.groups("annotation", "other"):
        worst = rows[np.argsort(conflicts["iou"][rows], kind="stable")]
        names = [tables.profile.name_of(int(id_)) for id_ in conflicts["category_id"][worst]]
        ious = zip(names[:_MAX_NAMES], conflicts["iou"][worst].tolist(), strict=False)
        worst_names = ", ".join(f"{name} {value:.2f}" for name, value in ious)
        other_image = images["image_id"][tables.annotations["image"][conflicts["other"][rows[0]]]]
        is_same = bool(conflicts["same"][rows[0]])
        how = "the same file as" if is_same else "nearly the same image as"
        categories = count_noun(len(rows), "category")
        message = f"{how} {other_image}, but {categories} with other pixels, IoU below {min_iou:g}: {worst_names}"
        yield RowFinding(
            message,
            annotation=int(conflicts["annotation"][rows[0]]),
            category=names[0] if len(names) == 1 else None,
            pixels=int(conflicts["pixels"][rows].sum()),
            severity=None if is_same else "warning",
        )


def _is_filmed(images: Table, alike: Table) -> Flags:
    """(n_pairs,) which pairs of images that look alike are frames of one sequence, by the dataset or by their names."""
    names = images["sequence"].tolist()
    _, sequence = np.unique([name or "" for name in names], return_inverse=True)
    recorded = (sequence[alike["image"]] == sequence[alike["of"]]) & ~images.missing("sequence")[alike["image"]]
    image_ids = images["image_id"].tolist()
    series, place, is_sampled = _name_series(image_ids)
    first, second = (series[alike[name]] for name in ("image", "of"))
    apart = np.abs(place[alike["image"]] - place[alike["of"]])
    together = (first == second) & (first >= 0) & (apart > 0)  # copies of one picture are no two frames
    members = np.bincount(series[series >= 0], minlength=1)
    looking_alike = np.unique(np.concatenate([alike["image"][together], alike["of"][together]]))
    n_alike = np.bincount(series[looking_alike], minlength=len(members))
    is_film = ((n_alike >= members / 2) & (members >= _MIN_SEQUENCE_IMAGES)) | is_sampled
    reach = np.maximum(members // _NEAREST, _MIN_NEAR_IMAGES)
    is_near = together & (apart <= reach[np.maximum(first, 0)])
    is_succession = _follow_each_other(first[together], is_near[together], members, reach)
    in_series = (apart <= 1) | is_film[np.maximum(first, 0)] | (is_near & is_succession[np.maximum(first, 0)])
    result: Flags = recorded | (together & in_series) | _are_made_copies(image_ids, alike)
    return result


def _are_made_copies(names: Sequence[str], alike: Table) -> Flags:
    """(n_pairs,) whether a program made one of two images of the other, or both of a third, by their names."""
    pairs = zip(*(alike[name].tolist() for name in ("image", "of")), strict=True)
    originals = ([_original(names[row]) for row in pair] for pair in pairs)
    return np.array([one == other and (is_made or other_is) for (one, is_made), (other, other_is) in originals], bool)


def _original(name: str) -> tuple[str, bool]:
    """The name of the picture that an image shows, and whether a program altered it, as its name tells.

    >>> _original("train/a_jpg.rf.U1V7HCalsqRvw1Ddab0f.jpg"), _original("1115_aug.jpg"), _original("1115.jpg")
    (('a_jpg', True), ('1115', True), ('1115', False))
    """
    last = name.rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    original = picture_of_copy(last) or _MADE.sub("", stem)
    return original, original != stem


def _follow_each_other(series: Ints, is_near: Flags, members: Ints, reach: Ints) -> Flags:
    """(n_series,) whether more of its images that look alike are near to each other than chance explains.

    By chance, each pair of images is as likely to look alike; `series` and `is_near` (n,) are of such pairs.
    """
    n, n_near = (np.bincount(of, minlength=len(members)).tolist() for of in (series, series[is_near]))
    near_pairs = reach * members - reach * (reach + 1) / 2
    share = (near_pairs / np.maximum(members * (members - 1) / 2, 1)).tolist()
    return np.array([proves_rate(*counts, _CONFIDENCE) for counts in zip(n_near, n, share, strict=True)], bool)


def _name_series(names: list[str]) -> tuple[Ints, Ints, Flags]:
    """(n,) the series of each name, whose names differ in their last number alone, and its place there; -1: none.

    And (n_series,) or (1,) whether they are frames of a film, by its name or by a step of two or more in the numbers.

    Folders that are called as splits are do not count, nor does what Roboflow appends to the names of copies. Equal
    numbers have the same place.
    """
    series: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    folders: dict[str, str] = {}
    for row, image_id in enumerate(names):
        numbered = numbered_name(image_id, folders)
        if numbered is not None:
            key, number = numbered
            series.setdefault(key, []).append((number, row))
    which, place = np.full(len(names), -1, np.int64), np.full(len(names), -1, np.int64)
    is_sampled = np.zeros(max(len(series), 1), bool)
    for position, ((_, before, _), members) in enumerate(series.items()):
        numbers, rows = (list(column) for column in zip(*members, strict=True))
        different, place[rows] = np.unique(numbers, return_inverse=True)
        which[rows] = position
        is_sampled[position] = _FILM.search(before) is not None
        if len(different) >= _MIN_SAMPLED_IMAGES:
            step = int(np.gcd.reduce(np.diff(different)))
            n_sampled = (different[-1] - different[0]) // max(step, 1) + 1
            is_sampled[position] |= step > 1 and len(different) >= _MIN_SAMPLED_SHARE * n_sampled
    return which, place, is_sampled
