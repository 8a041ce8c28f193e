"""`flag` on a Dask cluster of processes: the same report and the same predictions as in one process."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.api.in_memory import from_arrays
from segdata.cli.main import main
from segdata.core.cluster import Portion
from segdata.core.errors import SegdataError
from segdata.core.runs import Ints
from segdata.noise.networks.plan import Settings, StageProgress
from tests.api.test_flag_predictions import archives, labels, results  # noqa: F401  # a fixture
from tests.noise.conftest import TAXONOMY, scene

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
]
SMALL = {"crop": 64, "width": 8, "depth": 3, "batch": 4, "jobs": 1, "max_memory": 2**30}
FEW = Settings(quick=True, steps=24, device="cpu", near=False, **SMALL)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Masks of 10 images, two more that nobody annotated; one image is damaged."""
    folder = tmp_path_factory.mktemp("discs") / "data"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed in range(12):
        picture, segments = scene(seed)
        Image.fromarray(picture).save(folder / "images" / f"{seed:02d}.png")
        ids = np.zeros(picture.shape[:2], np.uint16)
        for number, (mask, _) in enumerate(segments, 1):
            ids[mask] = number
        if seed not in (3, 8):
            Image.fromarray(ids).save(folder / "masks" / f"{seed:02d}.png")
    (folder / "images" / "05.png").write_bytes(b"no image")
    (folder / "taxonomy.yaml").write_text("categories:\n  - {id: 1, name: cell, kind: thing}\n")
    (folder / "segdata.yaml").write_text("instance_ids: {category: cell}\n")
    return folder


@pytest.fixture(scope="module")
def here(discs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The predictions and the report of one process."""
    folder = tmp_path_factory.mktemp("here") / "work"
    return folder, segdata.flag(discs, settings=FEW, work_dir=folder, budget="20").to_json()


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.core.cluster.PORTION", 3)


def files(folder: Path) -> dict[str, bytes]:
    kept = [*folder.glob("images/*"), *folder.glob("*.json")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in kept if path.name != "pace.json"}


def test_networks_predict_and_judge_the_same_also_where_a_worker_dies_twice(
    cluster: Any, discs: Path, here: tuple[Path, str], tmp_path: Path
) -> None:
    killed: dict[str, int] = {}

    def progress(stage: StageProgress) -> None:
        if stage.what in ("predict", "look") and stage.what not in killed and stage.done:
            cluster.wait_for_workers(2, timeout=30)
            killed[stage.what] = next(iter(cluster.run(os.getpid).values()))
            os.kill(killed[stage.what], signal.SIGKILL)

    there = segdata.flag(discs, settings=FEW, work_dir=tmp_path / "w", budget="20", client=cluster, progress=progress)
    assert {*killed} == {"predict", "look"}
    assert there.to_json().replace(str(tmp_path / "w"), str(here[0])) == here[1]
    assert sorted(there.annotate_next) == ["03.png", "08.png"]
    assert "SEG001" in there.validation.by_code
    assert files(tmp_path / "w") == files(here[0])


def test_predictions_of_an_earlier_run_from_the_command_line(cluster: Any, discs: Path, here: tuple[Path, str]) -> None:
    words = ["flag", str(discs), "--predictions", str(here[0]), "--format", "json"]
    alone, together = (
        CliRunner().invoke(main, [*words, *more]) for more in ([], ["--scheduler", cluster.scheduler.address])
    )
    assert alone.exit_code == 1, alone.output  # an image is damaged
    assert (together.exit_code, together.stdout) == (1, alone.stdout)


@pytest.mark.parametrize("write", [results, archives])
def test_predictions_in_files(cluster: Any, labels: tuple[Path, Path], write: Any, tmp_path: Path) -> None:  # noqa: F811
    predictions = write(tmp_path, labels[0])
    alone, together = (
        segdata.flag(labels[0], predictions=predictions, truth=labels[1], settings=Settings(jobs=1), client=client)
        for client in (None, cluster)
    )
    assert together.to_json() == alone.to_json()


def test_a_network_of_ones_own_goes_to_the_workers(cluster: Any, discs: Path, tmp_path: Path) -> None:
    def linear(channels: int, categories: int) -> Any:
        return torch.nn.Conv2d(channels, categories, 1)

    own = replace(FEW, model=linear, width=None, depth=None, steps=2)
    alone, together = (
        segdata.flag(discs, settings=own, work_dir=tmp_path / name, client=client).to_json()
        for name, client in (("a", None), ("b", cluster))
    )
    assert together.replace(str(tmp_path / "b"), str(tmp_path / "a")) == alone


class TestErrors:
    """Each says what to do."""

    def test_workers_that_do_not_see_the_folder(
        self, cluster: Any, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from segdata.noise.networks import training

        class Elsewhere(training._RemotePrediction):
            pass

        monkeypatch.setattr(training, "_RemotePrediction", lambda folder, *rest: Elsewhere(tmp_path / "none", *rest))
        with pytest.raises(SegdataError, match=r"none.key is not there for a worker; .* --work-dir or --predictions"):
            segdata.flag(discs, settings=replace(FEW, steps=1), work_dir=tmp_path / "w", client=cluster)

    def test_data_in_memory(self, cluster: Any, tmp_path: Path) -> None:
        data = from_arrays({"a.png": [(np.ones((9, 9), bool), "disc")]}, TAXONOMY)
        with pytest.raises(SegdataError, match="write it with `convert` first"):
            data.flag(client=cluster)

    def test_a_predictor_that_cannot_travel(self, cluster: Any, discs: Path) -> None:
        class Stuck:
            categories: tuple[int, ...] = (1,)
            things = np.array([False, True])
            usable = np.ones(12, bool)
            kinds = ("missing", "extra")
            agnostic = False

            def __reduce__(self) -> Any:
                raise TypeError("it holds a lock")

        with pytest.raises(SegdataError, match=r"cannot be sent to workers \(it holds a lock\); give predictions in"):
            segdata.flag(discs, predictions=Stuck(), client=cluster)  # type: ignore[arg-type]


def test_portions_are_those_of_the_data(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a dataset: images are loaded by their rows in the source, and named by those in the dataset."""
    from segdata.core.cluster import ImageCluster

    data = segdata.read(discs, only=[f"{k:02d}.png" for k in (1, 2, 4, 6, 7, 9, 10)])
    monkeypatch.setattr(type(data.source), "chunks", lambda source: np.array_split(np.arange(12), 2))
    portions: list[tuple[Portion, Ints]] = list(ImageCluster(None, data)._portions(np.array([0, 1, 2, 4, 6])))  # type: ignore[arg-type]
    assert [(portion.rows.tolist(), images.tolist()) for portion, images in portions] == [
        ([1, 2, 4], [0, 1, 2]),
        ([7, 10], [4, 6]),
    ]
