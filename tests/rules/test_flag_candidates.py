"""Flagged candidates: the words that go with a probability, and the correction that is proposed."""

import pytest

from segdata.core.finding import Correction
from segdata.rules.flag.shared import Candidate

MAY, SURE = ("may be", "may have"), ("is probably", "probably has")


@pytest.mark.parametrize(("probability", "verbs"), [(0.15, MAY), (0.49, MAY), (0.5, SURE), (0.97, SURE)])
def test_only_what_is_as_likely_wrong_as_right_is_called_probably_wrong(
    probability: float, verbs: tuple[str, str]
) -> None:
    correction = Correction(action="rename", category="van", size=(9, 9))
    suspect = Candidate(
        0,
        3,
        probability,
        probability - 0.05,
        probability + 0.02,
        "car",
        "van",
        20,
        True,
        0.1,
        0.8,
        0,
        0,
        0,
        False,
        (0, 0, 5, 4),
        "car 7",
        2,
        1300,
        correction,
    )
    found = suspect.finding(f"{suspect.verb_be} van", "the model says so")
    extent = f"P {probability - 0.05:.2f} to {probability + 0.02:.2f}"
    assert found.message == f"car 7 {verbs[0]} van: {extent}, the model says so; rename it to van"
    known = suspect._replace(low=probability, high=probability).finding(f"{suspect.verb_be} van", "the model says so")
    assert known.message == f"car 7 {verbs[0]} van: P {probability:.2f}, the model says so; rename it to van"
    assert (suspect.verb_be, suspect.verb_have) == verbs
    rare = suspect._replace(low=0.004, high=0.4).finding(f"{suspect.verb_be} van", "the model says so")
    assert rare.message.startswith(f"car 7 {verbs[0]} van: rank 2 of 1,300, P at most 0.40, ")
    vague = suspect._replace(low=0.004, high=0.98).finding(f"{suspect.verb_be} van", "the model says so")
    assert vague.message == f"car 7 {verbs[0]} van: rank 2 of 1,300, the model says so; rename it to van"
    assert vague.score_range == (0.004, 0.98)
