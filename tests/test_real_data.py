"""The whole line on real datasets: what their known defects give, what clean ones do not, what conversions lose."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from segdata.api.convert import convert
from segdata.api.validate import validate
from segdata.core.config import Config, InstanceIds, Layers
from segdata.core.taxonomy import Category, Taxonomy
from segdata.core.validation import Validation

OBJECTS = Taxonomy(
    unlabelled=0,
    categories=(
        *(Category(id=id_, name=f"object {id_}") for id_ in range(1, 21)),
        Category(id=255, name="void", kind="void"),
    ),
)
NERVE = Taxonomy(unlabelled=0, categories=(Category(id=127, name="myelin"), Category(id=255, name="axon")))
STREET = Taxonomy(
    categories=(
        *(Category(id=id_, name=f"c{id_}", kind="stuff") for id_ in range(11)),
        Category(id=11, name="void", kind="void"),
    )
)
SECTIONS = Config(layers=Layers(pattern="{category}/{stem}.png"))


def counts(result: Validation) -> dict[str, int]:
    """Findings by code, without what a small dataset cannot help: categories that are rare or never occur."""
    return {code: n for code, n in result.by_code.items() if code not in ("SEG204", "SEG301", "SEG302")}


@pytest.mark.parametrize("observer", ["1st", "2nd"])
def test_vessels_of_both_observers_are_clean(real_data: Path, observer: str) -> None:
    """Loops of a net are no pinholes, ends of thin vessels no specks."""
    layers = Layers(pattern=f"{observer}_manual/{{stem}}_manual{observer[0]}.gif", category="vessel")
    result = validate(real_data / "drive", config=Config(layers=layers))
    assert (result.n_images, result.n_segments, result.findings) == (10, 10, ())


def test_nuclei_by_id_are_clean(real_data: Path) -> None:
    result = validate(real_data / "stardist_nuclei", config=Config(instance_ids=InstanceIds(category="nucleus")))
    assert (result.n_images, result.n_segments) == (32, 491)
    # One slice of a larger volume was cut: nuclei end at the last row but one, exactly straight.
    assert [(each.code, each.segments) for each in result.findings] == [("SEG116", (62, 91, 145, 155))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("davis_interactive", {"SEG101": 1, "SEG011": 6, "SEG106": 1}),
        ("davis2017_results/osvos", {"SEG101": 1, "SEG002": 1}),
    ],
)
def test_the_background_of_objects_is_one_info(real_data: Path, name: str, expected: dict[str, int]) -> None:
    result = validate(real_data / name, taxonomy=OBJECTS, format="colour-masks", one_by_one=True)
    assert counts(result) == expected
    (background,) = (each for each in result.findings if each.code == "SEG101")
    assert (background.severity, background.image) == ("info", None)


@pytest.mark.parametrize(
    ("version", "images", "mixed"),
    [("original", ["rat2_sample-data5", "rat3_sample-data10"], 0), ("corrected", ["rat2_sample-data5"], 1)],
)
def test_merged_masks_of_nerves_have_wrong_greys(
    real_data: Path, tmp_path: Path, version: str, images: list[str], mixed: int
) -> None:
    """Values 128, 130 and 233 instead of 127; two corrected masks have a second channel."""
    data = real_data / "axon_sem_corrections"
    for path in sorted((data / "images").iterdir()):
        mask = data / f"labels_{version}" / f"{path.stem}_seg-axonmyelin-manual.png"
        for folder, source in (("images", path), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / path.name).symlink_to(source)
    result = validate(tmp_path, format="colour-masks", taxonomy=NERVE)
    unknown = [each for each in result.findings if each.code == "SEG009"]
    assert Counter(each.image for each in unknown) == {f"sub-{name}_SEM.png": 3 for name in images}
    assert {each.message.split()[1] for each in unknown} == {"128", "130", "233"}
    assert sum(each.pixels or 0 for each in unknown if "rat2" in str(each.image)) == 488_620
    assert (result.by_code.get("SEG016", 0), result.by_code["SEG101"]) == (mixed, 1)
    assert not {"SEG104", "SEG111"} & set(result.by_code)


def test_layers_of_nerves_share_ten_pixels(real_data: Path) -> None:
    """9 in rat2_data5, 1 in rat3_data10; the third, merged layer is no category of the taxonomy, and named."""
    layers = Layers(pattern="labels_original/{stem}_seg-{category}-manual.png")
    taxonomy = Taxonomy(categories=(Category(id=1, name="axon"), Category(id=2, name="myelin")))
    result = validate(
        real_data / "axon_sem_corrections", config=Config(layers=layers, overlap="forbid"), taxonomy=taxonomy
    )
    unknown = [each for each in result.findings if each.code == "SEG201"]
    assert {each.category for each in unknown} == {"axonmyelin"}
    assert len(unknown) == 10
    own = [each for each in result.findings if each.code == "SEG102" and each.segments == (1, 2)]
    assert sorted(each.pixels or 0 for each in own) == [1, 9]
    assert any("the other axonmyelin" in each.message for each in result.findings if each.code == "SEG104")


def test_fly_tissue_overlaps_as_listed(real_data: Path) -> None:
    result = validate(real_data / "vnc_sstem", config=SECTIONS)
    (overlap,) = (each for each in result.findings if each.code == "SEG102")
    assert (overlap.severity, overlap.pixels) == ("info", 394 + 35_009)
    assert overlap.message.startswith("14 pairs of segments in 7 annotations")
    (orphans,) = (each for each in result.findings if each.code == "SEG011")
    assert (orphans.count, len(orphans.images)) == (7, 7)


@pytest.mark.parametrize(("threshold", "lossy"), [(None, [388]), (128, [])])
def test_grey_masks_of_tiles_are_lossy_until_a_threshold_is_set(
    real_data: Path, threshold: int | None, lossy: list[int]
) -> None:
    """84 masks are empty: those of 80 tiles without a defect, and four of MT_Uneven."""
    layers = Layers(pattern="{category}/Imgs/{stem}.png", threshold=threshold)
    result = validate(real_data / "magnetic_tile", config=Config(layers=layers))
    assert [each.count for each in result.findings if each.code == "SEG010"] == lossy
    assert [each.category for each in result.findings if each.code == "SEG204"] == ["MT_Free"]
    (empty,) = (each for each in result.findings if each.code == "SEG312")
    assert empty.message.startswith("84 of 472")


def test_microscopy_masks_with_several_greys(real_data: Path) -> None:
    layers = Layers(pattern="derivatives/labels/{stem}_seg-{category}-manual.png")
    result = validate(real_data / "ivadomed_testing" / "microscopy_png", config=Config(layers=layers))
    lossy = Counter(str(each.image).rpartition("sample-")[2] for each in result.findings if each.code == "SEG010")
    assert lossy == {"data5_SEM.png": 2, "data10_SEM.png": 2}


LOST: list[tuple[str, dict[str, Any], str, tuple[int, int], dict[str, tuple[int, int]]]] = [  # Any: as below
    # target, segments that come back unchanged of all, what is lost with count and pixels (counted with pycocotools)
    ("coco_tiny", {}, "coco-instances", (470, 470), {}),
    ("coco_tiny", {}, "coco-panoptic", (301, 470), {"overlap": (300, 176_432), "rings": (465, 0)}),
    ("coco_tiny", {}, "colour-masks", (86, 470), {"overlap": (205, 170_979), "crowd": (5, 0)}),
    ("gbm40_nuclei", {}, "instance-ids", (4637, 4976), {"overlap": (348, 19_331), "rings": (4976, 0)}),
    ("camvid11", {"taxonomy": STREET}, "coco-panoptic", (402, 442), {"void": (40, 222_547)}),
    ("camvid11", {"taxonomy": STREET}, "colour-masks", (442, 442), {}),
    ("vnc_sstem", {"config": SECTIONS}, "colour-masks", (14, 21), {"overlap": (14, 35_403)}),
    (
        "davis_interactive",
        {"taxonomy": OBJECTS, "format": "colour-masks"},
        "coco-instances",
        (12, 14),
        {"void": (2, 393)},
    ),
    ("coco_panoptic_sample", {"format": "coco-panoptic"}, "instance-ids", (50, 50), {}),
]


@pytest.mark.parametrize(("name", "opening", "target", "verified", "lost"), LOST)
def test_losses_are_what_they_are_said_to_be(
    real_data: Path,
    tmp_path: Path,
    name: str,
    opening: dict[str, Any],  # the keywords of `read`
    target: str,
    verified: tuple[int, int],
    lost: dict[str, tuple[int, int]],
) -> None:
    """Through the canonical dataset, which loses nothing, into a format that holds less."""
    whole = convert(real_data / name, tmp_path / "whole", verify=True, **opening)
    assert (whole.verified, whole.losses) == (whole.n_segments, ())
    result = convert(tmp_path / "whole", tmp_path / "out.json", to=target, verify=True)
    assert (result.verified, result.n_segments) == verified
    listed: dict[str, tuple[int, int]] = {
        each.kind: (each.count, each.pixels) for each in result.losses if each.of != "categories"
    }
    assert {kind: listed.get(kind) for kind in lost} == lost
    assert bool({"overlap", "void", "empty-segment", "instance"} & set(listed)) == (verified[0] < verified[1])
