"""The committed pages are those that the rules make now."""

import re
from pathlib import Path

import pytest

from segdata.core.rule import rules
from segdata.report.console import Console
from segdata.report.reference_pages import PagePicture, rule_text, side_by_side
from tests.generators.reference_pages import markdown_pages

DOCS = Path(__file__).parents[2] / "docs" / "rules"


def test_the_committed_pages_are_current() -> None:
    """Run `python -m tests.generators.reference_pages` where this fails."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert committed == markdown_pages()


def test_fences_are_closed_and_pictures_inside() -> None:
    for name, text in markdown_pages().items():
        assert text.count("```") % 2 == 0, name
    speck = markdown_pages()["SEG106.md"]
    assert "```\naaaaaaaaaaaa...\naaaaaaaaaaaa.a.\naaaaaaaaaaaa...\n```" in speck


COLOUR = Console(80, colour=True)
BLOCK = re.compile(r"\x1b\[(\d+)(?:;97)?m([^\x1b]*)\x1b\[0m")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def pixels(text: str) -> str:
    """The letters of all blocks; what nobody labelled is a dot again."""
    found = (match for match in BLOCK.finditer(text) if int(match[1]) >= 40)
    return "".join(("." * (len(match[2]) // 2) if not match[2].strip() else match[2][::2]) for match in found)


@pytest.mark.parametrize("code", list(rules()))
def test_every_page_has_all_its_lines_and_fits(code: str) -> None:
    text = plain(rule_text(rules()[code], COLOUR))
    assert max(map(len, text.splitlines())) <= 80
    spaced = " ".join(text.split())
    said = (line.strip() for line in rules()[code].page.splitlines())
    for line in said:
        if line and not re.fullmatch(r"[\w.]+", line):
            # Side by side a heading may be folded, with words of the other picture between its own.
            assert all(word in spaced for word in line.split()), line


def test_flagged_and_fine_stand_side_by_side() -> None:
    pictures = [PagePicture("Flagged:", ("    aab", "    aa.")), PagePicture("Fine:", ("    aa.", "    aa."))]
    lines = list(side_by_side(pictures, COLOUR))
    assert [plain(line).split() for line in lines] == [
        ["Flagged:", "Fine:"], ["a", "a", "b", "a", "a"], ["a", "a", "a", "a"], [],
    ]  # fmt: skip
    assert [pixels(line) for line in lines[1:3]] == ["aabaa.", "aa.aa."]
    assert {plain(line).rstrip().find("Fine") for line in lines[:1]} == {42}


def test_a_segment_keeps_its_colour_and_shared_pixels_have_another() -> None:
    drawn = side_by_side([PagePicture("Flagged:", ("  axb.a", "", "  x = a + b"))], COLOUR)
    (line,) = (each for each in drawn if "x " in each and "=" not in each)
    colours = [(found[2].strip(), found[1]) for found in BLOCK.finditer(line)]
    assert [letter for letter, _ in colours] == ["a", "x", "b", "", "a"]
    assert colours[0][1] == colours[4][1]
    assert len({colour for _, colour in colours}) == 4


def test_what_is_too_wide_stands_below() -> None:
    wide = "  " + 30 * "a"
    text = [
        plain(line) for line in side_by_side([PagePicture("Flagged:", (wide,)), PagePicture("Fine:", (wide,))], COLOUR)
    ]
    assert [line.split()[0] for line in text if line] == ["Flagged:", "a", "Fine:", "a"]
    (row,) = {line for line in text if line.startswith("  a")}
    assert len(row) == 62
    (thin,) = {plain(line) for line in side_by_side([PagePicture("Fine:", ("  " + 50 * "a",))], COLOUR) if "aa" in line}
    assert thin == "  " + 50 * "a"
