"""The first findings of `flag` on a real set as it is, drawn so that a person can judge each.

    python -m benchmarks.flag.by_eye DATA PREDICTIONS OUT --set SET [--first 40] [--seed 0]

SET is a name of `benchmarks.shared.real_sets`. PREDICTIONS is the work folder of `flag`; without networks of these
images in it, they are trained (`--quick`). Writes OUT/sheet_0.png … with three crops of each finding: the image, the
labels (green; yellow: the box of the finding) and the proposal (red), in random order and without P, so that neither
sways the verdict, and OUT/findings.csv with two empty columns: `verdict` (right, debatable or false) and `reason`.
Prints how many findings there are, how many of them are expected to be errors, and the notes.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.shared.real_sets import real_sets
from segdata.api.flag import flag
from segdata.api.read import read
from segdata.core.finding import Finding
from segdata.core.image_files import read_channels
from segdata.core.label_maps import LabelMaps
from segdata.noise.networks.plan import Settings

Pixels = NDArray[np.uint8]
SIDE, COLUMNS, ROWS = 260, 2, 4  # pixels of a crop, findings beside and above each other
LEAST, AROUND = 24, 3.0  # pixels shown at least, and how much larger than the finding's box a crop is
GIVEN = ("place", "code", "image", "category", "x", "y", "width", "height", "score", "action")
ASKED = ("verdict", "reason")  # of the person who looks


def mask_of(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width) the pixels of a COCO compressed RLE."""
    from pycocotools import mask as coco

    return np.asarray(coco.decode({"size": list(size), "counts": counts.encode()}), bool)


def borders(number: NDArray[np.generic]) -> NDArray[np.bool_]:
    """(height, width) where a pixel differs from the one above or to the left."""
    edge = np.zeros(number.shape, bool)
    edge[1:] |= number[1:] != number[:-1]
    edge[:, 1:] |= number[:, 1:] != number[:, :-1]
    return edge


def shown(maps: LabelMaps, row: int) -> Pixels:
    """(height, width, 3) the image of a row."""
    size = int(maps.height[row]), int(maps.width[row])
    pixels = read_channels(str(maps.uris[row]), size).astype(np.float32)
    pixels = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    low, high = np.percentile(pixels, [0.5, 99.5])
    return np.asarray(((pixels - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def drawn_labels(maps: LabelMaps, row: int) -> NDArray[np.int64]:
    """(height, width) the number of the segment of each pixel, from 1; the last one where they overlap."""
    height, width = int(maps.height[row]), int(maps.width[row])
    segments, flat = maps.segments(row), np.zeros(height * width, np.int64)
    runs = segments.runs
    for start, length, owner in zip(runs.start.tolist(), runs.length.tolist(), runs.owner.tolist(), strict=True):
        flat[start : start + length] = owner + 1
    return flat.reshape(width, height).T


def panel(maps: LabelMaps, number: int, finding: Finding) -> Image.Image:
    """One finding: image, labels, proposal."""
    row = maps.row(str(finding.image))
    image, labels = shown(maps, row), drawn_labels(maps, row)
    height, width = labels.shape
    x, y, wide, high = finding.bbox or (0, 0, width, height)
    side = min(max(wide, high, LEAST) * AROUND, max(height, width))
    left = int(np.clip(x + wide / 2 - side / 2, 0, max(width - side, 0)))
    top = int(np.clip(y + high / 2 - side / 2, 0, max(height - side, 0)))
    box = left, top, int(min(left + side, width)), int(min(top + side, height))
    over, proposed = image.copy(), image.copy()
    over[borders(labels)] = 0, 255, 0
    correction = finding.correction
    for counts in correction.counts if correction else ():
        proposed[borders(mask_of(counts, correction.size))] = 255, 60, 60  # type: ignore[union-attr]  # it has counts
    page = Image.new("RGB", (3 * SIDE + 8, SIDE + 16), "white")
    for place, pixels in enumerate((image, over, proposed)):
        crop = Image.fromarray(pixels).crop(box)
        factor = SIDE / max(crop.size)
        crop = crop.resize((max(round(crop.width * factor), 1), max(round(crop.height * factor), 1)), 0)
        if place == 1:
            corner = [(x - box[0]) * factor, (y - box[1]) * factor]
            ends = [*corner, corner[0] + wide * factor, corner[1] + high * factor]
            ImageDraw.Draw(crop).rectangle(ends, outline="yellow")
        page.paste(crop, (place * (SIDE + 2), 14))
    title = f"{number} {finding.code} {correction.action if correction else ''} {finding.category}"
    ImageDraw.Draw(page).text((2, 1), f"{title} {str(finding.image)[-18:]}", fill=0)
    return page


def main() -> None:
    """Flag, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "predictions", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--set", required=True)
    parser.add_argument("--first", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for each, path in real_sets(asked.data):
        if each.name != asked.set:
            continue
        data = read(path, **each.opening)
        made = (asked.predictions / "predictions.json").is_file()
        where = {"predictions": asked.predictions} if made else {"work_dir": asked.predictions}
        result = flag(data, settings=Settings(quick=True, seed=asked.seed, jobs=1, device="cpu"), **where)
        maps, findings = data.maps(), [item for item in result.findings if item.code < "SEG510" and item.bbox]
        errors = result.expected
        counted = f"{len(findings)} findings on {result.n_judged} labels"
        print(f"{counted}, expected errors {errors.n:.0f} ({errors.low:.0f} to {errors.high:.0f})")
        for note in result.notes:
            print(note)
        for trust in result.trust:
            if trust.reason is not None:
                print(f"{trust.category}: no findings, {trust.reason} (IoU {trust.iou})")
        first = findings[: asked.first]
        with (asked.out / "findings.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(GIVEN + ASKED)
            for place, item in enumerate(first, 1):
                action = item.correction.action if item.correction else ""
                given = [place, item.code, item.image, item.category, *(item.bbox or ()), f"{item.score:.3f}", action]
                table.writerow([*given, *[""] * len(ASKED)])
        shuffled = np.random.default_rng(asked.seed).permutation(len(first)).tolist()
        panels = [panel(maps, at + 1, first[at]) for at in shuffled]
        for sheet in range(0, len(panels), COLUMNS * ROWS):
            page = Image.new("RGB", (COLUMNS * (3 * SIDE + 8), ROWS * (SIDE + 16)), "white")
            for place, one in enumerate(panels[sheet : sheet + COLUMNS * ROWS]):
                page.paste(one, (place % COLUMNS * one.width, place // COLUMNS * one.height))
            page.save(asked.out / f"sheet_{sheet // (COLUMNS * ROWS)}.png")
        return


if __name__ == "__main__":
    main()
