"""Judging a picture: what one rule finds in it."""

from collections.abc import Callable, Sequence

import pytest

from segdata.core.config import Config
from segdata.core.defect import Defect
from segdata.core.finding import Finding
from segdata.core.judge import judge
from segdata.core.rule import rule_named
from segdata.measure.measure import measure
from segdata.testing.pictures import PictureDataset, draw_picture

Judged = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def judged() -> Judged:
    """`judged(code, text, defects=(), **options)`: the findings of a rule in a picture."""

    def judged(code: str, text: str, defects: Sequence[Defect] = (), **options: object) -> list[Finding]:
        rule, drawing = rule_named(code), draw_picture(text)
        tables = measure(PictureDataset(drawing.profile, drawing.batch, defects), rule.needs, jobs=1)
        return list(judge(tables, [rule], Config(rules={code: options})).findings)

    return judged
