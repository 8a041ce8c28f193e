"""The page "Use segdata from Python": every example runs, and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
NEEDS = {"torch": "torch", "geo": "rasterio"}
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def sections() -> dict[str, list[tuple[str, str]]]:
    """Title -> its examples, each with what it prints; the first is the page's own."""
    parts = re.split(r"^##? ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: BLOCK.findall(part) for part in parts}


@pytest.mark.parametrize("title", sections())
def test_examples(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one section, after those before it that need no extra."""
    extra = re.search(r"\(extra `(\w+)`\)", title)
    if extra:
        pytest.importorskip(NEEDS[extra[1]])
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for name, examples in sections().items():
        if name != title and "(extra" in name:
            continue
        for code, printed in examples:
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(code, f"{PAGE.name}: {name}", "exec"), space)
            assert [line.rstrip() for line in said.getvalue().splitlines()] == [
                line.rstrip() for line in printed.splitlines()
            ]
        if name == title:
            return
