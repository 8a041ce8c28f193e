"""Hugging Face Parquet: what is written comes back, and `datasets` reads it and is read."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.core.format import detect, find_format
from segdata.testing.round_trip import assert_round_trip
from segdata.testing.strategies import Details, datasets

PEER = Path(__file__).parents[2] / "build" / "peers" / "bin" / "python"
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(values: object, mode: str | None = None) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.array(values, np.uint8), mode).save(file, "png")
    return file.getvalue()


def shard(folder: Path, rows: list[dict[str, object]], name: str = "data/train-00000-of-00001.parquet") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(key for row in rows for key in row)
    schema = pa.schema([(key, pa.string() if key == "image_id" else PICTURE) for key in names])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return path


def named(folder: Path, **names: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "id2label.json").write_text(json.dumps({key[1:]: name for key, name in names.items()}), encoding="utf-8")
    return folder


@given(datasets(Details()))
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, made: tuple[object, object]) -> None:
    assert_round_trip(find_format("hugging-face"), *made, tmp_path_factory.mktemp("h"))  # type: ignore[arg-type]


def test_names_void_and_nothing(tmp_path: Path) -> None:
    picture = {"bytes": png([[0, 1, 2, 255]]), "path": "x.png"}
    shard(named(tmp_path, _1="road", _2="car"), [{"image": {"bytes": None, "path": "b/a.jpg"}, "label": picture}])
    assert detect(tmp_path) == "hugging-face"
    dataset = segdata.read(tmp_path)
    assert dataset.image_ids == ["b/a.jpg"]
    assert dataset.images["split"].tolist() == ["train"]
    assert dataset.segments["category"].tolist() == ["road", "car", "ignore"]
    assert dataset.segments["area"].tolist() == [1, 1, 1]
    assert dataset.profile.task == "semantic"


def test_an_image_without_label_map_is_not_annotated(tmp_path: Path) -> None:
    picture = {"bytes": png([[1]]), "path": None}
    shard(named(tmp_path, _1="road"), [{"image_id": "a", "label": picture}, {"image_id": "b", "label": None}])
    dataset = segdata.read(tmp_path)
    assert dataset.annotations["image_id"].tolist() == ["a"]
    assert dataset.image_ids == ["a", "b"]


def test_instances_have_the_category_below_them(tmp_path: Path) -> None:
    label, instance = png([[1, 2, 2, 2, 9]]), png([[0, 5, 5, 6, 6]])
    row = {"label": {"bytes": label, "path": None}, "instance": {"bytes": instance, "path": None}}
    shard(named(tmp_path, _1="road", _2="car"), [row])
    dataset = segdata.read(tmp_path)
    found = dataset.segments[["segment_id", "category", "area"]].values.tolist()
    assert found == [[1, "road", 1], [5, "car", 2], [6, "car", 1]]
    codes = [each.code for each in segdata.validate(dataset).findings if each.code < "SEG020"]
    assert codes == ["SEG009"]
    label = png([[1, 2]])
    row = {"label": {"bytes": label, "path": None}, "instance": {"bytes": png([[7, 7]]), "path": None}}
    shard(tmp_path, [row])
    assert "SEG014" in {each.code for each in segdata.validate(segdata.read(tmp_path)).findings}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"image_id": "a", "label": {"bytes": b"", "path": None}}, "SEG001"),
        ({"image_id": "a", "label": {"bytes": b"\x89PNG\r\n\x1a\nrubbish", "path": None}}, "SEG001"),
        ({"image_id": "a", "label": {"bytes": None, "path": "a.png"}}, "SEG001"),
        ({"image_id": "../a", "label": {"bytes": png([[1]]), "path": None}}, "SEG015"),
        ({"image_id": "b", "label": {"bytes": png([[1]]), "path": None}}, "SEG008"),
    ],
)
def test_broken_rows_are_named_and_the_rest_is_read(tmp_path: Path, row: dict[str, object], code: str) -> None:
    sound = {"image_id": "b", "label": {"bytes": png([[1, 1]]), "path": None}}
    shard(named(tmp_path, _1="road"), [sound, row])
    dataset = segdata.read(tmp_path)
    found = [each for each in segdata.validate(dataset).findings if each.code == code]
    assert len(found) == 1
    assert found[0].file == "data/train-00000-of-00001.parquet"
    assert dataset.segments["image_id"].tolist() == ["b"]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = shard(tmp_path, [{"image_id": "a", "label": {"bytes": png([[1]]), "path": None}}])
    with pytest.raises(SegdataError, match="id2label"):
        segdata.read(tmp_path)
    named(tmp_path, _1="road")
    with pytest.raises(SegdataError, match="no column 'mask'"):
        segdata.read(tmp_path, options={"label": "mask"})
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SegdataError, match="none of 1 tables can be read"):
        segdata.read(tmp_path, format="hugging-face")
    (tmp_path / "id2label.json").write_text("[1]", encoding="utf-8")
    shard(tmp_path, [{"image_id": "a", "label": {"bytes": png([[1]]), "path": None}}])
    with pytest.raises(SegdataError, match="ids and names"):
        segdata.read(tmp_path)


def test_real_masks_survive(real_data: Path, tmp_path: Path) -> None:
    result = segdata.convert(real_data / "camvid11", tmp_path / "h", to="hugging-face", verify=True)
    assert result.proof is not None
    assert result.proof.holds


LOADS = """
import sys, json, numpy as np, datasets
found = datasets.load_dataset(sys.argv[1], split="train", cache_dir=sys.argv[2])
row = found[0]
print(json.dumps([str(found.features["label"]), row["label"].size, int(np.array(row["label"]).sum()), row["image_id"]]))
"""
WRITES = """
import sys, numpy as np, datasets
from PIL import Image
picture = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8))
features = datasets.Features({"image": datasets.Image(), "label": datasets.Image()})
made = datasets.Dataset.from_dict({"image": [picture] * 3, "label": [picture] * 3}, features=features)
made.to_parquet(sys.argv[1])
"""


def peer(script: str, *words: str) -> str:
    """Run a script with the `datasets` package, which is no dependency of ours; skips where it is not there."""
    if not PEER.exists() or subprocess.run([PEER, "-c", "import datasets"], capture_output=True).returncode:
        pytest.skip("the peers are not installed with datasets (make build/peers/.installed)")
    done = subprocess.run([PEER, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_datasets_loads_what_is_written(tmp_path: Path) -> None:
    labels = {"a.png": np.array([[1, 1, 0], [2, 0, 0]])}
    segdata.convert(segdata.from_arrays(labels, ["road", "car"]), tmp_path / "h", to="hugging-face")
    feature, size, total, name = json.loads(peer(LOADS, str(tmp_path / "h"), str(tmp_path / "cache")).splitlines()[-1])
    assert feature.startswith("Image(")
    assert (size, total, name) == ([3, 2], 4, "a.png")


def test_what_datasets_writes_is_read(tmp_path: Path) -> None:
    named(tmp_path, _1="road", _2="car")
    peer(WRITES, str(tmp_path / "train-00000-of-00001.parquet"))
    dataset = segdata.read(tmp_path)
    assert len(dataset) == 3
    assert dataset.segments["area"].tolist() == [2, 1] * 3
