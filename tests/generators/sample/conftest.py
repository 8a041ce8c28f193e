import pytest

from tests.generators.sample.dataset import Truth, make, render_streets
from tests.generators.sample.writers import NamedPicture


@pytest.fixture(scope="session")
def shots() -> list[NamedPicture]:
    """Four small pictures."""
    return render_streets(seed=4, images=4, sizes=[(200, 150), (150, 180)])


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """The clean datasets of three pictures."""
    return make(tmp_path_factory.mktemp("clean"), seed=4, images=3, only=("clean",))
