"""Polygons as people draw them in annotation tools: the rings of a COCO file, in each tool's own files.

Our writers keep pixels instead, and where a tool draws the edges of polygons too, the exact outlines that they write
have many times as many points as anybody draws.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

Json = dict[str, Any]  # Any: JSON
Rings = dict[str, list[tuple[str, list[list[float]]]]]  # image -> category and points of each ring


def rings_of(coco: Path) -> Rings:
    """The rings of the polygons in a COCO file, by image."""
    document = json.loads(coco.read_bytes())
    images = {image["id"]: image["file_name"] for image in document["images"]}
    names = {category["id"]: category["name"] for category in document["categories"]}
    found: Rings = {name: [] for name in images.values()}
    for each in document["annotations"]:
        for ring in each["segmentation"] if isinstance(each["segmentation"], list) else []:
            points = [list(point) for point in zip(ring[::2], ring[1::2], strict=True)]
            found[images[each["image_id"]]].append((names[each["category_id"]], points))
    return found


def write_drawn(name: str, rings: Rings, size: tuple[int, int], target: Path) -> None:
    """Write rings as labelme, label-studio, supervisely or yolo-seg have them; `size` is width and height in pixels."""
    writers = {"labelme": _labelme, "label-studio": _label_studio, "supervisely": _supervisely, "yolo-seg": _yolo}
    target.mkdir(parents=True)
    writers[name](rings, size, target)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _labelme(rings: Rings, size: tuple[int, int], target: Path) -> None:
    empty: dict[str, Any] = {"group_id": None, "description": "", "shape_type": "polygon", "flags": {}, "mask": None}
    for image, drawn in rings.items():
        shapes = [{"label": name, "points": points, **empty} for name, points in drawn]
        sides = {"imageHeight": size[1], "imageWidth": size[0]}
        _write(
            (target / image).with_suffix(".json"),
            {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None, **sides},
        )


def _label_studio(rings: Rings, size: tuple[int, int], target: Path) -> None:
    tasks: list[Any] = []
    about = {"original_width": size[0], "original_height": size[1], "image_rotation": 0, "type": "polygonlabels"}
    for image, drawn in rings.items():
        result = [
            {
                **about,
                "id": f"r{row}",
                "from_name": "label",
                "to_name": "image",
                "value": {
                    "points": [[x / size[0] * 100, y / size[1] * 100] for x, y in points],
                    "closed": True,
                    "polygonlabels": [name],
                },
            }
            for row, (name, points) in enumerate(drawn)
        ]
        tasks.append({"id": len(tasks) + 1, "data": {"image": image}, "annotations": [{"result": result}]})
    _write(target / "tasks.json", tasks)


def _supervisely(rings: Rings, size: tuple[int, int], target: Path) -> None:
    titles = sorted({name for drawn in rings.values() for name, _ in drawn})
    _write(target / "meta.json", {"classes": [{"title": name, "shape": "polygon"} for name in titles], "tags": []})
    for image, drawn in rings.items():
        objects = [
            {
                "classTitle": name,
                "geometryType": "polygon",
                "tags": [],
                "points": {"exterior": [[round(x), round(y)] for x, y in points], "interior": []},
            }
            for name, points in drawn
        ]
        sides = {"height": size[1], "width": size[0]}
        _write(
            target / "ds" / "ann" / f"{image}.json", {"description": "", "tags": [], "size": sides, "objects": objects}
        )


def _yolo(rings: Rings, size: tuple[int, int], target: Path) -> None:
    numbers: defaultdict[str, int] = defaultdict(lambda: len(numbers))
    for image, drawn in rings.items():
        path = (target / "labels" / image).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (
            f"{numbers[name]} {' '.join(f'{x / size[0]:.6f} {y / size[1]:.6f}' for x, y in points)}\n"
            for name, points in drawn
        )
        path.write_text("".join(lines), encoding="utf-8")
    names = "".join(f"  {number}: {name}\n" for name, number in numbers.items())
    (target / "data.yaml").write_text(f"train: images\nval: images\nnames:\n{names}", encoding="utf-8")
