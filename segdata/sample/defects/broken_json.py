"""A COCO file that stops in the middle."""

from collections.abc import Iterator

from segdata.sample.defects.registry import seeds
from segdata.sample.defects.site import Defect, Site


@seeds("broken_json")
def unreadable_file(site: Site) -> Iterator[Defect]:
    """SEG001: the JSON is cut off after two thirds of its bytes."""
    path = site.folder / "instances.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    yield site.defect("SEG001", "JSON cut off after two thirds of its bytes", file="instances.json")
