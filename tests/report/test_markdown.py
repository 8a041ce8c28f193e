"""The committed pages are those that the rules make now."""

from pathlib import Path

from segdata.report.markdown import pages

DOCS = Path(__file__).parents[2] / "docs" / "rules"


def test_the_committed_pages_are_current() -> None:
    """Run `python -m segdata.report.markdown` where this fails."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
    assert committed == pages()


def test_fences_are_closed_and_pictures_inside() -> None:
    for name, text in pages().items():
        assert text.count("```") % 2 == 0, name
    speck = pages()["SEG106.md"]
    assert "```\naaaaaaaaaaaa..\naaaaaaaaaaaa.a\n```" in speck
