"""The library's functions, on the sample data and from misuse."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata import InvalidDatasetError, LossError, SegdataError
from segdata.api.read import ReadOptions
from segdata.core.config import Config
from tests.generators.sample.dataset import make


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    make(folder, seed=1, images=3, only=("clean",))
    return folder / "clean"


def test_every_public_name_is_there_and_documented() -> None:
    for name in segdata.__all__:
        assert getattr(segdata, name).__doc__, name
    assert set(segdata.__all__) <= set(dir(segdata))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = segdata.nothing_like_it  # type: ignore[attr-defined]  # that is the point


def test_the_options_of_read_are_those_that_others_pass_on() -> None:
    assert set(inspect.signature(segdata.read).parameters) - {"data"} == set(ReadOptions.__annotations__)


def test_the_package_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "segdata", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"segdata {segdata.__version__}")


def test_an_open_dataset_takes_no_options(clean: Path, tmp_path: Path) -> None:
    data = segdata.read(clean / "instances")
    assert segdata.read(data) is data
    with pytest.raises(SegdataError, match=r"when you open it: segdata\.read\(path, taxonomy=…, annotator=…\)$"):
        segdata.read(data, annotator="anna", taxonomy="t.yaml")
    with pytest.raises(SegdataError, match="only"):
        segdata.validate(data, only=[])
    with pytest.raises(SegdataError, match="annotator"):
        segdata.convert(data, tmp_path / "c", annotator="anna")
    with pytest.raises(SegdataError, match=r"options of rules belong in config=segdata\.Config"):
        segdata.validate(data, options={"min_pixels": 4})
    assert list(tmp_path.iterdir()) == []


def test_representations_are_a_line(clean: Path, tmp_path: Path) -> None:
    data = segdata.read(clean / "instances")
    for each in (data, data.profile, segdata.info(data), segdata.validate(data), segdata.convert(data, tmp_path / "c")):
        assert repr(each).startswith(f"{type(each).__name__}(")
        assert "\n" not in repr(each)
        assert len(repr(each)) < 200 + len(str(tmp_path))
    assert "3 images" in repr(data)


def test_a_word_is_one_word_and_not_its_letters(clean: Path) -> None:
    assert segdata.validate(clean / "semantic", select="SEG1").findings == ()
    data = segdata.read(clean / "semantic")
    assert segdata.read(clean / "semantic", only=data.image_ids[0]).image_ids == data.image_ids[:1]


def test_suppressed_findings_are_counted(clean: Path, tmp_path: Path) -> None:
    document = json.loads((clean / "instances" / "instances.json").read_text())
    document["annotations"][0]["category_id"] = 4711
    (tmp_path / "broken.json").write_text(json.dumps(document))
    (tmp_path / "segdata.yaml").write_text("suppress: [{code: dangling-reference, reason: known}]\n")
    result = segdata.validate(tmp_path / "broken.json", select="SEG007")
    assert (result.findings, result.suppressed) == ((), 1)


def test_wrong_words_are_refused_before_any_work(clean: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"  # to look for it would be work
    with pytest.raises(SegdataError, match="on_loss is 'eror', it must be one of: warn, error, allow"):
        segdata.convert(nowhere, tmp_path / "c", on_loss="eror")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(SegdataError, match=r"segdata\.yaml: ignore: no rule"):
        segdata.convert(clean / "semantic", tmp_path / "c", config=Config(ignore=("specc",)))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SegdataError, match="fail_on is 'wrning', it must be one of: error, warning"):
        segdata.assert_valid(nowhere, fail_on="wrning")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(SegdataError, match="fail_on is 'wrning'"):
        segdata.validate(clean / "semantic").fails("wrning")  # type: ignore[arg-type]  # that is the point


def test_the_same_labels_have_the_same_hash_in_every_format(clean: Path, tmp_path: Path) -> None:
    source = clean / "instances"
    expected = segdata.hash_of(source)
    segdata.convert(source, tmp_path / "canonical")
    segdata.convert(tmp_path / "canonical", tmp_path / "coco.json", to="coco-instances")
    assert segdata.hash_of(tmp_path / "canonical") == segdata.hash_of(tmp_path / "coco.json") == expected
    assert segdata.hash_of(clean / "semantic") != expected


def test_a_dataset_is_tables_and_batches(clean: Path) -> None:
    data = segdata.read(clean / "instances")
    assert len(data) == len(data.images) == 3
    assert data.image_ids == data.images["image_id"].tolist()
    assert len(data.segments) == sum(batch.n_segments for batch in data)
    assert data.segments["category"].tolist() == [data.taxonomy.name_of(id_) for id_ in data.segments["category_id"]]
    assert set(data.segments["image_id"]) <= set(data.image_ids)
    one = segdata.read(clean / "instances", only=data.image_ids[1:2])
    assert one.images["image_id"].tolist() == data.image_ids[1:2]
    assert (one.segments["area"] > 0).all()


def test_the_tables_of_a_dataset_are_made_in_one_pass(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = segdata.read(clean / "semantic")
    load, loaded = type(data.source).load, []
    monkeypatch.setattr(type(data.source), "load", lambda self, rows: loaded.extend(rows) or load(self, rows))
    assert (len(data.images), len(data.annotations)) == (3, 3)
    assert set(data.segments["image_id"]) == set(data.images["image_id"])
    assert sorted(loaded) == [0, 1, 2]


def test_the_tables_of_no_images_have_their_columns(clean: Path) -> None:
    data, none = segdata.read(clean / "semantic"), segdata.read(clean / "semantic", only=[])
    for name in ("images", "annotations", "segments"):
        assert list(getattr(none, name).columns) == list(getattr(data, name).columns)
        assert len(getattr(none, name)) == 0


def test_assert_valid_is_silent_or_names_the_first_findings(clean: Path, tmp_path: Path) -> None:
    segdata.assert_valid(clean / "semantic")
    document = json.loads((clean / "instances" / "instances.json").read_text())
    document["annotations"][0]["category_id"] = 4711
    (tmp_path / "broken.json").write_text(json.dumps(document))
    with pytest.raises(InvalidDatasetError, match=r"SEG007 x1.*4711"):
        segdata.assert_valid(tmp_path / "broken.json", select=["SEG007"])
    document["annotations"].append(document["annotations"][1])
    (tmp_path / "broken.json").write_text(json.dumps(document))
    with pytest.raises(InvalidDatasetError) as caught:
        segdata.assert_valid(tmp_path / "broken.json")
    for words in (" errors: ", "SEG007 x1", "`segdata validate ", "lists all findings"):
        assert words in str(caught.value)
    findings = segdata.validate(tmp_path / "broken.json").findings
    milder = {finding.code for finding in findings} - {
        finding.code for finding in findings if finding.severity == "error"
    }
    assert not [code for code in milder if code in str(caught.value)]  # it fails for errors


def test_convert_counts_losses_verifies_and_refuses(clean: Path, tmp_path: Path) -> None:
    done = segdata.convert(clean / "instances", tmp_path / "c", verify=True)
    assert (done.verified, done.losses, done.n_images) == (done.n_segments, (), 3)
    with pytest.raises(SegdataError, match="exists already"):
        segdata.convert(clean / "instances", tmp_path / "c")
    with pytest.raises(LossError, match="instance"):
        segdata.convert(tmp_path / "c", tmp_path / "m", to="colour-masks", on_loss="error")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]
    with pytest.raises(SegdataError, match="can only be read"):
        segdata.convert(tmp_path / "c", tmp_path / "l", to="layers")
    with pytest.raises(SegdataError, match="unknown format 'coconut'"):
        segdata.convert(tmp_path / "c", tmp_path / "l", to="coconut")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]
    assert segdata.convert(tmp_path / "c", tmp_path / "l.json", to="coco").format == "coco-instances"


def test_copied_images_travel_with_the_dataset(clean: Path, tmp_path: Path) -> None:
    segdata.convert(clean / "semantic", tmp_path / "c", copy_images=True)
    (tmp_path / "c").rename(tmp_path / "moved")
    uris = segdata.read(tmp_path / "moved").images["uri"]
    assert all(Path(uri).is_file() and Path(uri).is_relative_to(tmp_path / "moved") for uri in uris)


def test_images_beside_a_json_are_copied_whole_or_not_at_all(clean: Path, tmp_path: Path) -> None:
    target, beside = tmp_path / "d.json", tmp_path / "images"
    beside.mkdir()
    (beside / "mine.txt").write_text("mine")
    with pytest.raises(SegdataError, match="images: exists already"):
        segdata.convert(clean / "instances", target, to="coco-instances", copy_images=True)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
    (beside / "mine.txt").unlink()
    with pytest.raises(LossError):
        segdata.convert(clean / "panoptic", target, to="coco-instances", copy_images=True, on_loss="error")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    segdata.convert(clean / "instances", target, to="coco-instances", copy_images=True)
    assert all(Path(uri).is_relative_to(beside) for uri in segdata.read(target).images["uri"])


def test_nothing_stays_where_the_target_cannot_be_moved(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, move = tmp_path / "d.json", Path.replace

    def full(self: Path, to: Path) -> Path:
        if to == target:
            raise OSError(28, "No space left on device", str(to))
        return move(self, to)

    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(SegdataError, match="No space left on device; nothing is left behind"):
        segdata.convert(clean / "instances", target, to="coco-instances", copy_images=True)
    assert list(tmp_path.iterdir()) == []


def with_unsafe_name(clean: Path, target: Path) -> Path:
    """A COCO file of which one image's name leads out of it."""
    document = json.loads((clean / "instances" / "instances.json").read_text())
    document["images"][0]["file_name"] = "../" + document["images"][0]["file_name"]
    target.write_text(json.dumps(document))
    return target


