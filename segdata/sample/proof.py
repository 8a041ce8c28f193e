"""Proof: which findings are the seeded defects of a dataset, which defects nobody found, and what else was found."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.core.finding import Finding
from segdata.sample.write import Json


@dataclass(frozen=True)
class Proof:
    """What `prove` says: `found` and `missed` are entries of truth.json, `beyond` the findings that are none of them.

    One finding may stand for several defects, where its rule speaks of a whole dataset.
    """

    found: tuple[Json, ...]
    missed: tuple[Json, ...]
    beyond: tuple[Finding, ...]


def seeded(folder: Path) -> dict[str, list[Json]]:
    """The entries of truth.json in a folder of spoiled datasets, by dataset."""
    entries: list[Json] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return {name: [each for each in entries if each["dataset"] == name] for name in {e["dataset"]: 0 for e in entries}}


def prove(entries: Iterable[Json], findings: Iterable[Finding]) -> Proof:
    """Compare the seeded defects of a dataset with what was found in it."""
    seeds, several = list(entries), list(findings)
    at = [[is_it(finding, entry) for finding in several] for entry in seeds]
    return Proof(
        tuple(entry for entry, hits in zip(seeds, at, strict=True) if any(hits)),
        tuple(entry for entry, hits in zip(seeds, at, strict=True) if not any(hits)),
        tuple(finding for column, finding in enumerate(several) if not any(hits[column] for hits in at)),
    )


def is_it(finding: Finding, entry: Json) -> bool:
    """Whether a finding is a seeded defect: the same code, and no image, file, segment, category or box that differs.

    What only one of them names cannot differ; boxes differ where they share no pixel.
    """
    return finding.code == entry["code"] and _same_place(finding, entry) and _same_thing(finding, entry)


def _same_place(finding: Finding, entry: Json) -> bool:
    if entry["image"] and finding.image and not entry["image"].endswith(finding.image):
        return False
    if entry["file"] and finding.file and not entry["image"] and not finding.file.endswith(entry["file"]):
        return False
    if entry["bbox"] and finding.bbox and (finding.image or not entry["image"]):
        x, y, width, height = entry["bbox"]
        left, top, wide, high = finding.bbox
        return bool(x < left + wide and left < x + width and y < top + high and top < y + height)
    return True


def _same_thing(finding: Finding, entry: Json) -> bool:
    if entry["segments"] and finding.segments and not {*entry["segments"]} & {*finding.segments}:
        return False
    return not (
        entry["category"]
        and finding.category
        and finding.category != entry["category"]
        and repr(entry["category"]) not in finding.message
    )
