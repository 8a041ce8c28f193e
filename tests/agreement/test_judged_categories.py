"""Judged categories: who looked and saw nothing denies; who was not asked does not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.api.agreement import AgreementResult

TAXONOMY = "categories:\n  - {id: 1, name: axon, kind: stuff}\n  - {id: 2, name: myelin, kind: stuff}\n"


def layers(folder: Path, drawn: dict[str, dict[str, bool | None]], n: int = 4) -> Path:
    """Layer files of images: True: with something, False: empty, None: no file."""
    folder.mkdir()
    (folder / "segdata.yaml").write_text('layers: {pattern: "{stem}_{category}.png"}\ntaxonomy: taxonomy.yaml\n')
    (folder / "taxonomy.yaml").write_text(TAXONOMY)
    for image in range(n):
        for category, filled in drawn.items():
            value = filled.get(str(image), filled.get("*"))
            if value is None:
                continue
            mask = np.zeros((30, 40), np.uint8)
            if value:
                mask[5 + image : 20, (slice(2, 12) if category == "axon" else slice(15, 35))] = 255
            Image.fromarray(mask).save(folder / f"im{image}_{category}.png")
    return folder


def agreed(folder: Path, ben: dict[str, dict[str, bool | None]]) -> AgreementResult:
    both = layers(folder / "anna", {"axon": {"*": True}, "myelin": {"*": True}})
    return segdata.agree({"anna": both, "ben": layers(folder / "ben", ben)}, resamples=100, jobs=1)


def missed(found: AgreementResult, category: str) -> float:
    return next(
        (each.missed.value for each in found.annotator_bias if (each.annotator, each.category) == ("ben", category)),
        float("nan"),
    )


def test_who_was_asked_for_one_feature_did_not_deny_the_other(tmp_path: Path) -> None:
    found = agreed(tmp_path, {"axon": {"*": True}})
    assert missed(found, "axon") == 0
    assert np.isnan(missed(found, "myelin"))
    assert found.overall.iou.value == 1
    assert not [each for each in found.findings if each.code == "SEG401"]
    (told,) = [(each.severity, each.message) for each in found.findings if each.code == "SEG412"]
    assert told[0] == "info"
    assert told[1] == "ben judged no myelin, and what others drew there is left out"


def test_an_empty_layer_says_that_nothing_is_there(tmp_path: Path) -> None:
    found = agreed(tmp_path, {"axon": {"*": True}, "myelin": {"*": False}})
    assert missed(found, "myelin") == 1
    assert found.overall.iou.value == 0.5


def test_images_count_one_by_one(tmp_path: Path) -> None:
    """Of four images ben judged myelin in three, and saw it in two."""
    found = agreed(tmp_path, {"axon": {"*": True}, "myelin": {"*": True, "1": False, "2": None}})
    pixels = [(15 - k) * 20 for k in range(4)]
    assert missed(found, "myelin") == pytest.approx(pixels[1] / (pixels[0] + pixels[1] + pixels[3]))


def test_what_was_judged_survives_a_conversion(tmp_path: Path) -> None:
    both = layers(tmp_path / "anna", {"axon": {"*": True}, "myelin": {"*": True}})
    ben = layers(tmp_path / "ben", {"axon": {"*": True}})
    segdata.convert(segdata.read(ben), tmp_path / "canonical")
    found = segdata.agree({"anna": both, "ben": tmp_path / "canonical"}, resamples=100, jobs=1)
    assert np.isnan(missed(found, "myelin"))
    assert found.overall.iou.value == 1


def volumes(folder: Path, drawn: dict[str, dict[str, bool | None]], n: int = 3) -> Path:
    """A NIfTI file for each category of each volume, as `layers`."""
    nibabel = pytest.importorskip("nibabel")
    for volume in range(n):
        for category, filled in drawn.items():
            value = filled.get(str(volume), filled.get("*"))
            if value is None:
                continue
            mask = np.zeros((20, 24, 4), np.uint8)
            if value:
                left = 4 if category.startswith("lesion") else 14
                mask[4 : 9 + volume, left : left + 8, 1:3] = 1
            path = folder / f"sub-{volume}" / "anat" / f"sub-{volume}_T1w_{category}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), path)
    return folder


@pytest.mark.parametrize("n_categories", [1, 2])
def test_a_rater_without_files_of_a_category_did_not_deny_it(tmp_path: Path, n_categories: int) -> None:
    """Derivatives of three raters: one was asked for lesions alone, and one saw none in a volume."""
    both = {"seg-manual": {"*": True}, "lesion-manual": {"*": True}}
    own = dict(list(both.items())[::-1][:n_categories])
    raters = {
        "anna": volumes(tmp_path / "anna", both),
        "ben": volumes(tmp_path / "ben", own | {"lesion-manual": {"*": True, "1": False, "2": None}}),
        "carl": volumes(tmp_path / "carl", both),
    }
    found = segdata.agree(raters, resamples=100, jobs=1)
    expected = 6 * 8 * 2 / ((5 + 6) * 8 * 2)  # of two volumes the lesion of the second
    assert missed(found, "lesion-manual") == pytest.approx(expected)
    cord = missed(found, "seg-manual")
    assert np.isnan(cord) if n_categories == 1 else cord == 0
    asked = [each.message for each in found.findings if each.code == "SEG412"]
    assert bool(asked) == (n_categories == 1)


def test_layers_that_a_folder_lacks_throughout_were_not_judged(tmp_path: Path) -> None:
    """Without a taxonomy, too, since the files name the categories; an empty file is a judgement."""
    for who, drawn in (("anna", {"axon": True, "myelin": True}), ("ben", {"axon": True}), ("carl", {"axon": False})):
        folder = layers(tmp_path / who, {name: {"*": value} for name, value in drawn.items()})
        (folder / "taxonomy.yaml").unlink()
        (folder / "segdata.yaml").write_text('layers: {pattern: "{stem}_{category}.png"}\n')
    found = segdata.agree({who: tmp_path / who for who in ("anna", "ben", "carl")}, resamples=100, jobs=1)
    denied = {each.annotator: each.missed.value for each in found.annotator_bias if each.category == "axon"}
    assert denied["carl"] == 1
    assert not [each for each in found.findings if each.code == "SEG401" and each.category == "myelin"]


def test_what_volumes_show_survives_writing_them(tmp_path: Path) -> None:
    both = {"seg-manual": {"*": True}, "lesion-manual": {"*": True, "1": False, "2": None}}
    source = volumes(tmp_path / "ben", both)
    segdata.convert(source, tmp_path / "again", to="nifti", on_loss="error")
    coverage = [
        [batch.annotations["coverage"].to_pylist() for batch in segdata.read(folder).batches()]
        for folder in (source, tmp_path / "again")
    ]
    assert coverage[0] == coverage[1]
    assert sum(text is not None for batch in coverage[0] for text in batch) == 4


@pytest.mark.parametrize("table", [("cord", "lesion"), ("cord",)])
def test_a_table_of_values_says_what_a_rater_was_asked_for(tmp_path: Path, table: tuple[str, ...]) -> None:
    """Ben's label maps have cords alone: he denies the lesions if his table has them, and else was not asked."""
    nibabel = pytest.importorskip("nibabel")
    for name, values, named in (("anna", 2, ("cord", "lesion")), ("ben", 1, table), ("carl", 2, ("cord", "lesion"))):
        for volume in range(2):
            mask = np.zeros((20, 24, 4), np.uint8)
            for value in range(1, values + 1):
                mask[4:9, 10 * value - 6 : 10 * value + 2, 1:3] = value
            folder = tmp_path / name / f"sub-{volume}" / "anat"
            folder.mkdir(parents=True)
            nibabel.save(nibabel.Nifti1Image(mask, np.eye(4)), folder / f"sub-{volume}_dseg.nii.gz")
            rows = "".join(f"{k}\t{category}\n" for k, category in enumerate(named, 1))
            (folder / f"sub-{volume}_dseg.tsv").write_text(f"index\tname\n{rows}")
    found = segdata.agree({name: tmp_path / name for name in ("anna", "ben", "carl")}, resamples=100, jobs=1)
    (lesion,) = [row for row in found.annotator_bias if (row.annotator, row.category) == ("ben", "lesion")] or [None]
    if table == ("cord",):
        assert lesion is None or np.isnan(lesion.missed.value)
        assert any("were not asked for it" in each.message for each in found.findings if each.code == "SEG412")
    else:
        assert lesion is not None
        assert lesion.missed.value == 1
