"""Baseline: findings are known again by their content."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from segdata.core.finding import Box, Finding, sort_findings
from segdata.core.validation import compare_to_baseline


def speck(image: str, *segments: int, box: Box | None = (3, 4, 1, 1), pixels: int = 1) -> Finding:
    return Finding(
        code="SEG106",
        rule="speck",
        severity="warning",
        message=f"1 stray part of {pixels} px, in a segment of 40 px",
        image=image,
        segments=segments,
        category="car",
        bbox=box,
        pixels=pixels,
        place="/annotations/7",
    )


def imbalance(ratio: float) -> Finding:
    message = f"car has {ratio} times the pixels of bicycle, above 100"
    return Finding(code="SEG301", rule="class-imbalance", severity="warning", message=message)


findings = st.lists(
    st.builds(speck, st.sampled_from("ab"), st.integers(1, 9), pixels=st.integers(1, 3))
    | st.builds(imbalance, st.floats(100, 900).map(lambda value: round(value, 1)))
)


@given(findings)
def test_findings_are_sorted_by_their_order(some: list[Finding]) -> None:
    some = [replace(finding, severity=("error", "warning", "info")[len(finding.message) % 3]) for finding in some]
    assert sort_findings(some) == sorted(some, key=Finding.order)


def test_renumbered_and_moved_in_the_file_is_the_same() -> None:
    before = speck("a", 17)
    after = replace(before, segments=(99,), place="/annotations/2", severity="error")
    assert compare_to_baseline([after], [before]).known == (after,)


def test_other_pixels_another_image_or_category_is_new() -> None:
    before = speck("a", 1)
    for after in (
        speck("a", 1, pixels=2),
        speck("a", 1, box=(3, 5, 1, 1)),
        speck("b", 1),
        replace(before, category="bus"),
        replace(before, annotator="anna"),
        replace(before, code="SEG107"),
    ):
        found = compare_to_baseline([after], [before])
        assert (found.new, found.known, found.fixed) == ((after,), (), (before,))


def test_without_a_box_words_count_and_numbers_do_not() -> None:
    assert compare_to_baseline([imbalance(120.5)], [imbalance(431.0)]).new == ()
    other = replace(imbalance(120.5), message="bus has 120.5 times the pixels of bicycle, above 100", category="bus")
    assert compare_to_baseline([other], [imbalance(120.5)]).new == (other,)


def test_without_a_box_other_words_with_the_same_numbers_and_names_are_the_same() -> None:
    """So rules may be explained in better words: a baseline of before still holds."""
    old = replace(imbalance(120.5), message="of 'car' there are 120.5 times the pixels of 'bicycle', over 100")
    new = replace(imbalance(120.5), message="'car' has 120.5 times the pixels of 'bicycle' (limit 100).")
    assert compare_to_baseline([new], [old]).known == (new,)
    for message in (new.message.replace("120.5", "120.6"), new.message.replace("'car'", "'bus'")):
        changed = replace(new, message=message)
        assert compare_to_baseline([changed], [old]).new == (changed,)
    silent = replace(imbalance(1), message="the image file is missing")
    assert compare_to_baseline([replace(silent, message="no image file")], [silent]).new != ()


def test_the_same_words_come_before_the_same_numbers() -> None:
    before = [imbalance(3.5), replace(imbalance(2.5), message="other words: 7.5, 100")]
    after = [replace(imbalance(7.5), message="car has 7.5 times the pixels of bicycle, above 100")]
    found = compare_to_baseline(after, before)
    assert (found.known, found.fixed) == (tuple(after), (before[1],))


def test_one_known_finding_covers_one() -> None:
    one = speck("a", 1)
    found = compare_to_baseline([one, one, one], [one, one])
    assert (len(found.known), len(found.new), len(found.fixed)) == (2, 1, 0)
    assert len(compare_to_baseline([one], [one, one]).fixed) == 1


@given(findings, findings)
def test_every_finding_is_one_of_the_three(now: list[Finding], before: list[Finding]) -> None:
    found = compare_to_baseline(now, before)
    assert sorted(map(repr, found.new + found.known)) == sorted(map(repr, now))
    assert len(found.known) + len(found.fixed) == len(before)
    back = compare_to_baseline(before, now)
    assert len(back.new) == len(found.fixed)
    assert len(back.fixed) == len(found.new)


@given(findings)
def test_nothing_is_new_against_itself(now: list[Finding]) -> None:
    assert compare_to_baseline(now, now) == compare_to_baseline(now, now).__class__((), tuple(now), ())
