"""The documented kinds are those that there are."""

from pathlib import Path

from segdata.edit.diff.kinds import KINDS, QUIET, SUMMARIES

PAGE = Path(__file__).parents[3] / "docs" / "diff.md"


def test_every_kind_is_on_its_page() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{kind}` | {SUMMARIES[kind]} |" for kind in KINDS]
    assert set(KINDS[-4:]) == QUIET
