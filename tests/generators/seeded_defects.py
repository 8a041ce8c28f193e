"""Which findings are the seeded defects of a dataset, which defects nothing reported, and what else was reported."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segdata.core.finding import Finding
from tests.generators.sample.writers import Json


@dataclass(frozen=True)
class DefectComparison:
    """Seeded defects against findings.

    `found` and `missed` are entries of truth.json, `beyond` the findings that are none of them.

    One finding may stand for several defects, where its rule speaks of a whole dataset.
    """

    found: tuple[Json, ...]
    missed: tuple[Json, ...]
    beyond: tuple[Finding, ...]


def read_seeded_defects(folder: Path) -> dict[str, list[Json]]:
    """The entries of truth.json in a folder of spoiled datasets, by dataset."""
    entries: list[Json] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return {name: [each for each in entries if each["dataset"] == name] for name in {e["dataset"]: 0 for e in entries}}


def compare_defects(entries: Iterable[Json], findings: Iterable[Finding]) -> DefectComparison:
    """Compare the seeded defects of a dataset with what was found in it."""
    seeds, all_findings = list(entries), list(findings)
    is_same = [[is_same_defect(finding, entry) for finding in all_findings] for entry in seeds]
    return DefectComparison(
        tuple(entry for entry, hits in zip(seeds, is_same, strict=True) if any(hits)),
        tuple(entry for entry, hits in zip(seeds, is_same, strict=True) if not any(hits)),
        tuple(finding for column, finding in enumerate(all_findings) if not any(hits[column] for hits in is_same)),
    )


def is_same_defect(finding: Finding, entry: Json) -> bool:
    """Whether a finding is a seeded defect: the same code, and no image, file, segment, category or box that differs.

    What only one of them names cannot differ; boxes differ where they share no pixel.
    """
    return finding.code == entry["code"] and _is_same_place(finding, entry) and _is_same_segment(finding, entry)


def _is_same_place(finding: Finding, entry: Json) -> bool:
    if entry["image"] and finding.image and not entry["image"].endswith(finding.image):
        return False
    if entry["file"] and finding.file and not entry["image"] and not finding.file.endswith(entry["file"]):
        return False
    if entry["bbox"] and finding.bbox and (finding.image or not entry["image"]):
        x, y, width, height = entry["bbox"]
        left, top, wide, high = finding.bbox
        return bool(x < left + wide and left < x + width and y < top + high and top < y + height)
    return True


def _is_same_segment(finding: Finding, entry: Json) -> bool:
    if entry["segments"] and finding.segments and not {*entry["segments"]} & {*finding.segments}:
        return False
    return not (
        entry["category"]
        and finding.category
        and finding.category != entry["category"]
        and repr(entry["category"]) not in finding.message
    )
