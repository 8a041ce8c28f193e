"""Judging a picture: what one rule finds in it, at once and part by part."""

from collections.abc import Callable, Sequence

import pytest

from segdata.core.finding import Defect, Finding
from segdata.core.rule import find_rule
from segdata.testing.pictures import PictureDataset, draw_picture, find_in_picture

Judged = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def judged() -> Judged:
    """`judged(code, text, defects=(), **options)`: the findings of a rule in a picture."""

    def judged(code: str, text: str, defects: Sequence[Defect] = (), **options: object) -> list[Finding]:
        drawing = draw_picture(text)
        return find_in_picture(find_rule(code), PictureDataset(drawing.profile, drawing.batch, defects), **options)

    return judged
