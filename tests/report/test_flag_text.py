"""The text report of flag: what it counts, and what it says of the training."""

from dataclasses import replace
from functools import cache

import numpy as np
from msgspec import structs

from segdata.api.flag import flag
from segdata.api.in_memory import from_arrays
from segdata.core.dataset import OpenDataset
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category, Taxonomy
from segdata.noise.flag_result import FlagResult
from segdata.noise.networks.plan import DataFacts, plan_for
from segdata.noise.networks.settings import Settings
from segdata.report.console import Console
from segdata.report.findings_text import ReportContext
from segdata.report.flag_text import flag_text, statements
from tests.generators.oracle import OracleModel, blobs

PLAN = plan_for(DataFacts(8, 8, 90, 90, (90, 90), 3, 2, True, None, 20, "cpu", 2**32), Settings(), 2**28)
CELLS = Taxonomy(categories=(Category(id=5, name="cell", kind="thing"), Category(id=6, name="rare", kind="thing")))


def cells(*, seeded_data: bool) -> OpenDataset:
    """Two images of cells; a cell of each is missing in what is seeded_data."""
    images = {}
    for at in range(2):
        drawn = blobs(np.random.default_rng([7, at]), height=130, n=30)
        flat = [drawn.take(np.array([row])).categories().reshape(drawn.width, 130).T > 0 for row in range(len(drawn))]
        images[f"{at}.png"] = [(each, 5) for each in flat[3 * seeded_data :]]
    return from_arrays(images, CELLS)


@cache
def found() -> tuple[OpenDataset, FlagResult]:
    data = cells(seeded_data=True)
    return data, flag(
        data, settings=Settings(jobs=1), predictions=OracleModel(cells(seeded_data=False), errors=0), budget="6"
    )


def told(result: FlagResult) -> str:
    return flag_text(result, ReportContext(found()[0].profile, [], ["data"]), Console(width=80))


def test_only_labels_count_as_labels_to_look_at() -> None:
    result = found()[1]
    whole = Finding(code="SEG508", rule="systematic-confusion", severity="warning", message="m", score=0.9)
    more = replace(result, validation=replace(result.validation, findings=(*result.validation.findings, whole)))
    assert len(result.validation.findings) == 6
    assert "review 6 of" in told(result)
    assert "review 6 of" in told(more)


def test_other_forms_say_the_same_of_the_whole() -> None:
    result = replace(found()[1], notes=("a note",))
    said = statements(result)
    text = " ".join(told(result).split())
    assert said[0] == "a note"
    assert said[1].startswith("review 6 of")
    assert any("too weak for rare" in each for each in said)
    assert all(each in text for each in said)


def test_a_category_that_occurs_nowhere_is_not_called_weak() -> None:
    result = found()[1]
    good, rare = result.trust
    assert "too weak for rare" in " ".join(told(result).split())
    nowhere = structs.replace(rare, iou=None, reason="rare occurs nowhere")
    assert "too weak for" not in told(replace(result, trust=(good, nowhere)))


def test_of_a_weak_model_only_that_is_advised_which_was_not_done() -> None:
    result = found()[1]
    weak = tuple(structs.replace(each, reason="too weak") for each in result.trust)
    nothing = replace(result, trust=weak, validation=replace(result.validation, findings=()))
    better = "give --predictions of a better model"
    for plan, advised in (
        (None, better),
        (PLAN, f"add images, train longer (without --quick), start with --pretrained, or {better}"),
        (replace(PLAN, encoder="efficientnet-lite0"), f"add images, train longer (without --quick), or {better}"),
    ):
        text = " ".join(told(replace(nothing, plan=plan)).split())
        assert f"too weak for every category: {advised} how reliable" in text


def test_the_head_says_what_was_chosen_for_the_training() -> None:
    text = told(replace(found()[1], plan=PLAN))
    assert "chosen: " in text
    assert f"folds {PLAN.folds}" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
