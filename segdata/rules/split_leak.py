"""SEG304 split-leak: one image is in two splits."""

import re

import numpy as np

from segdata.core.finding import RowFinding, Severity
from segdata.core.rule import Findings, Tables, rule
from segdata.core.strata import number_names
from segdata.core.table import Table
from segdata.rules.shared import numbered_name, picture_of_copy, reader_findings

_SERIAL_NUMBER = re.compile(r"\d{5}")  # in the name of a picture that no other has
_COPIES = "copies or tiles that Roboflow made of pictures in another split: divide pictures before you augment them"
_CROPPED, _OVERLAPPING = 2, 3  # in the column `how` of the table `altered`; 1: mirrored


@rule("SEG304", "split-leak", severity="error", needs=("copies", "altered"), habit="image")
def split_leak(tables: Tables, *, max_bits: int = 16) -> Findings:
    """The same image, or nearly the same, is in two splits.

    Example:
        train/a.jpg and val/b.jpg are the same file, byte by byte (error)
        val/c.jpg is train/a.jpg saved again, brighter and smaller (warning)
        train.txt and val.txt both name a.jpg (error)
        val/d.jpg is train/d.jpg mirrored, or shows 70% of it (warning)
        val/tile_3_4.jpg shows 50% of what train/tile_3_3.jpg shows, as tiles that overlap do (warning)
        train/00123_jpg.rf.<hash>.jpg and val/00123_jpg.rf.<hash>.jpg come of one picture, by their names (warning)
        the same of train/download-3-_jpg.rf.<hash>.jpg and val/download-3-_jpg.rf.<hash>.jpg (info)

    You get one finding for each image that another split has as well; five or more from one numbered series, as frames
    of a video are, or that Roboflow made of pictures in another split, are one finding. It is an error if the files are
    equal byte by byte or a list names one twice, and a warning if they look the same: difference hashes of 256 bits
    (dHash, N. Krawetz 2013) survive another brightness, size or compression. For up to 500 images, hashes of the
    mirrored images and of windows of 25% or more find mirrored and cropped copies, and frames of one video that show
    much the same; the finer details of both must correlate by 0.92, those of crops by 0.85. Two images of one size that
    share 25% or more, as tiles of one picture may, are found if the details of what they share correlate by 0.9, unless
    the pictures repeat a pattern. Names tell less than pictures: without a number of five digits or more they are an
    info, since many pictures are called `download (3)`.

    Ignored are copies within a split, images that are nearly all plain, and images that are not on this machine.
    Drawings, which are plain for nine tenths, must have equal pixels: gauges with another needle are two images.
    Without splits, or beyond 20,000 images, only equal files are found; so it is for films and volumes in one file.

    Why: images that are in both your training and test data make the test worthless, and where the labels of the two
    differ, one of them is wrong. Neighbouring frames of a video are nearly the same image.

    Remedy: take the image out of one of the splits. Split again by scene, video or patient, not by file.

    Options: `max_bits`: bits in which two images of one thing may differ, at most 16.
    Defaults: 223 images of COCO, CamVid, GBM40, kudzu, lemons and crops, saved again as PNG, as JPEG of quality 50,
    brighter, and at half size, differ by at most 13 bits, and no two of them by less than 61; details of 130 correlate
    by 0.92 and more, also at an eighth of the size, and those of satellites in other poses, which have the same bits,
    by 0.91 at most. Crops of COCO correlate by 0.99, other pairs of COCO, CamVid, GBM40, kudzu, nerves and crops by
    less than 0.68, and leaves on white paper with parts of each other by 0.77: hence the 0.85.
    On nine public sets that nothing was chosen on, 275 pictures were saved again into another split and found: as JPEG
    of quality 75 272, of quality 30 270, at half size 269, mirrored 274, brighter with clipping 252. Of the 26 pairs
    reported between the originals, the 20 of photographs are right, and of the 6 of charts 3 show the same.
    Windows that share 25% to 75% of a picture of COCO, GBM40, CamVid, kudzu, crops or vessels correlate by 0.95 and
    more (193 of 194 pairs; of the last the shift was not found), other pairs by 0.59 at most. In 50 folders of public
    pictures, each compared with all others, the ten pairs that were looked at are right: tiles, frames of one video,
    photographs taken from one place.
    """
    yield from reader_findings(tables, "SEG304")
    images, alike = tables.images, tables.alike
    part, has_split = images["part"], ~images.missing("part")
    differs = (part[alike["image"]] != part[alike["of"]]) & has_split[alike["image"]] & has_split[alike["of"]]
    leaks = alike.take(differs & ((alike["same"] == 1) | (alike["bits"] <= max_bits)))
    altered = tables.altered
    in_splits = has_split[altered["image"].astype(np.int64)] & has_split[altered["of"].astype(np.int64)]
    altered = altered.take(in_splits & ~np.isin(altered["image"], np.unique(leaks["image"])))
    leaking = {*leaks["image"].tolist(), *altered["image"].tolist()}
    kinds = _Kinds(images)
    for rows in altered.groups("image"):
        yield _altered_leak(kinds, altered, int(rows[np.argmax(altered["correlation"][rows])]))
    for rows in leaks.groups("image"):
        nearest = min(rows.tolist(), key=lambda row: (1 - leaks["same"][row], leaks["bits"][row], leaks["of"][row]))
        yield _leak(kinds, *next(leaks.take(rows[rows == nearest]).lines("image", "of", "same", "bits")))
    yield from _augmented_leaks(images, leaking)


