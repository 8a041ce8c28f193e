"""Judging a picture: what one rule finds in it."""

from collections.abc import Callable, Sequence

import pytest

from segdata.core.config import Config
from segdata.core.finding import Defect, Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.testing.pictures import PictureDataset, draw_picture

Judged = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def judged() -> Judged:
    """`judged(code, text, defects=(), **options)`: the findings of a rule in a picture."""

    def judged(code: str, text: str, defects: Sequence[Defect] = (), **options: object) -> list[Finding]:
        rule, drawing = find_rule(code), draw_picture(text)
        tables = measure_source(PictureDataset(drawing.profile, drawing.batch, defects), rule.needs, jobs=1)
        return list(run_rules(tables, [rule], Config(rules={code: options})).findings)

    return judged
