"""Every defect that the sample data seeds, and whose rule exists, is found where it was put; clean data is quiet."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import segdata
from segdata.core.finding import Finding
from segdata.core.rule import rules
from segdata.sample import make

Entry = dict[str, Any]  # Any: JSON


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clean sets and the seeded defects."""
    folder = tmp_path_factory.mktemp("sample")
    make(folder, seed=0, images=12, only=("clean", "defects"))
    return folder


@pytest.fixture(scope="session")
def truth(sample: Path) -> list[Entry]:
    entries: list[Entry] = json.loads((sample / "defects" / "truth.json").read_text())
    return [entry for entry in entries if entry["code"] in rules()]


def found_in(folder: Path) -> Iterable[Finding]:
    """The findings of a dataset; a folder of several datasets counts as all of them."""
    return segdata.validate(folder).findings


def is_it(finding: Finding, entry: Entry) -> bool:
    """Whether a finding is the seeded defect: the same code, image, and a place that overlaps."""
    if finding.code != entry["code"]:
        return False
    if entry["image"] and finding.image and not entry["image"].endswith(finding.image):
        return False
    if entry["bbox"] and finding.bbox:
        x, y, width, height = entry["bbox"]
        left, top, wide, high = finding.bbox
        return x < left + wide and left < x + width and y < top + high and top < y + height
    return True


def test_every_seeded_defect_is_found(sample: Path, truth: list[Entry]) -> None:
    by_dataset = defaultdict(list)
    for entry in truth:
        by_dataset[entry["dataset"]].append(entry)
    missed = []
    for name, entries in by_dataset.items():
        findings = list(found_in(sample / "defects" / name))
        missed += [
            f"{entry['code']} in {name}: {entry['what']} ({entry['image']})"
            for entry in entries
            if not any(is_it(finding, entry) for finding in findings)
        ]
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize("name", ["semantic", "instances", "panoptic", "instance_ids", "layers"])
def test_clean_data_is_quiet(sample: Path, name: str) -> None:
    findings = found_in(sample / "clean" / name)
    assert not [f"{each.code} {each.image}: {each.message}" for each in findings]
