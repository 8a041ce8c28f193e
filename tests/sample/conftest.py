import pytest

from segdata.sample import Truth, make
from segdata.sample.dataset import shoot
from segdata.sample.write import Shot


@pytest.fixture(scope="session")
def shots() -> list[Shot]:
    """Four small pictures."""
    return shoot(seed=4, images=4, sizes=[(200, 150), (150, 180)])


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """The clean datasets of three pictures."""
    return make(tmp_path_factory.mktemp("clean"), seed=4, images=3, only=("clean",))
