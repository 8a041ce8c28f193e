"""Ten findings of flag decided in FiftyOne's App, by a program that clicks and types as a reviewer does; its pictures.

The data is the generated street with 16 label errors, and the reviewer knows the truth: a finding that shows one of
them is accepted, any other rejected. Clicks and keys are counted, and the labels are held against the truth afterwards.

python -m benchmarks.browse.decisions FOLDER [PICTURES]
"""

import json
import os
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pycocotools import mask as coco

import segdata
from benchmarks.browse.loading import SEGDATA, mongod
from segdata.report.fiftyone.app import import_fiftyone
from segdata.report.fiftyone.finding_labels import decode_findings
from segdata.report.findings import find_predictions, load_findings
from tests.chromium import Page, browser, chromium

N_FINDINGS, PORT = 10, 5151
Json = dict[str, Any]  # Any: JSON
_TILES = 'document.querySelectorAll("[data-cy=looker]")'
_CONFIDENCE = """document.querySelector("[data-cy=modal] [data-cy='checkbox-confidence'], "
    + "[data-cy=modal] [data-cy='sidebar-field-confidence'] input")"""
_ADVERTISEMENT = '[...document.querySelectorAll("button")].find(each => each.innerText == "Dismiss")'
_CROP = """document.querySelector("[data-cy=modal] [data-cy=looker-controls] [title^='Crop to content']")"""
_MODAL = 'document.querySelector("[data-cy=modal]")'


