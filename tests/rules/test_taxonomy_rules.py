"""SEG103, 104, 201, 206, 208: what is said once, and where."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segdata
from segdata import validate
from segdata.core.finding import Defect, Finding
from segdata.rules.similar_names import _as_number, _counts_objects
from tests.generators.coco_documents import annotation, document, write_document
from tests.rules.test_by_part import check_all

Judged = Callable[..., list[Finding]]


def test_an_id_that_the_reader_reported_is_not_reported_again(judged: Judged) -> None:
    picture = "a.b\n\na, b: car (id 7)"
    assert len(judged("SEG103", picture)) == 1
    assert not judged("SEG103", picture, [Defect("SEG008", "twice", image="1.png", segments=(7,))])
    assert len(judged("SEG103", picture, [Defect("SEG008", "twice", image="2.png", segments=(7,))])) == 1


def test_ids_may_return_in_another_image(judged: Judged) -> None:
    assert not judged("SEG103", "a.\n\na.\n\na: car (id 7)")


def test_an_unknown_category_is_named_once_an_annotation_with_its_neighbours(judged: Judged) -> None:
    picture = "a.b\n\na, b: pedestran (unknown)\ncategory: pedestrian"
    (finding,) = judged("SEG201", picture)
    assert (finding.category, finding.pixels, len(finding.segments)) == ("pedestran", 2, 2)
    assert "nearest: pedestrian" in finding.message
    reported = [Defect("SEG007", "dangling", image="1.png", segments=(id_,)) for id_ in (1, 2)]
    assert not judged("SEG201", picture, reported)


def test_a_duplicate_names_its_overlap_and_both_categories(judged: Judged) -> None:
    near_twins = "xxxxxxxxa\n\nx = a + b\na: car\nb: bus"
    assert not judged("SEG104", near_twins)
    (finding,) = judged("SEG104", near_twins, min_iou_across=0.8)
    assert (finding.score, finding.pixels, finding.bbox) == (8 / 9, 8, (0, 0, 8, 1))
    assert "IoU 0.89" in finding.message
    assert finding.message.endswith("one is car, the other bus")


def test_stuff_in_pieces_is_one_finding(judged: Judged) -> None:
    (finding,) = judged("SEG206", "a.b.c\n\na, b, c: sky (stuff)\ntask: panoptic")
    assert len(finding.segments) == 3
    assert not judged("SEG206", "a.b.c\n\na, b, c: sky (stuff)\ntask: semantic")


def test_things_alone_that_fill_the_image(judged: Judged) -> None:
    filled = "aaabbbccc\naaabbbcc.\n\na: car\nb: road\nc: sky\ntask: panoptic"
    (finding,) = judged("SEG206", filled)
    assert finding.severity == "warning"
    assert finding.message.startswith("3 categories label 94% of the image, and all categories are things")
    assert not judged("SEG206", filled.replace("sky", "sky (stuff)"))
    assert not judged("SEG206", filled.replace("panoptic", "instance"))
    assert not judged("SEG206", filled.replace("aaa", "a.."))


def test_each_contradiction_of_a_taxonomy_is_said_once(judged: Judged) -> None:
    legend = """
        category: car (id 1, color 0 0 142)
        category: bus (id 1, color 0 0 142)
        category: bus (id 3, color 0 0 143)
        category: egg (parent hen)
        category: hen (parent farm)
        category: farm (parent egg)
        category: person (parent person)
    """
    messages = [finding.message for finding in judged("SEG208", f"a\n{legend}\na: car")]
    assert len(messages) == 5
    assert any(message.startswith("id 1 ") for message in messages)
    assert any("are both called 'bus'" in message for message in messages)
    assert any(message.startswith("color (0, 0, 142)") for message in messages)
    assert any("look alike" in message for message in messages)
    assert any("circle: egg, hen, farm" in message for message in messages)


def test_names_that_very_many_categories_share_are_one_finding(judged: Judged) -> None:
    """The list was built anew for each image."""
    legend = "\n".join(f"category: {'abcdef'[k % 6] * 3} (id {k + 10})" for k in range(18))
    messages = [one.message for one in judged("SEG208", f"q\n{legend}\nq: quay")]
    assert [message for message in messages if "both called" in message or "all called" in message] == []
    (message,) = [message for message in messages if "share" in message]
    assert message.startswith("18 of 19 categories share 6 names: 'aaa' has the ids 10, 16, 22;")


@pytest.mark.parametrize(
    ("names", "flagged"),
    [
        (("car_x", "car_y", "axis", "x"), ["car_y"]),
        (("car_x", "car_y", "bus_Y", "bus_X"), ["bus_Y", "car_y"]),
        (("car_x", "car_y", "car_z"), []),
        (("car_x", "car_y", "bus_a"), []),
        (("car_x", "car_y", "bus_up"), ["car_y"]),
        (("car_x", "bus_y"), []),
        (("_x", "_y"), []),
    ],
)
def test_columns_of_a_joined_table(judged: Judged, names: tuple[str, ...], flagged: list[str]) -> None:
    legend = "\n".join(f"{letter}: {name}" for letter, name in zip("abcd", names, strict=False))
    findings = judged("SEG215", f"{'.'.join('abcd'[: len(names)])}\n\n{legend}")
    assert sorted(str(one.category) for one in findings) == flagged
    assert all("as a join of tables calls them" in one.message for one in findings)


@pytest.mark.parametrize(("names", "n_flagged"), [("car,bus,zoo/car,zoo/bus", 2), ("car,bus,zoo/car,zoo/van", 0)])
def test_names_behind_a_prefix(judged: Judged, names: str, n_flagged: int) -> None:
    legend = "\n".join(f"{letter}: {name}" for letter, name in zip("abcd", names.split(","), strict=True))
    findings = judged("SEG215", f"a.b.c.d\n\n{legend}")
    assert len(findings) == n_flagged
    assert all("a name and that name behind a prefix" in one.message for one in findings)


@pytest.mark.parametrize(
    ("names", "flagged", "words"),
    [
        (("plastic bag", "bag, plastic", "paper bag"), {"plastic bag", "bag, plastic"}, "in another order"),
        (("kidney_left", "Left Kidney"), {"kidney_left", "Left Kidney"}, "in another order"),
        (("person on horse", "horse on person"), set(), ""),
        (("bag", "bags of plastic"), set(), ""),
        (("car", "\u0441ar", "c\u0430\u0433"), {"car", "\u0441ar"}, "letters of two alphabets"),
        (("car", "car\u200b", "cargo"), {"car", "car\u200b"}, "but for a character without width"),
        (("\u043a\u043e\u0442", "\u043a\u0438\u0442"), set(), ""),
        (("car", "car_copy", "bus copy"), {"car", "car_copy"}, "a name and its copy"),
        (("car", "car_old", "car_new"), set(), ""),
        (("car", "zoo/car", "bus"), set(), ""),
        (("zoo/car", "zoo/bus", "car"), set(), ""),
        (("traffic light", "traffic&nbsp;light"), {"traffic light", "traffic&nbsp;light"}, "codes of a web page"),
        (("salt & pepper; salt", "bus"), set(), ""),
        (("bus", '"car"'), {'"car"', "car"}, "in quotation marks, probably"),
        (("bus", "5' 'car"), set(), ""),
        (("bus", "nan"), {"nan"}, "what programs write"),
        (("bus", "none", "banana"), set(), ""),
        (("0 car", "1 bus", "2 van"), {"0 car", "1 bus", "2 van"}, "all 3 names begin with their number"),
        (("1 car", "2 bus", "van"), set(), ""),
        (("3 car", "1 bus", "2 van"), {"3 car", "1 bus", "2 van"}, "all 3 names begin with their number"),
        (("90 degrees", "45 degrees", "30 degrees"), set(), ""),
        (("123456 car", "1 bus", "2 van"), set(), ""),
        (("bus" * 9000, "car" * 9000), set(), ""),
    ],
)
def test_one_name_in_other_words(judged: Judged, names: tuple[str, ...], flagged: set[str], words: str) -> None:
    legend = "\n".join(f"{letter}: {name}" for letter, name in zip("abc", names, strict=False))
    findings = judged("SEG215", f"{'.'.join('abc'[: len(names)])}\n\n{legend}")
    assert len(findings) == (len(flagged) > 0)
    for one in findings:
        assert words in one.message
        assert all(repr(name) in one.message for name in flagged)


@pytest.mark.parametrize(("parent", "n"), [("Cubes", 0), ("none", 1)])
def test_a_heading_without_segments_is_not_compared_with_what_is_below_it(tmp_path: Path, parent: str, n: int) -> None:
    """The first category of Roboflow's exports has the name of the project, and no annotation."""
    listed = [{"id": 0, "name": "Cubes"}, {"id": 1, "name": "Cube", "supercategory": parent}]
    content = document(categories=listed, annotations=[annotation(id=1, category_id=1)])
    assert len(validate(write_document(tmp_path, content), select="SEG215").findings) == n


