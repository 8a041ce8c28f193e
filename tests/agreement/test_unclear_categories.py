"""Unclear categories and unstable annotators, from masks to findings."""

import numpy as np
import pytest

import segdata
from segdata.api.agreement import agree
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category, Taxonomy

TAXONOMY = Taxonomy(
    categories=(Category(id=1, name="clear"), Category(id=2, name="vague", definition="What is vague."))
)
N_IMAGES = 12


def drawn_by(rng: np.random.Generator, vague: float, clear: float = 0.05) -> OpenDataset:
    """Squares on a grid, the first row of them clear and the second vague; each is left out with these chances."""
    labels = {}
    for image in range(N_IMAGES):
        ids = np.zeros((40, 80), np.uint8)
        categories = {}
        for k in range(8):
            for row, (code, chance) in enumerate(((1, clear), (2, vague))):
                if rng.random() >= chance:
                    number = 1 + k + 8 * row
                    ids[20 * row + 4 : 20 * row + 14, 10 * k + 1 : 10 * k + 8] = number
                    categories[number] = code
        labels[f"{image}.png"] = (ids, categories)
    return segdata.from_arrays(labels, TAXONOMY)


def findings(named: list[tuple[str, OpenDataset]], code: str) -> list[Finding]:
    return [each for each in agree(named, resamples=300).findings if each.code == code]


def test_what_everybody_does_otherwise_is_the_guideline() -> None:
    rng = np.random.default_rng(0)
    (finding,) = findings([(name, drawn_by(rng, vague=0.5)) for name in ("anna", "ben", "carl", "dora")], "SEG408")
    assert (finding.category, finding.annotator, finding.image) == ("vague", None, None)
    assert finding.message.endswith('guideline: "What is vague."')


def test_what_one_does_otherwise_is_the_person() -> None:
    rng = np.random.default_rng(1)
    named = [(name, drawn_by(rng, vague=0.8 if name == "ben" else 0.05)) for name in ("anna", "ben", "carl")]
    assert findings(named, "SEG408") == []
    assert {each.annotator for each in findings(named, "SEG406")} == {"ben"}


@pytest.mark.parametrize(("chance", "n_findings"), [(0.02, 0), (0.6, 1)])
def test_who_does_not_do_the_same_twice_is_unstable(chance: float, n_findings: int) -> None:
    rng = np.random.default_rng(2)
    named = [
        ("anna", drawn_by(rng, 0.02)),
        ("ben", drawn_by(rng, chance, chance)),
        ("ben", drawn_by(rng, chance, chance)),
        ("carl", drawn_by(rng, 0.02)),
    ]
    found = findings(named, "SEG409")
    assert [each.annotator for each in found] == ["ben"] * n_findings


def test_what_is_hard_for_everybody_makes_nobody_unstable() -> None:
    rng = np.random.default_rng(2)
    named = [(name, drawn_by(rng, 0.6, 0.6)) for name in ("anna", "ben", "ben", "carl")]
    assert findings(named, "SEG409") == []


@pytest.mark.parametrize(("chance", "n_findings"), [(0.02, 0), (0.6, 1)])
def test_who_is_alone_is_held_against_a_fixed_agreement(chance: float, n_findings: int) -> None:
    rng = np.random.default_rng(2)
    named = [("ben", drawn_by(rng, chance, chance)) for _ in range(2)]
    assert len(findings(named, "SEG409")) == n_findings


def test_honest_annotators_are_left_alone() -> None:
    rng = np.random.default_rng(3)
    named = [(name, drawn_by(rng, 0.05)) for name in ("anna", "ben", "carl")]
    codes = {each.code for each in agree(named, resamples=300).findings}
    assert not codes & {"SEG406", "SEG408", "SEG409"}