def test_an_unsafe_name_that_was_read_is_no_loss(clean: Path, tmp_path: Path) -> None:
    done = segdata.convert(with_unsafe_name(clean, tmp_path / "d.json"), tmp_path / "c")
    assert {"SEG015"} <= {defect.code for defect in done.defects}
    assert (done.n_images, [loss.kind for loss in done.losses]) == (3, [])
    assert done.n_errors > 0


def test_an_unsafe_name_that_was_left_out_is_a_loss(clean: Path, tmp_path: Path) -> None:
    segdata.convert(clean / "semantic", tmp_path / "m", to="colour-masks", copy_images=True)
    index = tmp_path / "m" / "images.csv"
    head, first, *rest = index.read_text().splitlines()
    image, mask, *more = first.split(",")
    index.write_text("\n".join([head, ",".join([image, f"../{mask}", *more]), *rest, ""]))
    done = segdata.convert(tmp_path / "m", tmp_path / "c")
    assert (done.n_images, [(loss.kind, loss.count) for loss in done.losses]) == (2, [("unreadable", 1)])


def test_info_counts_what_is_there(clean: Path) -> None:
    data = segdata.read(clean / "panoptic")
    summary = segdata.info(data)
    assert summary.facts["images"] == 3
    assert summary.facts["segments"] == len(data.segments)
    by_name = summary.categories.set_index("name")
    counted = data.segments.groupby("category_id")["area"].sum()
    assert by_name["pixels"].sum() == counted.sum()
    np.testing.assert_allclose(by_name["share"].sum(), 1)