@pytest.mark.parametrize(
    ("names", "n"),
    [(("8", "9", "10"), 1), (("7", "8", "9"), 0), (("8", "9", "11"), 0), (("9", "10"), 0), (("8", "9", "car"), 0)],
)
def test_names_that_are_ids(tmp_path: Path, names: tuple[str, ...], n: int) -> None:
    """Digits may be what is read off a sign."""
    first = int(names[0])
    content = document(
        categories=[{"id": first + k, "name": name} for k, name in enumerate(names)],
        annotations=[annotation(id=k, category_id=first + k) for k in range(len(names))],
    )
    found = [one.message for one in validate(write_document(tmp_path, content), select="SEG215").findings]
    assert [message.split(":")[0] for message in found if "ids" in message] == [
        f"all {len(names)} names are the ids of their categories"
    ] * n


@pytest.mark.parametrize(
    ("names", "messages"),
    [
        (("car ", "bus"), ["'car ' begins or ends with a blank (1 segment)"]),
        (("car\n", "bus"), ["'car\\n' begins or ends with a line break (1 segment)"]),
        (
            ("car\n", "bus\n", "van\r\n", "dog\n", "cat\n", "cow"),
            ["5 of 6 names begin or end with a line break: 'cat\\n', 'dog\\n', 'van\\r\\n' and 2 more"],
        ),
        (
            ("dining table", "traffic light", "dining tab", "traffic li"),
            [
                f"{name!r} and {name[:10]!r} are a name and its first letters, as many as of other names (1 segment "
                "and 1 segment)"
                for name in ("dining table", "traffic light")
            ],
        ),
        (("dining table", "dining tab", "car"), []),
        (
            ("cat", "dog", "cow", "bus", "van", *(f'"{name}"' for name in ("cat", "dog", "cow", "bus", "van"))),
            ["""5 of 10 names are in quotation marks: '"van"', '"bus"', '"cow"' and 2 more"""],
        ),
        (
            ("cat", "dog", "cow", "bus", "van", "Cat", "Dog", "Cow", "Bus", "Van"),
            [
                "5 pairs of names differ only in case, blanks or separators: 'Van' and 'van', 'Bus' and 'bus', 'Cow' "
                "and 'cow', 'Dog' and 'dog', 'Cat' and 'cat'"
            ],
        ),
    ],
)
def test_blanks_and_line_breaks_around_names(tmp_path: Path, names: tuple[str, ...], messages: list[str]) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 90, "height": 9}],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names, 1)],
        "annotations": [
            {
                "id": k,
                "image_id": 1,
                "category_id": k,
                "iscrowd": 0,
                "segmentation": [[9 * k, 0, 9 * k + 5, 0, 9 * k, 5]],
            }
            for k in range(1, len(names) + 1)
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = validate(tmp_path / "a.json", select=["SEG215", "SEG302"])
    assert [one.message for one in found.findings if one.code == "SEG215"] == messages
    told = [one.message for one in found.findings if one.code == "SEG302"]
    assert len(told) > 0
    assert not any("\n" in message for message in told)


@pytest.mark.parametrize(
    ("images", "flagged"),
    [
        ([["car", "bus"], ["0", "1"], ["bus", "car"]], ["1 image has numbers for names: '0', '1'; 2 others have"]),
        ([["car", "bus"], ["0", "car"], ["1"]], []),  # buttons: an image has both
        ([["car", "bus"], ["0", "9"]], []),  # 9 is no place in a list
        ([["car", "bus"], ["0", "4"]], []),  # of four
        ([["car", "bus"], ["0", "3"]], ["1 image has numbers for names: '0', '3'; 1 other has"]),
        ([["tv-set", "e-bike", "bus"], ["0", "1"]], ["1 image has numbers for names: '0', '1'; 1 other has"]),
        ([["a.b", "e-bike", "bus"], ["0", "1"]], []),  # one begins as a word does
        ([["car"], ["0"], ["car"], ["0"], ["0"]], []),
        ([["car"], ["0"], ["car"], ["0"], ["0"], ["car"]], ["3 images have numbers for names: '0'; 3 others have"]),
        ([["a"], ["0"], ["b"], ["1"]], []),  # characters
        ([["car"], ["0", "1"]], []),  # more numbers than names
        ([["0", "1"], ["1"]], []),
    ],
)
def test_numbers_of_classes_among_names(tmp_path: Path, images: list[list[str]], flagged: list[str]) -> None:
    names = sorted({name for own in images for name in own})
    pairs = [(image, name) for image, own in enumerate(images) for name in own]
    content = document(
        images=[{"id": row, "file_name": f"{row}.png", "width": 6, "height": 5} for row in range(len(images))],
        annotations=[
            annotation(id=row, image_id=image, category_id=names.index(name)) for row, (image, name) in enumerate(pairs)
        ],
        categories=[{"id": row, "name": name} for row, name in enumerate(names)],
    )
    findings = validate(write_document(tmp_path, content), select="SEG215").findings
    assert [one.message.partition(" names, and")[0] for one in findings] == flagged


@pytest.mark.parametrize(
    ("values", "flagged"),
    [
        (["left", "left", "Left ", "right", "LEFT"], "'left' (2 segments); 'LEFT' (1 segment); 'Left ' (1 segment)"),
        (["far  away", "far away", "near", "near"], "'far  away' (1 segment); 'far away' (1 segment)"),
        (["yes", "no", "yes", True, "1", "no"], "'yes' (2 segments); '1' (1 segment); 'true' (1 segment)"),
        (
            [False, "no", "yes", 1, "yes", "no", "no", "no"],
            "'yes' (2 segments); '1' (1 segment) / 'no' (4 segments); 'false' (1 segment)",
        ),
        (["no", "No", "unknown", "unknown"], ""),  # too short
        (["no", "No", "no", "no"], "'no' (3 segments); 'No' (1 segment)"),
        ([True, "true", False, "false"], ""),  # some formats store only text
        ([1, "1", 0, 0], ""),
        (["no", 1, 1, 2, 2, "no"], ""),  # how many
        (["no", 1, 1, 1], ""),  # one meaning each
        (["left", "right", "right-left", "left", "right", "right"], ""),
        (["a", "A", "b", "b"], ""),  # grades
        ([*map(str, range(21)), *map(str, range(21)), "left", "Left"], ""),  # any text
        (["stop", "Stop", "exit", "way out"], ""),  # seldom twice
        ([1.0, 2.5, 1, 1, 1, 1], ""),
        ([["left"], ["Left"], ["left"], ["left"], None], """'["left"]' (3 segments); '["Left"]' (1 segment)"""),
    ],
)
def test_values_of_an_attribute_in_several_spellings(tmp_path: Path, values: list[object], flagged: str) -> None:
    content = document(
        images=[{"id": row, "file_name": f"{row}.png", "width": 6, "height": 5} for row in range(len(values))],
        annotations=[
            annotation(id=row, image_id=row, attributes={"side": value, "text": ("stop", "Stop")[row % 2], "n": row})
            for row, value in enumerate(values)
        ],
    )
    data = segdata.read(write_document(tmp_path, content))
    findings = data.validate(select="SEG215").findings
    assert [(one.message, one.severity) for one in findings] == [
        (f"values of 'side' are spelled in several ways: {flagged}", "info")
    ] * bool(flagged)
    assert all(one.image is not None for one in findings)
    assert len(check_all(data, (1, 2), frozenset({"SEG215"}))) == bool(flagged)


@pytest.mark.parametrize(
    ("names", "used", "message"),
    [
        ("car", "", ""),
        ("nucleus", "n", "the names of the 7 categories are the letters of 'nucleus'"),
        ("nucleus", "nucle", ""),  # letters that are read off a sign
        ("abcd", "a", ""),
        (["Background", "car", "bus"], ["Background", "car"], "1 segment is called 'Background', the first of 3 names"),
        (["background", "car", "bus"], ["background", "car", "bus"], ""),
        (["background", "car", "bus"], ["background"], ""),
    ],
)
def test_a_list_of_names_that_was_read_wrongly(tmp_path: Path, names: list[str], used: list[str], message: str) -> None:
    content = document(
        images=[{"id": 1, "file_name": "1.png", "width": 60, "height": 5}],
        annotations=[
            annotation(id=row, image_id=1, category_id=[*names].index(name) + 1) for row, name in enumerate(used)
        ],
        categories=[{"id": k, "name": name} for k, name in enumerate(names, 1)],
    )
    findings = segdata.validate(write_document(tmp_path, content), select="SEG215").findings
    assert [one.message.partition(": was")[0].partition(", and none")[0] for one in findings] == [message] * bool(
        message
    )


@pytest.mark.parametrize(
    ("images", "n_names"),
    [
        ([["car1", "car2"], ["car1", "bus1", "car3", "car2"], ["car_2", "car_1"]], 5),
        ([["car1", "bus2"], ["bus1", "car2", "car3"], ["bus1", "bus2", "car3"]], 5),  # numbers of all objects
        ([["car1", "car2"], ["car1", "car2", "car3"], ["car2", "car1"]], 3),
        ([["car1", "car2"], ["car1", "car2", "car3"], ["car1"]], 0),  # two images tell nothing
        ([["car1", "car_2", "car3"], ["car2", "car1"], ["car_1", "car2", "car_3"]], 6),
        ([["rib4", "rib5", "rib6"], ["rib1", "rib2"], ["rib7", "rib8"]], 0),  # parts of a whole
        ([["lane1", "lane2"], ["lane1", "lane2"], ["lane2", "lane1", "lane3"], ["lane2", "lane3"]], 0),
        ([["leg1", "leg2", "leg3"]] * 4, 0),  # always as many
        ([["car1", "car1", "car2"], ["car1", "car2", "car3"], ["car1", "car2"], ["car2", "car2"]], 0),  # two of one
        ([["1", "2"], ["1", "2", "3", "4", "5", "6"], ["2", "1", "3"]], 6),  # without a word
        ([["1", "2"], ["1", "2", "3", "4", "5"], ["2", "1", "3"]], 0),  # perhaps grades
    ],
)
def test_names_that_number_objects(tmp_path: Path, images: list[list[str]], n_names: int) -> None:
    names = sorted({name for own in images for name in own})
    pairs = [(image, name) for image, own in enumerate(images) for name in own]
    content = document(
        images=[{"id": row, "file_name": f"{row}.png", "width": 6, "height": 5} for row in range(len(images))],
        annotations=[
            annotation(id=row, image_id=image, category_id=names.index(name)) for row, (image, name) in enumerate(pairs)
        ],
        categories=[{"id": row, "name": name} for row, name in enumerate(names)],
    )
    findings = validate(write_document(tmp_path, content), select="SEG215").findings
    numbered = [
        one.message.partition(" names number the objects")[0] for one in findings if "number the" in one.message
    ]
    assert numbered == [str(n_names)] * (n_names > 0)
    shown = f"{', '.join(map(repr, sorted(names, key=lambda name: (len(name), name))[:5]))} and 1 more" * (n_names == 6)
    assert all(f"make a category of each: {shown}" in one.message for one in findings if "number the" in one.message)


@pytest.mark.parametrize(
    ("name", "task", "is_told"),
    [
        ("__background__", "instance", True),
        ("_background_", "instance", True),
        ("background", "instance", False),
        ("_background_", "semantic", False),
    ],
)
def test_objects_called_as_what_is_no_object(judged: Judged, name: str, task: str, is_told: bool) -> None:
    findings = judged("SEG215", f"aa.b\n\na: {name}\nb: car\ntask: {task}\n")
    told = [(one.severity, one.message) for one in findings]
    message = f"1 segment is called {name!r}, as tools call what is no object: is it a hole, or void?"
    assert told == [("info", message)] * is_told


@pytest.mark.parametrize("seed", range(60))
def test_numbers_that_count_objects(seed: int) -> None:
    """From 0 or 1 on and without a gap in nine of ten images with several, of which there are three, to other ends."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(int(rng.choice([3, 4, 12]))):
        first, n = (
            int(rng.choice([0, 1, 1, 1, 1, 1, 1, 1, 1, 2])),
            int(rng.choice([1, 2, 2, 3] if seed % 3 else [1, 2])),
        )
        images.append([first + k + int(k == 2 and rng.random() < 0.1) for k in range(n)])
    several = [numbers for numbers in images if len(numbers) > 1]
    fitting = [numbers for numbers in several if numbers == list(range(numbers[0], numbers[0] + len(numbers)))]
    fitting = [numbers for numbers in fitting if numbers[0] < 2]
    counts = len(several) >= 3 and len(fitting) >= 0.9 * len(several) and len({len(numbers) for numbers in fitting}) > 1
    owner = np.repeat(np.arange(len(images)), [len(numbers) for numbers in images])
    order = np.lexsort((rng.random(len(owner)), owner))
    assert _counts_objects(owner[order], np.concatenate(images)[order]) == counts


def test_numbers_of_classes_have_four_digits() -> None:
    assert [_as_number(text) for text in ("9999", "09999", "10000", "00")] == [9999, 9999, math.inf, 0]


@pytest.mark.parametrize(
    ("names", "messages"),
    [
        (("cat ", "dog"), ["'cat ' begins or ends with a blank (2 segments)"]),
        (("cat", " dog"), ["' dog' begins or ends with a blank (1 segment)"]),
        (("cat", "cat "), ["'cat' and 'cat ' differ only in case, blanks or separators (2 segments and 1 segment)"]),
        (
            ("big cat", "big  cat"),  # which a report in lines would show alike
            ["'big cat' and 'big␣␣cat' differ only in case, blanks or separators (2 segments and 1 segment)"],
        ),
        (
            ("B\u00c3\u00a4ume", "cat"),
            ["'B\u00c3\u00a4ume' is in the wrong encoding, probably 'B\u00e4ume' (2 segments)"],
        ),
        (
            ("cat", "dog", "Dog"),
            ["'dog' and 'Dog' differ only in case, blanks or separators (1 segment and 0 segments)"],
        ),
        (("cat", "+", "#"), []),
    ],
)
def test_names_in_words(tmp_path: Path, names: tuple[str, ...], messages: list[str]) -> None:
    """The first has two segments, the second one, the third none."""
    content = document(
        images=[{"id": 1, "file_name": "1.png", "width": 6, "height": 5}],
        annotations=[annotation(id=row, category_id=int(row == 2)) for row in range(3)],
        categories=[{"id": row, "name": name} for row, name in enumerate(names)],
    )
    findings = validate(write_document(tmp_path, content), select="SEG215").findings
    assert [one.message for one in findings] == messages


def test_a_stand_in_is_no_rare_category(tmp_path: Path) -> None:
    """A region of VIA that names no category is read as `region`: SEG004 says it, and no rule about categories does."""
    regions = [
        {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 9, "height": 8}, "region_attributes": attributes}
        for attributes in [{"class": "leaf"}] * 9 + [{}]
    ]
    files = {f"{k}.png": {"filename": f"{k}.png", "size": 1, "regions": [region]} for k, region in enumerate(regions)}
    for name in files:
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    (tmp_path / "via.json").write_text(json.dumps(files))
    findings = validate(tmp_path, select=["SEG004", "SEG302"]).findings
    assert [finding.code for finding in findings] == ["SEG004"]


def test_a_misspelt_name_is_told_once(tmp_path: Path) -> None:
    """One of 303 buildings is `bina` and a line break: no rare category, and none that is missing in a split."""
    rows, sound = range(120), {"width": 40, "height": 40}
    content = document(
        images=[{"id": row, "file_name": f"{'train' if row < 60 else 'val'}/{row}.png", **sound} for row in rows],
        annotations=[annotation(id=row, image_id=row, category_id=1 + (row == 7)) for row in rows],
        categories=[{"id": 1, "name": "bina"}, {"id": 2, "name": "bina\n"}],
    )
    path = write_document(tmp_path, content)
    select = ["SEG215", "SEG301", "SEG302", "SEG303"]
    assert [finding.code for finding in validate(path, select=select).findings] == ["SEG215"]
    content["categories"][1]["name"] = "dam"
    path = write_document(tmp_path, content)
    assert {finding.code for finding in validate(path, select=select).findings} == {"SEG301", "SEG302", "SEG303"}


@pytest.mark.parametrize(("box", "n"), [([5, 5, 20, 20], 0), ([5, 5, 0, 0], 1)])
def test_a_category_that_a_split_has_as_boxes_alone_is_there(tmp_path: Path, box: list[int], n: int) -> None:
    rows = range(8)
    content = document(
        images=[
            {"id": k, "file_name": f"{'train' if k < 6 else 'val'}/{k}.png", "width": 40, "height": 40} for k in rows
        ],
        annotations=[
            *(annotation(id=k, image_id=k) for k in rows),
            annotation(id=8, image_id=7, category_id=2),
            annotation(id=9, image_id=0, category_id=2, segmentation=[], bbox=box),
        ],
        categories=[{"id": 1, "name": "tie"}, {"id": 2, "name": "shoe"}],
    )
    assert len(validate(write_document(tmp_path, content), select="SEG303").findings) == n


@pytest.mark.parametrize("n", [1, 3, 4])
def test_crowds_that_are_polygons_are_named_one_by_one_up_to_three(tmp_path: Path, n: int) -> None:
    content = document(
        images=[{"id": 1, "file_name": "1.png", "width": 6, "height": 5}],
        annotations=[annotation(id=row, iscrowd=int(row < n)) for row in range(12)],
    )
    findings = validate(write_document(tmp_path, content), select="SEG121", one_by_one=True).findings
    messages = [one.message for one in findings if "polygon" in one.message]
    assert len(messages) == (n if n <= 3 else 1)
    assert (f"{n} of {n} segments with iscrowd are polygons" in messages[0]) == (n > 3)


@pytest.mark.parametrize(
    ("words", "n_labels", "is_told"),
    [
        (["car", "bus"], 1, True),
        (["car", "bus"], 2, False),
        (["car"], 1, False),
        ([f"the {k}" for k in range(12)], 1, False),
    ],
)
def test_classes_that_stand_in_the_description(tmp_path: Path, words: list[str], n_labels: int, is_told: bool) -> None:
    """A text for each object is what it is called for."""
    for k in range(4):
        shapes = [
            {"label": f"object{'s' * (n % n_labels)}", "points": [[1, 1], [9, 1], [9, 9 + n]], "group_id": None,
             "shape_type": "polygon", "flags": {}, "description": words[(3 * k + n) % len(words)]}
            for n in range(3)
        ]  # fmt: skip
        content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{k}.jpg", "imageData": None,
                   "imageHeight": 20, "imageWidth": 20}  # fmt: skip
        (tmp_path / f"{k}.json").write_text(json.dumps(content))
    told = [one.message for one in validate(tmp_path, select="SEG215").findings if "descriptions" in one.message]
    message = "all 12 segments are 'object', and their descriptions are 'car', 'bus': are these the classes?"
    assert told == [message] * is_told
