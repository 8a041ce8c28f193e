"""Mapillary Vistas: value = label * 256 + number, and what the labels are says a config."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata import convert, read
from segdata.core.errors import SegdataError, UnreadableError
from segdata.core.format import detect
from segdata.core.taxonomy import Category, Taxonomy
from segdata.formats.shared.mask_files import decode_mask
from tests.formats.street.scenes import VISTAS_CONFIG, load_batch, load_defects, save, save_picture, segment_rows

SAMPLE = "peer_fixtures/datumaro/mapillary_vistas_dataset/v1.2"
NOBODY = 4  # the place of void--unlabeled in the config


def config(root: Path, name: str = "config_v1.2.json") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(VISTAS_CONFIG))
    return root


def test_number_0_is_the_first_instance(tmp_path: Path) -> None:
    config(tmp_path)
    values = [[0, 256, 512, 513, 3 * 256, NOBODY * 256]]
    save(tmp_path / "training/v1.2/instances/a.png", values)
    save_picture(tmp_path / "training/images/a.png")
    assert detect(tmp_path) == "mapillary-vistas"
    dataset = read(tmp_path)
    batch = load_batch(dataset)
    assert segment_rows(batch, "segment_id", "category_id", "iscrowd") == [
        (0, 0, False),
        (256, 1, False),
        (512, 2, False),
        (513, 2, False),
        (768, 3, False),
    ]
    assert [(each.name, each.kind, each.parent, each.aliases) for each in dataset.taxonomy.categories] == [
        ("animal--bird", "thing", "animal", ("Bird",)),
        ("flat--road", "stuff", "flat", ("Road",)),
        ("object--car", "thing", "object", ("Car",)),
        ("unclear", "void", None, ("Unclear",)),
    ]
    assert (dataset.image_ids, load_defects(dataset)) == (["training/images/a.png"], [])


@pytest.mark.parametrize("opened", ["", "training"])
def test_the_config_may_lie_above(tmp_path: Path, opened: str) -> None:
    config(tmp_path)
    save(tmp_path / "training/v1.2/instances/a.png", [[512]])
    save_picture(tmp_path / "training/images/a.png", 1, 1)
    assert detect(tmp_path / opened) == "mapillary-vistas"
    dataset = read(tmp_path / opened)
    assert (segment_rows(load_batch(dataset), "category_id"), load_defects(dataset)) == ([(2,)], [])


def test_versions(tmp_path: Path) -> None:
    """The latest that there is, or the one asked for; version 1.1 has no folder of its own."""
    config(tmp_path, "config.json")
    save(tmp_path / "training/instances/a.png", [[512]])
    assert detect(tmp_path) == "mapillary-vistas"
    assert segment_rows(load_batch(read(tmp_path)), "segment_id") == [(512,)]
    for name, value in (("v1.2", 256), ("v2.0", 513)):
        config(tmp_path, f"config_{name}.json")
        save(tmp_path / f"training/{name}/instances/a.png", [[value]])
    assert segment_rows(load_batch(read(tmp_path)), "segment_id") == [(513,)]
    assert segment_rows(load_batch(read(tmp_path, options={"version": "v1.2"})), "segment_id") == [(256,)]


def test_labels_where_there_are_no_instances(tmp_path: Path) -> None:
    config(tmp_path)
    save(tmp_path / "training/v1.2/labels/a.png", [[0, 1, NOBODY]], np.uint8)
    assert segment_rows(load_batch(read(tmp_path)), "segment_id", "iscrowd") == [(0, False), (1, False)]
    save(tmp_path / "training/v1.2/instances/b.png", [[512]])
    batch = load_batch(read(tmp_path))
    assert segment_rows(batch, "segment_id", "iscrowd") == [(0, True), (1, False), (512, False)]


def test_the_user_s_taxonomy_may_have_names_or_what_people_call_them(tmp_path: Path) -> None:
    config(tmp_path)
    save(tmp_path / "training/v1.2/instances/a.png", [[256, 512]])
    taxonomy = Taxonomy(categories=(Category(id=8, name="Car"), Category(id=9, name="flat--road")))
    assert segment_rows(load_batch(read(tmp_path, taxonomy=taxonomy)), "category_id") == [(9,), (8,)]


def test_without_a_config_ids_are_the_taxonomy_s(tmp_path: Path) -> None:
    save(tmp_path / "training/v1.2/instances/a.png", [[256, 512]])
    assert detect(tmp_path) == "mapillary-vistas"
    with pytest.raises(UnreadableError, match=r"no config_v1\.2\.json says what the labels are; add it, or give"):
        read(tmp_path)
    taxonomy = Taxonomy(categories=(Category(id=1, name="x"), Category(id=2, name="y")))
    assert segment_rows(load_batch(read(tmp_path, taxonomy=taxonomy)), "category_id") == [(1,), (2,)]


def test_datumaro_s_sample(real_data: Path) -> None:
    """Of one image there are labels alone."""
    dataset = read(real_data / SAMPLE)
    assert segment_rows(load_batch(dataset), "segment_id", "category_id", "iscrowd") == [
        *((0, 0, False), (1, 0, False), (256, 1, False)),
        *((1, 1, True), (2, 2, True)),
        *((0, 0, False), (256, 1, False), (512, 2, False)),
    ]
    assert load_defects(dataset) == []


def test_what_is_written_has_a_config_of_its_own(tmp_path: Path) -> None:
    """Ids are places in it, whatever the taxonomy's ids are; the palette of labels shows its colours."""
    save(tmp_path / "in/masks/a.png", [[9, 200, 200, 0]], np.uint8)
    taxonomy = Taxonomy(
        unlabelled=0,
        categories=(
            Category(id=200, name="car", color=(0, 0, 142)),
            Category(id=9, name="sky", kind="stuff"),
            Category(id=10, name="mess", kind="void", color=(1, 0, 0)),
        ),
    )
    convert(read(tmp_path / "in", taxonomy=taxonomy), tmp_path / "out", to="mapillary-vistas")
    written = json.loads((tmp_path / "out/config_v1.2.json").read_text())
    assert [(each["name"], each["instances"], each["evaluate"]) for each in written["labels"]] == [
        ("car", True, True),
        ("sky", False, True),
        ("mess", False, False),
        ("void--unlabeled", False, False),
    ]
    assert len({tuple(each["color"]) for each in written["labels"]}) == 4
    with Image.open(tmp_path / "out/training/v1.2/labels/a.png") as labels:
        assert np.asarray(labels).tolist() == [[1, 0, 0, 3]]
        shown = np.asarray(labels.convert("RGB"))[0].tolist()
    assert shown == [written["labels"][k]["color"] for k in (1, 0, 0, 3)]
    assert segment_rows(load_batch(read(tmp_path / "out")), "category_id") == [(200,), (9,)]
    (tmp_path / "out/taxonomy.yaml").unlink()
    assert segment_rows(load_batch(read(tmp_path / "out")), "category_id") == [(0,), (1,)]


def test_instances_that_are_written_come_back(tmp_path: Path) -> None:
    """Instance // 256 is the mask of labels."""
    config(tmp_path / "in")
    values = [[0, 1, 256, 515, NOBODY * 256, 515]]
    save(tmp_path / "in/validation/v1.2/instances/a.png", values)
    done = convert(tmp_path / "in", tmp_path / "out", to="mapillary-vistas")
    assert done.losses == ()
    labels, instances = (
        np.asarray(decode_mask(tmp_path / f"out/validation/v1.2/{kind}/a.png").values)
        for kind in ("labels", "instances")
    )
    assert instances.tolist() == values
    np.testing.assert_array_equal(labels, instances // 256)


def test_more_categories_than_ids_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "in/masks/a.png", [[1]], np.uint8)
    taxonomy = Taxonomy(categories=tuple(Category(id=k, name=f"n{k}") for k in range(256)))
    with pytest.raises(SegdataError, match="256 categories; Mapillary Vistas has ids for 255 of them"):
        convert(read(tmp_path / "in", taxonomy=taxonomy), tmp_path / "out", to="mapillary-vistas")
