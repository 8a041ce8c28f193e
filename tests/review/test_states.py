"""Where decisions have come to: last words, disputes, adjudication."""

import pytest

from segdata.core.finding import Decision, Finding
from segdata.review.decision_log import measure_progress, newest_states, review_states

FOUND = Finding(code="SEG106", rule="speck", severity="warning", message="", image="a.png", bbox=(0, 0, 1, 1), pixels=1)


def word(said: str, imprint: str = "1", finding: Finding | None = FOUND) -> Decision:
    """`anna accept 3`: who says what, in which minute; with ! it is an adjudication."""
    who, verdict, minute = said.rstrip("!").split()
    return Decision(
        verdict=verdict, reviewer=who, time=f"2026-01-01T00:0{minute}:00Z", via="html", image="a.png", finding=finding,
        imprint=imprint, adjudicates=said.endswith("!"),
    )  # type: ignore[arg-type]  # fmt: skip  # the test's own words


@pytest.mark.parametrize(
    ("said", "holds", "disputed"),
    [
        (["anna accept 1"], "accept", False),
        (["anna unsure 1"], None, False),
        (["anna accept 1", "anna reject 2"], "reject", False),
        (["anna reject 2", "anna accept 1"], "reject", False),
        (["anna accept 1", "ben reject 2"], None, True),
        (["anna accept 1", "ben unsure 2"], "accept", False),
        (["anna accept 1", "ben reject 2", "ben accept 3"], "accept", False),
        (["anna accept 1", "ben reject 2", "eve void 3!"], "void", False),
        (["anna accept 1", "eve void 2!", "ben reject 3"], "void", False),
        (["eve unsure 2!", "anna accept 1"], None, False),
    ],
)
def test_what_holds(said: list[str], holds: str | None, disputed: bool) -> None:
    (found,) = review_states(map(word, said))
    assert (found.decision and found.decision.verdict, found.is_disputed) == (holds, disputed)


def test_other_labels_are_another_matter() -> None:
    every = review_states([word("anna accept 1"), word("ben reject 2", imprint="2")])
    assert [each.is_disputed for each in every] == [False, False]
    assert [each.latest[-1].reviewer for each in newest_states(every)] == ["ben"]


def test_reversals_and_precision() -> None:
    other = Finding(code="SEG106", rule="speck", severity="warning", message="", image="b.png", bbox=(0, 0, 1, 1))
    said = [
        *map(word, ["anna accept 1", "anna reject 2", "anna unsure 3", "ben reject 4", "eve accept 5!"]),
        word("anna fix 6", finding=other),
    ]
    found = measure_progress(said, [FOUND, other, other], {FOUND: "accept"})
    (speck,) = found.rules
    assert (speck.decided, speck.right, speck.open, speck.disputed) == (2, 2, 2, 0)
    anna, ben, eve = found.reviewers
    assert (anna.by_self, anna.by_others, anna.sure) == (1, 0, 3)
    assert (ben.by_self, ben.by_others, eve.by_others) == (0, 1, 0)
    assert found.flag.decided == 0
