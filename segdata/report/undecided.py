"""The list of what annotators do not agree on: where it is, and who says what, as CSV and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence

from segdata.agreement.consensus import UndecidedRegion

_HEADS = ("image", "x", "y", "width", "height", "pixels")


def to_csv(regions: Iterable[UndecidedRegion], annotators: Sequence[str]) -> str:
    """A line for each region, a column for each annotator: what he calls it, or how many pixels of it what."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_HEADS, *annotators])
    for each in regions:
        writer.writerow([each.image, *each.bbox, each.pixels, *(_told(each, name) for name in annotators)])
    return text.getvalue()


def to_json(regions: Iterable[UndecidedRegion]) -> str:
    """`{"version": 1, "regions": [...]}`, a region a line."""
    rows = [
        {
            "image": each.image,
            "bbox": list(each.bbox),
            "pixels": each.pixels,
            "said": {
                name: [{"category": category, "pixels": pixels} for category, pixels in said]
                for name, said in each.said.items()
            },
        }
        for each in regions
    ]
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f'{{\n  "version": 1,\n  "regions": [{f"{chr(10)}{lines}{chr(10)}  " if rows else ""}]\n}}\n'


def _told(region: UndecidedRegion, name: str) -> str:
    """What one annotator says; empty where the image is not annotated."""
    said = region.said.get(name, [])
    return said[0][0] if len(said) == 1 else ", ".join(f"{category} {pixels} px" for category, pixels in said)