def run(*words: object) -> str:
    """Run segdata to its end, and give what it says."""
    print("segdata", *words, flush=True)
    done = subprocess.run([SEGDATA, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def flagged(folder: Path) -> Path:
    """The report of flag on the noisy labels; the data is made where it is not there."""
    report = folder / "flag.json"
    if not report.exists():
        sample = [sys.executable, "-m", "segdata.sample", str(folder), "--images", "24", "--only"]
        subprocess.run([*sample, "noise", "clean"], check=True)
        run("convert", folder / "noise", folder / "labels")
        run("flag", folder / "labels", "--quick", "--scale", "0.5", "--budget", N_FINDINGS,
            "--work-dir", folder / "work", "--format", "json", "--output", report, "--fail-on", "never")  # fmt: skip
    return report


def shows(finding: Json, errors: list[Json]) -> bool:
    """Whether a finding shows one of the errors: the box of one covers half of the other's."""
    return any(finding["image"] == each["image"] and _cover(finding["bbox"], each["bbox"]) >= 0.5 for each in errors)


def _cover(one: list[int], two: list[int]) -> float:
    wide, high = (min(one[i] + one[i + 2], two[i] + two[i + 2]) - max(one[i], two[i]) for i in (0, 1))
    return max(wide, 0) * max(high, 0) / max(min(one[2] * one[3], two[2] * two[3]), 1)


def wrong(labels: pd.DataFrame, clean: pd.DataFrame, image: str, bbox: list[int]) -> int:
    """How many pixels of a box have another category than in the truth."""
    x, y, wide, high = bbox
    one, two = (_painted(table[table["image_id"] == image]) for table in (labels, clean))
    return int((one != two)[y : y + high, x : x + wide].sum())


def _painted(rows: pd.DataFrame) -> NDArray[np.int64]:
    """(height, width) category of each pixel; -1 without."""
    size = [int(rows["height"].iloc[0]), int(rows["width"].iloc[0])]
    found = np.full(size, -1, np.int64)
    for category, counts in zip(rows["category"], rows["counts"], strict=True):
        found[coco.decode({"size": size, "counts": counts}).astype(bool)] = category
    return found


def segments(data: Path | str) -> pd.DataFrame:
    """Image, category and pixels of each segment."""
    read = segdata.read(data)
    names = sorted(each.name for each in read.taxonomy.categories)
    place = {each.id: names.index(each.name) for each in read.taxonomy.categories}
    table = read.segments.merge(read.images[["image_id", "width", "height"]], on="image_id")
    return table.assign(category=table["category_id"].map(place))


def plan(name: str, errors: list[Json]) -> list[tuple[str, str, str]]:
    """The findings in the order of the App: id of the sample, id of the label, and the verdict on it."""
    view = import_fiftyone().load_dataset(name).load_saved_view("worst first")
    found = []
    for sample, put_in, ids in zip(*view.values(["id", "put_in", "findings.detections.id"]), strict=True):
        known = decode_findings(put_in)
        for id_ in ids:
            about = {"image": known[id_].image, "bbox": list(known[id_].bbox or (0, 0, 0, 0))}
            found.append((sample, id_, "accept" if shows(about, errors) else "reject"))
    return found


def decide(page: Page, address: str, todo: list[tuple[str, str, str]], name: str, pictures: Path) -> tuple[int, int]:
    """Decide on all findings in the App; how many clicks and keys that took."""
    page.open(address, 1400, 900)
    page.wait(f"{_TILES}.length == {len({sample for sample, *_ in todo})}")
    time.sleep(20)  # for the pictures' labels
    page.value(f"{_ADVERTISEMENT}?.click()")
    time.sleep(2)
    page.picture(pictures / "browse_first.png")
    page.click_until(f"{_TILES}[0]", _MODAL)
    page.wait(f"{_MODAL} && document.body.innerText.includes('skip_next')")
    time.sleep(10)
    page.press("n", 78)
    dataset = import_fiftyone().load_dataset(name)
    for number, (sample, label, verdict) in enumerate(todo):
        page.wait(f"location.search.includes('{sample}')")
        page.wait('document.querySelector("[data-cy=action-manage-selected]")?.innerText == "1"')
        time.sleep(6)  # a person looks, too
        if number == 0:
            page.picture(pictures / "browse_finding.png")
        page.press(verdict[0], ord(verdict[0].upper()))
        while verdict not in _tags(dataset, label):
            time.sleep(0.5)
    return 1, len(todo) + 1


def _tags(dataset: Any, label: str) -> list[str]:  # Any: FiftyOne has no types
    columns = dataset.values(["findings.detections.id", "findings.detections.tags"])
    ids, tags = (list(chain.from_iterable(column)) for column in columns)
    return list(dict(zip(ids, tags, strict=True))[label])


def main() -> None:
    """Do it, and print what came of it."""
    folder = Path(sys.argv[1]).absolute()
    pictures = Path(sys.argv[2] if len(sys.argv) > 2 else folder)
    report, labels, name = flagged(folder), folder / "labels", "segdata-labels"
    errors = json.loads((folder / "noise/truth.json").read_text())
    clean, before = segments(folder / "clean/panoptic"), segments(labels)
    program = chromium()
    assert program is not None, "there is no Chromium here"
    with mongod(folder / "db") as database:
        os.environ |= {
            "FIFTYONE_DATABASE_URI": database.address,
            "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
            "FIFTYONE_USER": "anna",
            "SEGDATA_CACHE_DIR": str(folder / "cache"),
        }
        browsed = segdata.browse(
            labels, findings=load_findings(report), predictions=find_predictions(report), name=name
        )
        todo = plan(name, errors)
        with browsed.app(PORT) as shown, browser(program) as page:
            clicks, keys = decide(page, shown.address, todo, name, pictures)
            print(run("review", "pull", labels, "--source", "fiftyone", "--name", name))
            print(run("review", "apply", labels))
            page.value(f"{_CROP}.click()")  # shows the whole picture again
            page.click(_CONFIDENCE)
            time.sleep(10)
            page.picture(pictures / "browse_confidence.png")
    after = segments(labels)
    n_accepted = sum(verdict == "accept" for *_, verdict in todo)
    print(f"{len(todo)} findings, {n_accepted} accepted: {clicks} click, {keys} keys")
    print("| finding | accepted | pixels wrong in its box before | after |\n| --- | --- | ---: | ---: |")
    for each in json.loads(report.read_text())["findings"]:
        yes = "yes" if shows(each, errors) else "no"
        counts = [wrong(table, clean, each["image"], each["bbox"]) for table in (before, after)]
        print(f"| {each['image']} {each['code']} {each['bbox']} | {yes} | {counts[0]:,} | {counts[1]:,} |")
    every = [sum(wrong(table, clean, image, [0, 0, 9999, 9999]) for image in clean["image_id"].unique())
             for table in (before, after)]  # fmt: skip
    print(f"in all images {every[0]:,} and {every[1]:,}")


if __name__ == "__main__":
    main()
