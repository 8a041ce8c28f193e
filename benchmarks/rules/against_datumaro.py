"""What Datumaro's import and segmentation validator find of the same defects, as tables of docs/results/rules.md.

Run as `python -m benchmarks.rules.against_datumaro FOLDER`; FOLDER holds the real datasets (docs/real_data.md).
Datumaro runs in an environment of its own (benchmarks/peers/requirements.txt). A defect counts as found by it where a
report or an error of its import of a kind that could mean it names the same image, category or segment, and where its
import stops at it.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import segdata
from benchmarks.rules.proof import IMAGES, written
from tests.generators.sample.dataset import make
from tests.generators.sample.writers import Json
from tests.generators.seeded_defects import compare_defects, read_seeded_defects

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build/peers/bin/python"
SAMPLES = {
    "instances.json": "coco_instances",
    "panoptic.json": "coco_panoptic",
    "masks": "common_semantic_segmentation",
}
REAL = {
    "COCO train2017, 50 images": ("coco_instances", "coco_tiny/annotations/instances_train2017.json"),
    "TACO, December 2019": ("coco_instances", "taco/annotations.json"),
    "TACO, 24 June 2019": ("coco_instances", "taco/annotations_2019-06-24_a35e944.json"),
    "GBM40 nuclei": ("coco_instances", "gbm40_nuclei/instances.json"),
    "LabelMe's COCO export": ("coco_instances", "labelme/instance_segmentation/data_dataset_coco/annotations.json"),
    "sahi terrain": ("coco_instances", "peer_fixtures/sahi_terrain/terrain_all_coco.json"),
    "COCO panoptic sample": ("coco_panoptic", "coco_panoptic_sample/panoptic_examples.json"),
}
MEANT = {  # which codes a kind of report, or of error while importing, can mean
    "MissingAnnotation": {"SEG312"},
    "UndefinedLabel": {"SEG007", "SEG201"},
    "UndeclaredLabelError": {"SEG007"},
    "LabelDefinedButNotFound": {"SEG204"},
    "FewSamplesInLabel": {"SEG302"},
    "ImbalancedLabels": {"SEG301"},
    "FarFromLabelMean": {"SEG307", "SEG117"},
    "InvalidAnnotationError": {"SEG006"},
    "InvalidFieldTypeError": {"SEG004", "SEG006"},
    "MissingFieldError": {"SEG004"},
    "NegativeLength": {"SEG105"},
    "InvalidValue": {"SEG004", "SEG105"},
    "ValueError": {"SEG015"},
}
STOPS = {  # the seeded defect that ends an import: its code, and a word of it
    "broken_json": ("SEG001", "cut off"), "coco_reading": ("SEG004", "NaN"), "mask_reading": ("SEG010", "JPEG"),
    "coco_reading without NaN": ("SEG005", "negative"), "panoptic_reading": ("SEG002", ""),
}  # fmt: skip
OURS = {
    "taxonomy_broken",
    "suppressions",
}  # whose defects are in taxonomy.yaml and segdata.yaml, which it does not read
INDEX = {"volume"}  # masks without colours
Said = dict[str, Any]  # Any: JSON


def datumaro(kind: str, path: Path) -> Said:
    """What Datumaro says of a dataset."""
    command = [str(PYTHON), str(ROOT / "benchmarks/peers/datumaro_findings.py"), kind, str(path)]
    said: Said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return said


def reports(said: Said) -> Iterator[tuple[str, str, str]]:
    """Kind, image and text of all that was said."""
    for each in said["reports"]:
        yield each["anomaly_type"], str(each.get("item_id")), each["description"]
    for each in said["told"]:
        yield each["kind"], str(each["item"]), each["says"]


def is_found(entry: Json, name: str, said: Said) -> bool:
    """Whether something that was said can mean a seeded defect."""
    code, word = STOPS.get(name, ("", "")) if said["stopped"] else ("", "")
    if code == entry["code"] and word in entry["what"]:
        return True
    stem, ids = str(entry["image"]).rpartition(".")[0], {str(each) for each in entry["segments"] or ()}
    for kind, item, text in reports(said):
        if entry["code"] not in MEANT.get(kind, ()):
            continue
        named = {item, *re.findall(r"'([^']+)'", text)}
        if named & {stem, *ids, entry["category"], *entry["what"].split()} or (stem and stem in text):
            return True
        if kind == "ImbalancedLabels":  # it names no category
            return True
    return False


def kinds(said: Said) -> str:
    """How many reports of each kind, and what stopped it."""
    counted = ", ".join(f"{kind} {n:,}" for kind, n in Counter(kind for kind, _, _ in reports(said)).most_common())
    stopped = f"**stops**: {stop(said)}" if said["stopped"] else ""
    return "; ".join(filter(None, (stopped, counted)))


def stop(said: Said) -> str:
    """What stopped it, for a cell of a table."""
    return said["stopped"][:120].replace("|", "/") if said["stopped"] else ""


def codes(entries: list[Json]) -> str:
    """The codes of seeded defects, with their numbers."""
    return ", ".join(f"{code} {n}" if n > 1 else code for code, n in Counter(each["code"] for each in entries).items())


def seeded_table(folder: Path) -> Iterator[str]:
    """A line for each spoiled set."""
    yield "| set | seeded | segdata | Datumaro | found by Datumaro | import stops at |"
    yield "| --- | ---: | ---: | ---: | --- | --- |"
    total = Counter[str]()
    for name, entries in read_seeded_defects(folder / "defects").items():
        path = folder / "defects" / name
        file = next((file for file in SAMPLES if (path / file).exists()), None)
        if file is None or name in OURS | INDEX or "instance_ids" in (path / "segdata.yaml").read_text():
            continue
        ours = compare_defects(entries, segdata.validate(path).findings).found
        said = datumaro(SAMPLES[file], path if file == "masks" else path / file)
        theirs = [entry for entry in entries if is_found(entry, name, said)]
        total.update(seeded=len(entries), segdata=len(ours), datumaro=len(theirs))
        yield f"| {name} | {len(entries)} | {len(ours)} | {len(theirs)} | {codes(theirs)} | {stop(said)} |"
        if name == "coco_reading":
            yield _without_nan(path, entries, len(ours))
    yield f"| *all* | {total['seeded']} | {total['segdata']} | {total['datumaro']} | | |"


def _without_nan(path: Path, entries: list[Json], ours: int) -> str:
    """The line of a COCO file whose NaN are made 0: what Datumaro says where none of them stops it."""
    name, file = f"{path.name} without NaN", path / "without_nan.json"
    file.write_text((path / "instances.json").read_text().replace("NaN", "0"))
    said = datumaro("coco_instances", file)
    theirs = [entry for entry in entries if is_found(entry, name, said)]
    return f"| {name} | | | ({len(theirs)}) | {codes(theirs)} | {stop(said)} |"


def real_table(folder: Path) -> Iterator[str]:
    """A line for each real dataset."""
    yield "| dataset | segdata | Datumaro |"
    yield "| --- | --- | --- |"
    for name, (kind, path) in REAL.items():
        form = "coco-panoptic" if kind == "coco_panoptic" else None  # its folder holds RLE of the same, too
        found = segdata.validate(folder / path, format=form).by_code
        ours, theirs = ", ".join(f"{code} {n:,}" for code, n in found.items()), kinds(datumaro(kind, folder / path))
        yield f"| {name} | {ours} | {theirs} |"


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        make(scratch, images=IMAGES, only=("defects",))
        written("datumaro seeded", seeded_table(Path(scratch)))
    written("datumaro real", real_table(Path(sys.argv[1])))