class _Kinds:
    """The causes that pairs of images in two splits may have in common, so that each cause is one finding."""

    def __init__(self, images: Table) -> None:
        self.images = images
        self._folders: dict[str, str] = {}

    def of(self, image: int, other: int) -> str | None:
        """The cause in words; None for a pair like no other."""
        names, sequences = self.images["image_id"], self.images["sequence"]
        picture = picture_of_copy(names[image])
        if picture is not None and picture == picture_of_copy(names[other]):
            return _COPIES
        series = self._series(image)
        is_film = sequences[image] is not None and sequences[image] == sequences[other]
        if not is_film and (series is None or series != self._series(other)):
            return None
        name = sequences[image] if is_film or series is None else "{1}#{2}".format(*series)
        splits = " and ".join(sorted({str(self.images["part"][row]) for row in (image, other)}))
        return f"of the series {name} and nearly the same as others of it ({splits}): keep frames of one video together"

    def _series(self, row: int) -> tuple[str, str, str] | None:
        numbered = numbered_name(self.images["image_id"][row], self._folders)
        return None if numbered is None else numbered[0]


def _augmented_leaks(images: Table, reported: set[int]) -> Findings:
    """A finding for each image, but those `reported`, whose name says that it is an augmented copy of another."""
    if len(number_names(images.texts("part"))[0]) < 2:
        return
    first: dict[str, dict[str, int]] = {}
    for row, (name, part) in enumerate(zip(images["image_id"].tolist(), images["part"].tolist(), strict=True)):
        picture = picture_of_copy(name)
        if picture is None or part is None:
            continue
        splits = first.setdefault(picture, {})
        splits.setdefault(part, row)
        other = next(iter(splits.values()))
        if images["part"][other] != part and row not in reported:
            message = (
                f"comes of the same picture as {images['image_id'][other]}, by the names that Roboflow gives to copies "
                f"and tiles of one picture: one is in {images['part'][other]}, this in {part}"
            )
            severity: Severity = "warning" if _SERIAL_NUMBER.search(picture) else "info"
            yield RowFinding(message, image=row, severity=severity, kind=_COPIES)


def _altered_leak(kinds: _Kinds, altered: Table, row: int) -> RowFinding:
    """The finding of one image that is another one mirrored, or a part of it."""
    images, image, other = kinds.images, int(altered["image"][row]), int(altered["of"][row])
    other_name = images["image_id"][other]
    share, kind = altered["share"][row], altered["how"][row]
    what = f"shows {share:.0%} of" if kind in (_CROPPED, _OVERLAPPING) else "is the mirror image of"
    how = f"their details correlate by {altered['correlation'][row]:.2f}"
    splits = f"one is in {images['part'][other]}, this in {images['part'][image]}"
    note = ", shifted, as overlapping tiles or frames of one video do" if kind == _OVERLAPPING else ""
    message = f"{what} {other_name}{note} ({how}): {splits}"
    return RowFinding(message, image=image, severity="warning", kind=kinds.of(image, other))


def _leak(kinds: _Kinds, image: int, other: int, is_same_file: int, bits: int) -> RowFinding:
    """The finding of one image that is `other` again."""
    images = kinds.images
    name, other_name = images["image_id"][image], images["image_id"][other]
    split, other_split = images["part"][image], images["part"][other]
    splits = f"one is in {other_split}, this in {split}"
    if not is_same_file:
        how = f"{bits} of 256 bits of their difference hashes differ"
        sequence = images["sequence"][image]
        note = (
            "; both are frames of one video" if sequence is not None and sequence == images["sequence"][other] else ""
        )
        message = f"nearly the same as {other_name} ({how}): {splits}{note}"
        return RowFinding(message, image=image, severity="warning", kind=kinds.of(image, other))
    if name == other_name:
        return RowFinding(f"it is in {other_split} and in {split}", image=image)
    return RowFinding(f"the same file as {other_name}, byte by byte: {splits}", image=image)
