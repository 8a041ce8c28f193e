import pytest

from segdata.core.errors import SegdataError
from segdata.noise.networks.settings import Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"folds": 1}, "folds is 1; it must be 2 or more"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"dropout": 1.0}, "dropout is 1"),
        ({"flips": 3}, "flips is 3"),
        ({"max_memory": 1000}, "max_memory is 1000"),
        ({"pretrained": True, "depth": 4}, "pretrained sets the encoder, so you cannot give model or depth"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SegdataError, match=said):
        Settings(**given)  # type: ignore[arg-type]  # that is the point
