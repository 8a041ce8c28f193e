"""Writer: label files that Ultralytics draws as the pixels, data.yaml, and the lists of its splits."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from segdata.core import yamlfile
from segdata.core.batch import Batch
from segdata.core.errors import SegdataError
from segdata.core.loss import Kind, Losses
from segdata.core.profile import Profile
from segdata.core.runs import Ints, Runs
from segdata.core.unsafe import is_unsafe
from segdata.formats.masks.beside import write_beside
from segdata.formats.masks.maskindex import Cell, write_index
from segdata.formats.naming import names_by_id
from segdata.formats.shapes.differing import differing
from segdata.formats.shapes.raster import rasterise
from segdata.formats.shapes.rings import Drawn
from segdata.formats.shapes.scaled import scaled
from segdata.formats.shapes.shape import Floats, Polygon
from segdata.formats.sheets import Sheet, examples, sheets
from segdata.formats.unheld import count_spatial, count_unheld
from segdata.formats.yolo.bridges import in_pixels, shapes_of, single_rings

_HELD = frozenset({"images.split", "images.sequence", "images.frame"})
_ALL = "images.txt"


@dataclass(frozen=True, slots=True)
class _Written:
    """What goes to the end of the folder.

    Attributes
    ----------
    numbers : category id -> class
    rows : of images.csv
    lists : split -> annotated images
    taken : label file -> image
    """

    numbers: dict[int, int]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    lists: defaultdict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, str] = field(default_factory=dict)


def write_labels(
    profile: Profile, batches: Iterable[Batch], target: Path, losses: Losses, kinds: frozenset[Kind]
) -> None:
    """Write a dataset; `kinds` are the losses that the format declares."""
    count_spatial(profile, losses)
    target.mkdir(parents=True)
    write_beside(target, profile, profile.taxonomy)
    names = names_by_id(profile.taxonomy)
    written = _Written({id_: number for number, id_ in enumerate(names)})
    for batch in batches:
        count_unheld(batch, losses, kinds - {"rings"}, _HELD)
        drawn = Drawn.of(batch)
        more = batch.images.select(["sequence", "frame", "split"]).to_pylist()
        for sheet, film in zip(sheets(batch), more, strict=True):
            label = _label(sheet, written.taken)
            if sheet.annotated:
                path = target / label
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"".join(_lines(batch, sheet, drawn, written.numbers, losses)))
                written.lists[film["split"]].append(sheet.image_id)
            size = (sheet.width or None, sheet.height or None)
            named = label if sheet.annotated else None
            written.rows.append((sheet.image_id, named, *size, sheet.uri, *film.values()))
    write_index(target, written.rows, videos=True)
    _write_yaml(target, list(names.values()), written.lists)


def _label(sheet: Sheet, taken: dict[str, str]) -> str:
    """The label file of an image, below the target; raises SegdataError where no file can be called so."""
    if is_unsafe(sheet.image_id):
        raise SegdataError(f"image {sheet.image_id!r}: its labels would lie outside the dataset; rename it")
    label = PurePosixPath("labels", sheet.image_id).with_suffix(".txt").as_posix()
    if label in taken:
        both = f"{taken[label]!r} and {sheet.image_id!r}"
        raise SegdataError(f"images {both} would share the label file {label}; rename one of them")
    taken[label] = sheet.image_id
    return label


def _lines(batch: Batch, sheet: Sheet, drawn: Drawn, numbers: dict[int, int], losses: Losses) -> list[bytes]:
    """The lines of one image; what they do not hold is counted."""
    areas = sheet.runs.areas(len(sheet.segments))
    category = batch.segments["category_id"].to_numpy()[sheet.segments]
    known = np.isin(category, np.array(list(numbers), np.int64))
    for kind, lacking in (("category", ~known), ("empty-segment", known & (areas == 0))):
        rows = sheet.segments[lacking]
        losses.add(kind, "segments", len(rows), int(areas[lacking].sum()), examples(batch, rows))  # type: ignore[arg-type]  # a literal each
    kept = np.flatnonzero(known & (areas > 0))
    rows = sheet.segments[kept]
    renamed = rows[
        (batch.segments["segment_id"].to_numpy()[rows] != np.arange(1, len(rows) + 1))
        | batch.segments["source_id"].is_valid().to_numpy()[rows]
    ]
    losses.add("segment-id", "segments", len(renamed), examples=examples(batch, renamed))
    shares = _shares(batch, sheet, kept, drawn, losses)
    return [
        b"%d %s\n" % (numbers[id_], text.encode()) for id_, text in zip(category[kept].tolist(), shares, strict=True)
    ]


def _shares(batch: Batch, sheet: Sheet, kept: Ints, drawn: Drawn, losses: Losses) -> list[str]:
    """The ring of each segment as text: the source's where it draws the segment's pixels, else one made of them."""
    runs = sheet.runs.take(kept, len(sheet.segments))
    sides = np.array([sheet.width, sheet.height], np.float64)
    source = [_single(drawn, row) for row in sheet.segments[kept].tolist()]
    shares = [None if ring is None else ring / sides for ring in source]
    exact = _exact(shares, runs, sheet)
    had = batch.segments["rings"].is_valid().to_numpy()[sheet.segments[kept]]
    texts = []
    for row, made in enumerate(single_rings(runs, sheet.height, len(kept))):
        ring, share = source[row], shares[row]
        if ring is not None and share is not None and exact[row]:
            texts.append(" ".join(map(repr, share.ravel().tolist())))
            same = np.array_equal(scaled(share, sides), ring)
        else:
            texts.append(" ".join(f"{each:.9g}" for each in (made / sides).ravel().tolist()))
            same = False
        lost = had[row] and not same
        losses.add("rings", "segments", int(lost), examples=examples(batch, sheet.segments[kept[[row]]]))
    _count_bridges(batch, sheet, kept, texts, losses)
    return texts


def _exact(shares: list[Floats | None], runs: Runs, sheet: Sheet) -> NDArray[np.bool_]:
    """(n,) whether reading makes exactly the pixels of a segment of its ring; False where there is none."""
    size = sheet.height, sheet.width
    some = np.array([row for row, share in enumerate(shares) if share is not None], np.int64)
    rings = [in_pixels(share, *size) for share in shares if share is not None]
    again = rasterise([[shape] for shape in shapes_of(rings, *size)], "cv2", *size)
    sides = (np.full(len(some), side) for side in size)
    exact = np.zeros(len(shares), bool)
    exact[some] = differing(runs.take(some, len(shares)), again, *sides) == 0
    return exact


def _size(sheet: Sheet) -> tuple[int, int]:
    return sheet.height, sheet.width


def _single(drawn: Drawn, row: int) -> Floats | None:
    """The only ring of a segment; None where there are several, or none."""
    polygons = drawn.of_segment(row)
    return polygons[0].exterior if len(polygons) == 1 and not polygons[0].holes else None


def _count_bridges(batch: Batch, sheet: Sheet, kept: Ints, texts: list[str], losses: Losses) -> None:
    """Count the pixels that Ultralytics, which draws bridges between parts, has more than the segments."""
    runs = sheet.runs.take(kept, len(sheet.segments))
    rings = [np.array(text.split(), np.float64).reshape(-1, 2) for text in texts]
    polygons = [[Polygon(in_pixels(ring, *_size(sheet)))] for ring in rings]
    n = len(kept)
    sides = np.full(n, sheet.height), np.full(n, sheet.width)
    more = differing(runs, rasterise(polygons, "cv2", *_size(sheet)), *sides)
    rows = np.flatnonzero(more)
    losses.add("part", "segments", len(rows), int(more.sum()), examples(batch, sheet.segments[kept[rows]]))


def _write_yaml(target: Path, names: list[str], lists: dict[str | None, list[str]]) -> None:
    """Write data.yaml and the lists. Ultralytics wants train and val: where one is lacking, another stands in."""
    files = {}
    for split, images in sorted(lists.items(), key=lambda item: item[0] or ""):
        usable = split in ("train", "val", "test")
        name = f"{split}.txt" if usable else _ALL
        with (target / name).open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(f"./images/{image}\n" for image in images)
        files[str(split) if usable else "train"] = name
    first = next(iter(files.values()), _ALL)
    said = {"train": files.get("train", first), "val": files.get("val", files.get("train", first)), **files}
    lines = [yamlfile.flow({key: value})[1:-1] + "\n" for key, value in said.items()]
    lines.append("names:\n" if names else "names: []\n")
    lines += [f"  {yamlfile.flow({number: name})[1:-1]}\n" for number, name in enumerate(names)]
    (target / "data.yaml").write_text("".join(lines), encoding="utf-8")
