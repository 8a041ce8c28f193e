"""Rules of agreement: what each annotator is told, drawn as a picture for each."""

import pytest

from segdata.api.agreement import agree
from segdata.core.config import Config
from segdata.core.dataset import OpenDataset
from segdata.core.errors import SegdataError
from segdata.core.finding import Finding
from segdata.testing.pictures import draw_picture

BLOCK = """
..aaaaaa....
..aaaaaa....
..aaaaaa....
..aaaaaa....
............
............
a: car
b: car
category: van
"""
NOTHING = (
    BLOCK.replace("a", ".")
    .replace(".: c.r", "a: car")
    .replace("b: c.r", "b: car")
    .replace("c.tegory: v.n", "category: van")
)
VAN = BLOCK.replace("a: car", "a: van").replace("category: van", "category: car")
HALVES = BLOCK.replace("..aaaaaa....", "..aaabbb....")
PARTLY = BLOCK.replace("..aaaaaa....\n..aaaaaa....\n..aaaaaa....\n", "..aaaaaaa...\n..aaaaaaa...\n..aaaaaaa...\n")


def told(*texts: str, gold: str | None = None, **options: dict[str, object]) -> list[Finding]:
    """The findings about annotators a, b, c, …, who drew these pictures."""
    config = Config(rules=options)
    named = []
    for name, text in zip("abcdef", texts, strict=False):
        drawing = draw_picture(text)
        named.append((name, OpenDataset(drawing, drawing.profile, config)))
    found = agree(named, gold=gold, resamples=100).findings
    return [each for each in found if each.code < "SEG410"]


def codes(*texts: str, gold: str | None = None) -> list[tuple[str, str | None]]:
    return [(each.code, each.annotator) for each in told(*texts, gold=gold)]


def test_who_agrees_is_told_nothing() -> None:
    assert codes(BLOCK, BLOCK, BLOCK) == []
    assert codes(BLOCK, BLOCK) == []
    assert codes(BLOCK, PARTLY) == []


def test_what_most_others_have_is_missed() -> None:
    (finding,) = told(BLOCK, NOTHING, BLOCK)
    assert (finding.code, finding.annotator, finding.category, finding.pixels) == ("SEG401", "b", "car", 24)
    assert finding.bbox == (2, 0, 6, 4)
    assert "2 of 2 others" in finding.message


def test_what_nobody_else_has_is_extra() -> None:
    assert codes(NOTHING, BLOCK, NOTHING) == [("SEG402", "b")]


def test_of_two_it_is_told_once_as_missed() -> None:
    assert codes(BLOCK, NOTHING) == codes(BLOCK, NOTHING)[:1] == [("SEG401", "b")]
    assert codes(NOTHING, BLOCK) == [("SEG401", "a")]


def test_another_category() -> None:
    (finding,) = told(BLOCK, BLOCK, VAN)
    assert (finding.code, finding.annotator) == ("SEG403", "c")
    assert "car" in finding.message
    assert "van" in finding.message
    assert [code for code, _ in codes(BLOCK, VAN)] == ["SEG403"]


def test_one_where_others_have_two_and_the_reverse() -> None:
    assert codes(BLOCK, HALVES, HALVES) == [("SEG405", "a")]
    assert codes(BLOCK, BLOCK, HALVES) == [("SEG405", "c")]
    assert codes(HALVES, BLOCK) == [("SEG405", "b")]
    assert codes(HALVES, BLOCK, gold="b") == [("SEG405", "a")]
    assert codes(HALVES, BLOCK, gold="a") == [("SEG405", "b")]


def test_gold_alone_decides_and_is_never_told() -> None:
    assert codes(BLOCK, NOTHING, NOTHING, gold="a") == [("SEG401", "b"), ("SEG401", "c")]
    assert codes(NOTHING, BLOCK, BLOCK, gold="a") == [("SEG402", "b"), ("SEG402", "c")]
    assert codes(BLOCK, VAN, gold="a") == [("SEG403", "b")]


def test_small_things_are_left_alone() -> None:
    assert told(BLOCK, NOTHING, BLOCK, SEG401={"min_pixels": 25}) == []


def test_a_boundary_elsewhere() -> None:
    wide = "\n".join(["." * 2 + "a" * 26 + "." * 12] * 20 + ["." * 40] * 4) + "\na: car\n"
    far = "\n".join(["." * 2 + "a" * 36 + "." * 2] * 20 + ["." * 40] * 4) + "\na: car\n"
    assert codes(wide, far) == []  # most of both outlines is where the other is
    (finding,) = told(wide, far, SEG404={"max_near": 0.9})
    assert (finding.code, finding.annotator) == ("SEG404", "a")
    assert "HD95 10.0 px" in finding.message


def test_regions_of_semantic_data() -> None:
    def semantic(text: str) -> str:
        return text + "task: semantic\n"

    assert codes(semantic(BLOCK), semantic(NOTHING), semantic(BLOCK)) == [("SEG401", "b")]
    assert codes(semantic(NOTHING), semantic(BLOCK), semantic(NOTHING)) == [("SEG402", "b")]
    assert codes(semantic(BLOCK), semantic(VAN), semantic(BLOCK)) == [("SEG403", "b")]


def test_one_annotator_is_not_enough() -> None:
    with pytest.raises(SegdataError, match="two annotators or more"):
        told(BLOCK)


def test_a_reference_that_does_not_exist() -> None:
    with pytest.raises(SegdataError, match="no annotator 'x'"):
        told(BLOCK, BLOCK, gold="x")


def test_images_of_one_annotator_alone_do_no_harm() -> None:
    """Their segments come last and stand opposite nobody."""
    alone = "\n".join([BLOCK.partition("a: car")[0].strip("\n"), "", BLOCK.strip("\n")])
    assert [each for each in codes(alone, HALVES, HALVES) if each[0] == "SEG405"] == [("SEG405", "a")]