def test_misuse_is_one_clear_error(clean: Path, tmp_path: Path) -> None:
    with pytest.raises(SegdataError, match="does not exist"):
        segdata.read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SegdataError, match="is empty"):
        segdata.read(tmp_path / "empty")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("hello")
    with pytest.raises(SegdataError, match="no known format"):
        segdata.read(tmp_path / "text")
    with pytest.raises(SegdataError, match="no image 'x'"):
        segdata.read(clean / "semantic", only=["x"])
    with pytest.raises(SegdataError, match="no such folder of images"):
        segdata.read(clean / "semantic", images=tmp_path / "nowhere")


def test_init_writes_two_files_that_read_takes(clean: Path, tmp_path: Path) -> None:
    files = segdata.init(clean / "instances" / "instances.json", tmp_path / "project")
    assert [file.name for file in files] == ["segdata.yaml", "taxonomy.yaml"]
    data = segdata.read(clean / "instances", config=files[0], taxonomy=files[1])
    assert [category.name for category in data.taxonomy.categories] == ["sign", "person", "car", "bus"]
    with pytest.raises(SegdataError, match="already exists"):
        segdata.init(clean / "instances", tmp_path / "project")
    assert segdata.init(clean / "instances", tmp_path / "project", force=True) == files


def test_rules_and_formats_are_listed_and_explained() -> None:
    assert all(isinstance(rule, segdata.Rule) for rule in segdata.list_rules())
    assert {"canonical", "coco-instances"} <= {format.name for format in segdata.list_formats()}
    assert segdata.explain("SEG106") == segdata.explain("speck")
    with pytest.raises(SegdataError, match="speck"):
        segdata.explain("specc")
