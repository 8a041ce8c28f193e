"""Real datasets whose differences are known: corrections that their authors made."""

import re
from pathlib import Path

import segdata
from segdata.core.config import Config, Layers


def test_the_upside_down_images_of_taco(real_data: Path) -> None:
    """Its authors turned 28 annotations in 9 images round; the other 2124 are what they were."""
    before, after = (
        real_data / "taco" / f"annotations_2019-06-{version}.json" for version in ("24_a35e944", "26_1e4d24a")
    )
    found = segdata.diff(before, after, limit=None)
    assert {kind: (count.n, count.images) for kind, count in found.counts.items()} == {
        "segment-missing": (28, 9),
        "segment-added": (28, 9),
        "category-pixels": (9, 9),
    }
    turned = {131, *range(206, 213), *range(1058, 1061), *range(1529, 1532), *range(1536, 1542)}
    turned |= {1581, 1582, 1589, 1590, 1686, 1687, 2021, 2022}
    assert {change.segment_a for change in found.changes if change.kind == "segment-missing"} == turned
    assert {change.segment_b for change in found.changes if change.kind == "segment-added"} == turned
    assert (found.n_same, found.n_kept) == (2124, 2124)


def test_the_corrected_nerves(real_data: Path) -> None:
    """The pixels that experts changed, by image: of axons, and of myelin; four images stayed as they were."""
    versions = (
        segdata.read(real_data / "axon_sem_corrections", config=Config(layers=Layers(pattern=pattern)))
        for pattern in (f"labels_{name}/{{stem}}_seg-{{category}}-manual.png" for name in ("original", "corrected"))
    )
    found = segdata.diff(*versions, limit=None)
    changed = {
        (re.findall(r"rat\d_sample-data\d+", change.image or "")[0], change.category_a): change.pixels
        for change in found.changes
        if change.kind == "pixels" and change.category_a != "axonmyelin"
    }
    assert changed == {
        ("rat1_sample-data1", "axon"): 96,
        ("rat1_sample-data1", "myelin"): 5621,
        ("rat3_sample-data9", "myelin"): 1484,
        ("rat3_sample-data10", "axon"): 2,  # a third one was 233 and is 255: labelled in both
        ("rat3_sample-data10", "myelin"): 52,
        ("rat3_sample-data11", "myelin"): 1985,
        ("rat5_sample-data14", "axon"): 5605,
        ("rat5_sample-data14", "myelin"): 20102,
        ("rat6_sample-data15", "axon"): 11,
        ("rat6_sample-data15", "myelin"): 2693,
    }


def test_street_scenes_through_three_formats(real_data: Path, tmp_path: Path) -> None:
    """Void, which COCO does not have, is all that differs in the end."""
    first = segdata.convert(real_data / "camseq32", tmp_path / "canonical", verify=True)
    second = segdata.convert(first.target, tmp_path / "coco.json", to="coco-instances", verify=True)
    for done in (first, second):
        assert done.proof is not None
        assert done.proof.holds
    assert (first.verified, first.n_segments, second.verified) == (321, 321, 305)
    assert segdata.diff(real_data / "camseq32", first.target).same
    found = segdata.diff(real_data / "camseq32", second.target)
    assert {kind: (count.n, count.pixels) for kind, count in found.telling.items()} == {
        "segment-missing": (16, 109_431),
        "category-pixels": (16, 109_431),
        "category-missing": (1, 0),
    }
    assert found.moves == {("Void", None): 109_431}
