"""Fixes of files that have no revisions, and what conversions say of losses and images."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from segdata.api.revisions import fix_files
from segdata.cli.main import main
from segdata.core.errors import SegdataError
from segdata.core.losses import Loss
from segdata.report.console import Console
from segdata.report.edits import losses_text


def coco(folder: Path) -> Path:
    """A document of two images, one with a segment whose declared area is wrong."""
    square = [[1, 1, 9, 1, 9, 9, 1, 9]]
    document = {
        "info": {"year": 2020},
        "images": [{"id": i, "file_name": f"{i}.png", "width": 20, "height": 20} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": square, "area": area, "bbox": [1, 1, 8, 8]}
            for i, area in ((1, 64), (2, 999))
        ],
        "categories": [{"id": 1, "name": "car"}],
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_document_is_fixed_in_place_with_a_backup(tmp_path: Path) -> None:
    path = coco(tmp_path)
    before = path.read_bytes()
    dataset = segdata.read(path)
    fixed = fix_files(dataset, dataset.validate(select="SEG013").findings)
    assert fixed is not None
    assert (fixed.written, fixed.backup) == (path, tmp_path / "labels.json.bak")
    assert (tmp_path / "labels.json.bak").read_bytes() == before
    after = json.loads(path.read_text())
    assert [item["area"] for item in after["annotations"]] == [64, 64]
    assert after["info"] == {"year": 2020}
    assert [json.loads(line)["code"] for line in fixed.changes.read_text().splitlines()] == ["SEG013"]
    assert segdata.validate(path, select="SEG013").findings == ()
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]
    again = segdata.read(path)
    assert fix_files(again, again.validate(select="SEG013").findings) is None


def test_fixes_without_a_place_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "masks").mkdir()
    for number in range(2):
        Image.fromarray(np.eye(20, dtype=np.uint8)).save(tmp_path / "masks" / f"{number}.png")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("segdata.api.validate.dataset_tables", never)
    result = CliRunner().invoke(main, ["validate", str(tmp_path / "masks"), "--fix", "--no-cache"])
    assert isinstance(result.exception, SegdataError | SystemExit)
    assert "--fix-to" in f"{result.output} {result.exception}"


@pytest.mark.parametrize("same_names", [False, True])
@pytest.mark.parametrize(
    ("document", "images"),
    [("annotations/instances_{}.json", "{}"), ("{}/_annotations.coco.json", "{}"), ("instances_{}.json", "images/{}")],
)
def test_a_dataset_of_two_splits_comes_back_as_it_was(
    tmp_path: Path, document: str, images: str, same_names: bool
) -> None:
    """One file for each split where it was, with the names of its own; the images where they were; nothing lost."""
    source = coco(tmp_path)
    for split in ("train", "val"):
        content = json.loads(source.read_text())
        for image in content["images"]:
            image["file_name"] = f"{'' if same_names else split}{image['file_name']}"
            place = tmp_path / "coco" / images.format(split) / image["file_name"]
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), split == "val" and "red").save(place)
        path = tmp_path / "coco" / document.format(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    source.unlink()
    before = {path.relative_to(tmp_path / "coco") for path in (tmp_path / "coco").rglob("*") if path.is_file()}
    command = ["validate", str(tmp_path / "coco"), "--select", "SEG002,SEG003,SEG011,SEG013", "--no-cache"]
    result = CliRunner().invoke(main, [*command, "--fix", "--fix-to", str(tmp_path / "fixed")])
    assert result.exit_code == 0, result.output
    assert "nothing found" in result.stdout
    written = {path.relative_to(tmp_path / "fixed") for path in (tmp_path / "fixed").rglob("*") if path.is_file()}
    certificates = {Path(document.format(split)).with_suffix(".losses.json") for split in ("train", "val")}
    assert written == before | {Path("changes.jsonl")} | certificates
    for path in before:
        old, new = (tmp_path / folder / path for folder in ("coco", "fixed"))
        if path.suffix != ".json":
            assert old.read_bytes() == new.read_bytes()
            continue
        was, now = json.loads(old.read_text()), json.loads(new.read_text())
        assert [(one["id"], one["file_name"]) for one in now["images"]] == [
            (one["id"], one["file_name"]) for one in was["images"]
        ]
        assert [one["area"] for one in now["annotations"]] == [64, 64]
    lines = (tmp_path / "fixed" / "changes.jsonl").read_text().splitlines()
    assert [json.loads(line)["code"] for line in lines] == ["SEG013"] * 2
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_masks_are_fixed_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    pixels = np.zeros((64, 64), np.uint8)
    pixels[5:40, 5:40], pixels[20, 20], pixels[50:, 50:] = 1, 0, 2
    for number in range(2):
        Image.fromarray(pixels).save(tmp_path / "masks" / f"{number}.png")
    (tmp_path / "masks" / "taxonomy.yaml").write_text(
        "categories:\n- {id: 0, name: floor}\n- {id: 1, name: car}\n- {id: 2, name: bus}\n"
    )
    dataset = segdata.read(tmp_path / "masks")
    findings = dataset.validate(select=["SEG106", "SEG107"]).findings
    with pytest.raises(SegdataError, match="--fix-to"):
        fix_files(dataset, findings, unsafe=True)
    fixed = fix_files(dataset, findings, tmp_path / "out", unsafe=True)
    assert fixed is not None
    assert (fixed.format, fixed.backup, len(fixed.images)) == (dataset.profile.format, None, 2)
    assert segdata.validate(tmp_path / "out", select=["SEG106", "SEG107"]).findings == ()
    assert np.asarray(Image.open(tmp_path / "masks" / "0.png"))[20, 20] == 0, "the original stays"


def test_losses_that_matter_come_first_and_the_habitual_ones_are_one_line() -> None:
    losses = [
        Loss("attributes", "segments", 2),
        Loss("overlap", "pairs of segments", 1, 7),
        Loss("rings", "segments", 470),
        Loss("segment-id", "segments", 470),
        Loss("unreadable", "defects", 1),
    ]
    lines = losses_text(losses, "yolo-seg", Console()).splitlines()
    heads = [line.split(":")[0].strip() for line in lines]
    assert heads[1] == "unreadable"
    assert heads.index("overlap") < heads.index("attributes")
    assert " ".join(lines[heads.index("also lost, as usual, with no effect on pixels and names") :]).count("470") == 2
