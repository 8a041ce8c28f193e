"""Holding: which decisions hold for the labels as they are."""

from dataclasses import replace

import numpy as np

from segdata.api.decisions import current_decisions, label_hashes
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Decision, Finding, Verdict

SPOT = Finding(code="SEG502", rule="suspected-extra", severity="warning", message="m", image="a.png", bbox=(0, 0, 4, 4))


def labels(side: int = 4) -> OpenDataset:
    mask = np.zeros((9, 9), bool)
    mask[:side, :side] = True
    return from_arrays({"a.png": [(mask, "cell")]}, ["cell"])


def said(verdict: Verdict, reviewer: str, second: int, *, adjudicates: bool = False) -> Decision:
    """Of the labels as they are first."""
    return Decision(
        verdict=verdict, reviewer=reviewer, time=f"2026-01-01T00:00:0{second}Z", via="python", image="a.png",
        finding=SPOT, imprint=label_hashes(labels(), [SPOT], 1)[SPOT], adjudicates=adjudicates,
    )  # fmt: skip


def test_what_reviewers_agree_on_holds_and_their_last_word_counts() -> None:
    first, last = said("accept", "anna", 1), said("reject", "anna", 2)
    assert current_decisions(labels(), [first, last]) == [last]
    assert current_decisions(labels(), [last, said("reject", "ben", 3)]) == [said("reject", "ben", 3)]


def test_what_is_disputed_holds_when_it_is_adjudicated() -> None:
    disputed = [said("accept", "anna", 1), said("reject", "ben", 2)]
    assert current_decisions(labels(), disputed) == []
    settled = said("accept", "carl", 3, adjudicates=True)
    assert current_decisions(labels(), [*disputed, settled, said("reject", "ben", 4)]) == [settled]


def test_what_is_about_an_annotator_whom_the_command_names_is_about_labels_without_a_name() -> None:
    about_ben = replace(said("accept", "anna", 1), annotator="ben")
    assert current_decisions(labels(), [about_ben]) == [about_ben]
    assert current_decisions(labels(3), [about_ben]) == []


def test_nothing_holds_of_labels_that_have_changed() -> None:
    assert current_decisions(labels(3), [said("accept", "anna", 1)]) == []
    assert current_decisions(labels(), [replace(said("accept", "anna", 1), imprint="")]) == []
    theirs = from_arrays({"a.png": [(np.eye(9) > 0, "cell")]}, ["cell"], annotator="carl")
    assert current_decisions(theirs, [replace(said("accept", "anna", 1), annotator="ben")]) == []
    assert current_decisions(labels(), [replace(said("accept", "anna", 1), image="b.png")]) == []
