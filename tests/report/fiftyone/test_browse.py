"""What `browse` puts into FiftyOne, read back from it: a real FiftyOne with a real database."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata.core.errors import SegdataError
from segdata.report.fiftyone.finding_labels import _display_name
from segdata.report.fiftyone.segment_labels import MAX_INLINE_MASKS
from tests.report.fiftyone.drawn import CAR, ROAD, gap, load, made, masks_of, noise

pytestmark = pytest.mark.filterwarnings("ignore")  # of FiftyOne and what it needs


@pytest.mark.parametrize("count", [7, MAX_INLINE_MASKS + 1])
def test_instances_come_back_pixel_for_pixel(fo: Any, count: int) -> None:
    """Also those that overlap, and those that are in files since they are many."""
    size = (37, 53)
    segments = [(CAR, noise(seed, *size, 0.02 * (seed % 5 + 1))) for seed in range(count)]
    sample = load(made({("a.png", None): segments}, size), f"instances {count}").first()
    found = masks_of(sample, "segments", size)
    assert all((each.mask is None) == (count > MAX_INLINE_MASKS) for each in sample.segments.detections)
    assert len(found) == count
    for number, (_, mask) in enumerate(segments, start=1):
        np.testing.assert_array_equal(found[number], mask)


def test_maps_come_back_pixel_for_pixel(fo: Any) -> None:
    """Category 0 too, which FiftyOne would take for nothing; what another segment covers is a detection as well."""
    size = (37, 53)
    road, car = noise(1, *size, 0.5), noise(2, *size, 0.3)
    dataset = load(made({("a.png", None): [(ROAD, road), (CAR, car)]}, size, task="semantic"), "maps")
    sample, targets = dataset.first(), dataset.mask_targets["map"]
    value = {name: number for number, name in targets.items()}
    painted = sample.map.get_mask()
    np.testing.assert_array_equal(painted == value["car"], car)
    np.testing.assert_array_equal(painted == value["road"], road & ~car)
    np.testing.assert_array_equal(painted == 0, ~road & ~car)
    np.testing.assert_array_equal(masks_of(sample, "segments", size)[1], road)


def test_things_and_stuff_are_shown_as_what_they_are(fo: Any) -> None:
    road = np.zeros((37, 53), bool)
    road[:, 20:] = True
    sample = load(made({("a.png", None): [(ROAD, road), (CAR, ~road)]}), "panoptic").first()
    assert [each.label for each in sample.segments.detections] == ["car"]
    np.testing.assert_array_equal(sample.map.get_mask() > 0, road)


def test_annotators_have_fields_of_their_own(fo: Any) -> None:
    """Who never worked on an image has none there, who found nothing has an empty list."""
    mask = noise(1, 37, 53, 0.5)
    data = made({("a.png", "anna"): [(CAR, mask)], ("a.png", "b@x.org"): [], ("b.png", "anna"): []})
    dataset = load(data, "people")
    fields = {row["annotator"]: row["name"] for row in dataset.info["segdata"]["fields"] if row["kind"] == "segments"}
    a, b = dataset.match({"image_id": "a.png"}).first(), dataset.match({"image_id": "b.png"}).first()
    assert [len(each[fields["anna"]].detections) for each in (a, b)] == [1, 0]
    assert a[fields["b@x.org"]].detections == []
    assert b[fields["b@x.org"]] is None
    only = dataset.load_saved_view("annotator anna").get_field_schema()
    assert fields["anna"] in only
    assert fields["b@x.org"] not in only


def test_findings_say_what_they_are_and_show_their_pixels(fo: Any) -> None:
    road = noise(1, 37, 53, 0.5)
    finding = gap("a.png", bbox=(0, 0, 53, 37), pixels=int((~road).sum()), score=0.75)
    dataset = load(made({("a.png", None): [(ROAD, road)]}, task="semantic"), "findings", finding)
    sample = dataset.first()
    (shown,) = sample.findings.detections
    assert (shown.label, shown.code, shown.severity, shown.message) == ("SEG101 gap P 0.7", "SEG101", "error", "a gap")
    assert (shown.score, shown.tags) == (0.75, ["SEG101", "error"])
    unsure = gap("a.png", bbox=(0, 0, 53, 37), score=0.75, score_range=(0.361, 0.972))
    (ranged,) = (
        load(made({("a.png", None): [(ROAD, road)]}, task="semantic"), "range", unsure).first().findings.detections
    )
    assert (ranged.label, ranged.score_low, ranged.score_high) == ("SEG101 gap P 0.3 to 1.0", 0.361, 0.972)
    assert _display_name(gap("a.png", score=0.5, score_range=(0.04, 0.71))) == "SEG101 gap P at most 0.8"
    for number, whole in enumerate(((0.01, 0.972), (0.07, 1.0))):  # in tenths, both are 0.0 to 1.0
        unknown = gap("a.png", bbox=(0, 0, 53, 37), score=0.75, score_range=whole)
        vague = load(made({("a.png", None): [(ROAD, road)]}, task="semantic"), f"vague{number}", unknown)
        assert [label.label for label in vague.first().findings.detections] == ["SEG101 gap score 0.7"]
    assert (sample.worst, sample.codes, sample.errors) == ("error", ["SEG101"], 1)
    np.testing.assert_array_equal(shown.to_segmentation(frame_size=(53, 37), target=1).mask.astype(bool), ~road)


def test_views_show_the_worst_first_and_each_code_alone(fo: Any) -> None:
    names = ["a.png", "b.png", "c.png", "d.png"]
    data = made({(name, None): [] for name in names})
    speck = replace(gap("b.png"), code="SEG106", rule="speck", severity="warning")
    found = [speck, replace(speck, image="c.png"), gap("c.png"), gap("d.png"), gap("d.png", bbox=(1, 1, 2, 2))]
    dataset = load(data, "views", *found)
    worst = dataset.load_saved_view("worst first")
    assert worst.values("image_id") == ["d.png", "c.png", "b.png"]
    only = dataset.load_saved_view("SEG106 speck")
    assert set(only.values("image_id")) == {"b.png", "c.png"}
    assert only.count("findings.detections") == 2
    assert dataset.load_saved_view("errors").count("findings.detections") == 3
    load(data, "views", speck)
    assert "SEG101 gap" not in fo.load_dataset("views").list_saved_views()


def test_again_updates_and_keeps_what_people_said(fo: Any) -> None:
    """No image twice; one that is gone is gone; tags and other fields stay; a changed label is undecided."""
    first, second = noise(1, 37, 53, 0.5), noise(2, 37, 53, 0.5)
    data = {("a.png", None): [(CAR, first)], ("b.png", None): [(CAR, first)]}
    dataset = load(made(data), "again", gap("a.png"))
    sample = dataset.match({"image_id": "a.png"}).first()
    sample.tags.append("seen")
    sample["note"] = "mine"
    sample.findings.detections[0].tags += ["later", "error"]
    sample.findings.detections[0]["ticket"] = "12"
    sample.segments.detections[0].tags += ["fix", "comment: blurred", "later"]
    sample.save()
    dataset.add_dynamic_sample_fields()
    del data["b.png", None]
    data |= {("a.png", None): [(CAR, second)], ("c.png", None): []}
    dataset = load(made(data), "again", gap("a.png"), gap("a.png", bbox=(0, 0, 1, 1)))
    dataset.reload()
    assert sorted(dataset.values("image_id")) == ["a.png", "c.png"]
    sample = dataset.match({"image_id": "a.png"}).first()
    assert (sample.tags, sample.note, sample.errors) == (["seen"], "mine", 2)
    old, new = sample.findings.detections
    assert (old.tags, old.ticket, new.tags) == (["SEG101", "error", "later"], "12", ["SEG101", "error"])
    assert sample.segments.detections[0].tags == ["later"]
    np.testing.assert_array_equal(masks_of(sample, "segments", (37, 53))[1], second)


def test_a_part_of_the_images_leaves_the_others_as_they_are(fo: Any) -> None:
    many = [(CAR, noise(seed, 37, 53, 0.1)) for seed in range(MAX_INLINE_MASKS + 1)]
    data = made({("a.png", "anna"): [(CAR, noise(1, 37, 53, 0.5))], ("b.png", "ben"): many})
    load(data, "part")
    dataset = load(replace(data, rows=np.array([0])), "part")
    dataset.reload()
    assert dataset.values("image_id") == ["a.png", "b.png"]
    people = {row["annotator"]: row["name"] for row in dataset.info["segdata"]["fields"] if row["kind"] == "segments"}
    assert {"anna", "ben"} <= people.keys()
    other = dataset.match({"image_id": "b.png"}).first()
    found = masks_of(other, people["ben"], (37, 53))
    np.testing.assert_array_equal(found[1], many[0][1])
    assert len(found) == len(many)


def test_an_annotator_who_is_gone_leaves_no_field(fo: Any) -> None:
    load(made({("a.png", "anna"): [], ("a.png", "ben"): []}), "leaving")
    dataset = load(made({("a.png", "anna"): []}), "leaving")
    assert not any("ben" in name for name in dataset.get_field_schema())
    assert "annotator ben" not in dataset.list_saved_views()


def test_images_that_no_browser_shows_are_shown_as_copies(fo: Any, tmp_path: Path) -> None:
    """As PNG of 8 bits and the same size; a missing one is blank; one that can be shown is itself."""
    deep, plain = tmp_path / "deep.png", tmp_path / "plain.png"
    Image.fromarray(np.arange(37 * 53, dtype=np.uint16).reshape(37, 53) * 30).save(deep)
    Image.new("RGB", (53, 37), (1, 2, 3)).save(plain)
    moving = tmp_path / "moving.gif"
    Image.new("L", (53, 37), 7).save(moving)
    uris = {"deep.png": str(deep), "plain.png": str(plain), "moving.gif": str(moving), "gone.png": "nowhere/gone.png"}
    dataset = load(made({(name, None): [] for name in uris}, uris=uris), "pictures")
    for sample in dataset:
        with Image.open(sample.filepath) as shown:
            assert (shown.size, shown.mode) == ((53, 37), {"gone.png": "L"}.get(sample.image_id, "RGB"))
        assert (sample.filepath == str(plain)) == (sample.image_id == "plain.png") == (sample.picture is None)


def test_frames_of_a_sequence_are_one_tile(fo: Any) -> None:
    data = made({(name, None): [] for name in ("0.png", "1.png", "2.png")}, sequence=["x", "x", "y"], frame=[1, 0, 0])
    view = load(data, "frames").load_saved_view("sequences")
    assert len(view) == 2
    assert view.get_dynamic_group("x").values("image_id") == ["1.png", "0.png"]


def test_a_name_of_another_dataset_is_refused(fo: Any) -> None:
    data = made({("a.png", None): []})
    fo.Dataset("somebody else's", persistent=True)
    with pytest.raises(SegdataError, match="that segdata did not make; choose another --name"):
        load(data, "somebody else's")
    load(data, "taken")
    other = replace(data, profile=replace(data.profile, files="other"))
    with pytest.raises(SegdataError, match=r"already has a dataset .* of .*frames; choose another --name"):
        load(other, "taken")


def test_what_has_no_place_is_handed_back(fo: Any) -> None:
    nobody = replace(gap("a.png"), image=None)
    found = segdata.browse(
        made({("a.png", None): []}), findings=[nobody, gap("other.png"), gap("a.png")], name="places", jobs=1
    )
    assert (found.n_findings, found.about_dataset, found.elsewhere) == (1, (nobody,), (gap("other.png"),))


def test_a_taken_port_is_named(fo: Any) -> None:
    found = segdata.browse(made({("a.png", None): []}), findings=[], name="port", jobs=1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SegdataError, match=f"port {port} is taken.*--port {port + 1}"), found.app(port):
            pass


def test_real_data_comes_back_pixel_for_pixel(fo: Any, real_data: Path) -> None:
    """Crowds, polygons of several parts, and things that overlap."""
    data = segdata.read(real_data / "coco_tiny/annotations/instances_train2017.json")
    dataset = load(data, "coco")
    truth = {(row.image_id, str(row.segment_id)): row for row in data.segments.itertuples()}
    n_compared = 0
    from pycocotools import mask as coco

    for sample in dataset:
        size = sample.metadata.height, sample.metadata.width
        for id_, found in masks_of(sample, "segments", size).items():
            counts = {"size": list(size), "counts": truth[sample.image_id, str(id_)].counts}
            np.testing.assert_array_equal(found, coco.decode(counts).astype(bool))  # type: ignore[arg-type]
            n_compared += 1
    assert n_compared == len(truth) == 470
