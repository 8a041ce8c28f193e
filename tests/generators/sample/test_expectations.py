"""Seeded defects against what a taxonomy expects, verified against the files as written."""

import yaml

from tests.generators.sample.dataset import Truth
from tests.generators.sample.test_coco_defects import annotation, document, holds, of, raster

CAR, PERSON = 10, 9


def test_people_are_missing_beside_cars_in_one_image_alone(seeded_data: Truth) -> None:
    data = document(seeded_data, "expectations")
    cars, people = (
        {each["image_id"] for each in data["annotations"] if each["category_id"] == id_} for id_ in (CAR, PERSON)
    )
    (lonely,) = cars - people
    (defect,) = of(seeded_data, "SEG213", "expectations")
    assert [each["file_name"] for each in data["images"] if each["id"] == lonely] == [defect.image]


def test_one_car_is_smaller_than_the_taxonomy_says(seeded_data: Truth) -> None:
    data, taxonomy = (
        document(seeded_data, "expectations"),
        seeded_data.folder / "defects" / "expectations" / "taxonomy.yaml",
    )
    categories = yaml.safe_load(taxonomy.read_text())["categories"]
    (limit,) = (each["size"]["min_pixels"] for each in categories if "size" in each)
    (defect,) = of(seeded_data, "SEG214", "expectations")
    small = [each["id"] for each in data["annotations"] if each["category_id"] == CAR and each["area"] < limit]
    assert small == defect.segments
    holds(defect, raster(data, annotation(data, small[0])))
    assert defect.pixels == 16
