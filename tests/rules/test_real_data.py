"""The rules on real datasets: the defects that are known to be there, as many as there are, and quiet elsewhere."""

from collections import Counter
from pathlib import Path

import pytest

from segdata.api.validate import validate
from segdata.core.finding import Finding
from segdata.core.taxonomy import Category, Taxonomy

CAMVID = Taxonomy(
    categories=(
        *(Category(id=id_, name=name) for id_, name in enumerate("abcdefghijk")),
        Category(id=11, name="void", kind="void"),
    )
)


@pytest.fixture(scope="module")
def found(real_data: Path) -> dict[str, tuple[Finding, ...]]:
    """The findings in each dataset."""
    roots = {
        "coco": real_data / "coco_tiny" / "annotations" / "instances_train2017.json",
        "taco": real_data / "taco" / "annotations.json",
        "old taco": real_data / "taco" / "annotations_2019-06-24_a35e944.json",
        "nuclei": real_data / "gbm40_nuclei" / "instances.json",
        "terrain": real_data / "peer_fixtures" / "sahi_terrain" / "terrain_all_coco.json",
        "panoptic": real_data / "coco_panoptic_sample" / "panoptic_examples.json",
        "camseq": real_data / "camseq32",
    }
    findings = {name: validate(root, jobs=1).single for name, root in roots.items()}
    return findings | {"camvid": validate(real_data / "camvid11", taxonomy=CAMVID, jobs=1).single}


def of(findings: tuple[Finding, ...], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


def test_taco_has_two_duplicate_ids_and_six_polygons_out_of_frame(found: dict[str, tuple[Finding, ...]]) -> None:
    assert {id_ for finding in of(found["taco"], "SEG008") for id_ in finding.segments} == {309, 4040}
    outside = {id_ for finding in of(found["taco"], "SEG115") for id_ in finding.segments}
    assert outside == {371, 387, 707, 859, 1621, 1777}
    assert [finding.category for finding in of(found["taco"], "SEG204")] == ["Plastified paper bag"]


def test_old_taco_has_the_boxes_of_another_origin(found: dict[str, tuple[Finding, ...]]) -> None:
    assert sum("box" in finding.message for finding in of(found["old taco"], "SEG013")) == 2147
    assert sum("box" in finding.message for finding in of(found["taco"], "SEG013")) == 0


def test_terrain_declares_areas_of_the_image_and_draws_boxes(found: dict[str, tuple[Finding, ...]]) -> None:
    assert len(of(found["terrain"], "SEG013")) == 22
    assert {finding.category for finding in of(found["terrain"], "SEG112")} == {"human", "car"}


def test_coco_lacks_31_categories_and_has_one_empty_image(found: dict[str, tuple[Finding, ...]]) -> None:
    counts = Counter(finding.code for finding in found["coco"])
    assert (counts["SEG204"], counts["SEG312"], counts["SEG102"]) == (31, 1, 1)
    assert of(found["coco"], "SEG102")[0].severity == "info"


def test_nuclei_overlap_in_348_pairs(found: dict[str, tuple[Finding, ...]]) -> None:
    (overlap,) = of(found["nuclei"], "SEG102")
    assert overlap.message.startswith("348 pairs")
    assert not of(found["nuclei"], "SEG104")


def test_panoptic_gaps_are_the_pixels_of_id_0(found: dict[str, tuple[Finding, ...]]) -> None:
    gaps = of(found["panoptic"], "SEG101")
    assert sorted((finding.pixels, finding.severity) for finding in gaps) == [(2712, "warning"), (7189, "warning")]


def test_camseq_lacks_nine_categories_and_has_one_in_a_single_image(found: dict[str, tuple[Finding, ...]]) -> None:
    assert len(of(found["camseq"], "SEG204")) == 9
    assert [finding.category for finding in of(found["camseq"], "SEG302")] == ["LaneMkgsNonDriv"]


def test_shrunken_masks_give_one_finding_a_segment(found: dict[str, tuple[Finding, ...]]) -> None:
    specks = of(found["camvid"], "SEG106")
    assert 150 < len(specks) < 442
    assert len({(finding.image, finding.segments) for finding in specks}) == len(specks)


@pytest.mark.parametrize("dataset", ["coco", "taco", "nuclei"])
@pytest.mark.parametrize("code", ["SEG018", "SEG101", "SEG103", "SEG105", "SEG107", "SEG111", "SEG112", "SEG206"])
def test_quiet_on_good_data(found: dict[str, tuple[Finding, ...]], dataset: str, code: str) -> None:
    assert not of(found[dataset], code)


@pytest.mark.parametrize("dataset", ["coco", "taco", "nuclei"])
def test_rasters_that_fall_apart_are_no_specks(found: dict[str, tuple[Finding, ...]], dataset: str) -> None:
    assert len(of(found[dataset], "SEG106")) <= 1


def test_statistics_are_quiet_but_for_outliers(found: dict[str, tuple[Finding, ...]]) -> None:
    """Splits, companions, annotators and borders of good data give nothing; outliers are infos."""
    codes = ("SEG303", "SEG306", "SEG307", "SEG308", "SEG309", "SEG310", "SEG311")
    counts = {name: Counter(each.code for each in several if each.code in codes) for name, several in found.items()}
    assert counts == {name: Counter() for name in found} | {
        "coco": Counter(SEG307=1),
        "taco": Counter(SEG307=7, SEG308=3),
        "old taco": Counter(SEG307=5, SEG308=2),
    }


def test_kudzu_lost_its_class_in_val(real_data: Path) -> None:
    """Sixteen images of val, whose 349 polygons have no class, against twenty-four of train: told once, by SEG004."""
    findings = validate(real_data / "via_kudzu", select=["SEG004", "SEG303", "SEG306"]).findings
    (lacking,) = (each for each in findings if each.severity != "info")
    assert (lacking.code, lacking.severity) == ("SEG004", "error")
    assert lacking.message.startswith("349 of 869 regions, in 16 images, without a category")
