"""Judging a picture: what one rule finds in it, at once and part by part."""

from collections.abc import Callable, Sequence

import pytest

from segdata.core.config import Config
from segdata.core.finding import Defect, Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.measure.measure import measure_source
from segdata.testing.parts import find_in_parts
from segdata.testing.pictures import PictureDataset, draw_picture

Judged = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def judged() -> Judged:
    """`judged(code, text, defects=(), **options)`: the findings of a rule in a picture."""

    def judged(code: str, text: str, defects: Sequence[Defect] = (), **options: object) -> list[Finding]:
        rule, drawing, config = find_rule(code), draw_picture(text), Config(rules={code: options})
        source = PictureDataset(drawing.profile, drawing.batch, defects)
        tables = measure_source(source, rule.needs, jobs=1)
        found = list(run_rules(tables, [rule], config).findings)
        if rule.applies(tables.profile) and rule.runs_by_part(tables.profile):
            known = find_in_parts(tables, source, [rule], config)
            assert list(run_rules(tables, [rule], config, known=known).findings) == found, "in parts"
        return found

    return judged
