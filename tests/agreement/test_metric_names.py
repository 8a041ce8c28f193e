"""A metric of a third party cannot take a name under which reports already have a figure."""

import pytest

from segdata.agreement.plugin import metric


@pytest.mark.parametrize("name", ["iou", "dice", "nsd", "kappa", "pq"])
def test_a_name_of_our_own_figures_is_refused(name: str) -> None:
    register = metric(name, takes=["both"], higher_is_better=True, source="none")
    with pytest.raises(ValueError, match=f"metric {name}: "):
        register(lambda both: both)
