"""Pictures measured and judged, for the reports."""

from collections.abc import Callable

import pytest

from segdata.core.config import Config
from segdata.core.finding import Finding
from segdata.core.judge import judge, needed, selected
from segdata.measure.measure import measure
from segdata.testing.pictures import Drawing


@pytest.fixture
def findings_in() -> Callable[[Drawing, str], list[Finding]]:
    """What the rules with these codes find in a drawing."""

    def find(drawing: Drawing, codes: str) -> list[Finding]:
        chosen = selected(Config(), codes.split(","))
        return list(judge(measure(drawing, needed(chosen, drawing.profile)), chosen, Config()).findings)

    return find
