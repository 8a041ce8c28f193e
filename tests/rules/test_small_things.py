"""SEG013, 016, 106, 107, 112, 302, 312: counts, exemptions, and what a finding points at."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from segdata.core.batch import replace_column
from segdata.core.config import Config
from segdata.core.finding import Defect, Finding
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.runs import mask_to_runs
from segdata.core.schema import runs_to_rle
from segdata.core.taxonomy import Taxonomy
from segdata.measure.measure import measure_source
from segdata.testing.pictures import PictureDataset, draw_picture

Judged = Callable[..., list[Finding]]
BLOCK = "\n".join(["a" * 12] * 6)
SPECKS = f"{BLOCK}\n............\n.a.aa.....a.\n............\n"
PINHOLES = f"{BLOCK}\na.aaa..aaaaa\n{BLOCK}\n"


def test_specks_of_a_segment_are_one_finding_at_the_largest(judged: Judged) -> None:
    (finding,) = judged("SEG106", SPECKS)
    assert (finding.pixels, finding.bbox) == (4, (3, 7, 2, 1))
    assert finding.message == "3 stray parts of 4 px, the largest 2 px, in a segment of 76 px"


@pytest.mark.parametrize(
    ("code", "picture", "whole"),
    [("SEG106", ".........\naaaaaa.a.\n.........", 7), ("SEG107", "aaaa\na.aa\naaaa", 11)],
)
def test_parts_of_just_the_largest_share_are_none(judged: Judged, code: str, picture: str, whole: int) -> None:
    """One pixel of `whole`: flagged if its share is below the limit."""
    assert not judged(code, picture, max_share=1 / whole)
    assert judged(code, picture, max_share=1 / whole + 1e-9)


@pytest.mark.parametrize(
    ("code", "picture"),
    [("SEG106", f"{BLOCK}\n............\n.aaa........\n............"), ("SEG107", f"{BLOCK}\na...aaaaaaaa\n{BLOCK}")],
)
def test_parts_of_min_pixels_are_none(judged: Judged, code: str, picture: str) -> None:
    assert not judged(code, picture, min_pixels=3)
    assert judged(code, picture, min_pixels=4)


def test_pinholes_of_a_segment_are_one_finding_at_the_largest(judged: Judged) -> None:
    (finding,) = judged("SEG107", PINHOLES)
    assert (finding.pixels, finding.bbox) == (3, (5, 6, 2, 1))


@pytest.mark.parametrize(("code", "picture"), [("SEG106", SPECKS), ("SEG107", PINHOLES)])
def test_crowds_void_and_lossy_masks_are_left_alone(judged: Judged, code: str, picture: str) -> None:
    assert not judged(code, f"{picture}\na: people (crowd)")
    assert not judged(code, f"{picture}\na: unknown (void)")
    assert not judged(code, picture, [Defect("SEG010", "JPEG", image="1.png")])
    assert judged(code, picture, [Defect("SEG010", "JPEG", image="2.png")])


@pytest.mark.parametrize(("code", "picture"), [("SEG106", SPECKS), ("SEG107", PINHOLES)])
def test_thin_categories_are_left_alone(code: str, picture: str) -> None:
    drawing = draw_picture(picture)
    (category,) = drawing.profile.taxonomy.categories
    thin = Taxonomy(categories=(msgspec.structs.replace(category, thin=True),))
    drawing = PictureDataset(replace(drawing.profile, taxonomy=thin), drawing.batch, ())
    assert not run_rules(measure_source(drawing, find_rule(code).needs, jobs=1), [find_rule(code)], Config()).findings


def test_dots_are_not_stray_where_no_part_is_larger(judged: Judged) -> None:
    dots = f".{'a..' * 60}"
    empty = "." * len(dots)
    assert judged("SEG106", f"{empty}\n{dots}\n{empty}\n{dots}\n{empty}") == []
    (finding,) = judged("SEG106", f"{empty}\n{dots}\n{empty}\n{'a' * 8}{empty[8:]}")
    assert finding.message.startswith("60 stray parts")


@pytest.mark.parametrize(("n_fibres", "n_found"), [(19, 1), (20, 0)])
def test_the_smallest_of_many_small_parts_is_not_stray(judged: Judged, n_fibres: int, n_found: int) -> None:
    fibres = "aaaa." * n_fibres + "...."
    rows = (fibres, fibres, f"{'.' * (len(fibres) - 3)}aa.", "." * len(fibres))
    assert len(judged("SEG106", "\n".join(rows))) == n_found


@pytest.mark.parametrize("rim", ["a...", "...a", "a.......\n........", ".a..\na...", ".a......\n..a....."])
def test_what_the_frame_may_have_cut_is_not_stray(judged: Judged, rim: str) -> None:
    """By itself, or together with what touches it at a corner; a copy of it away from the frame is."""
    rows = rim.split("\n")
    width = len(rows[0])
    block, empty = "a" * 12, "." * width
    for turned in (str, lambda picture: "\n".join(reversed(picture.split("\n")))):
        at_frame = [f"{block}.{row}" for row in rows] + [f"{block}.{empty}"] * 5
        assert not judged("SEG106", turned("\n".join(at_frame)))
        within = [f"{block}.{empty}.", *(f"{block}.{row}." for row in rows), *[f"{block}.{empty}."] * 5]
        assert judged("SEG106", turned("\n".join(within)))


def test_parts_at_the_edge_of_a_region_of_interest_are_not_stray() -> None:
    """The region ends before the last two columns."""
    picture = "\n".join(["aaaaaaaaaaaa........."] * 3)
    for x, n_found in ((15, 1), (17, 1), (18, 0), (14, 1)):
        rows = [list(row) for row in ("." * 21, *picture.split("\n"), "." * 21)]
        rows[2][x] = "a"
        drawing = draw_picture("\n".join("".join(row) for row in rows))
        region = np.zeros((5, 21), bool)
        region[:, :19] = True
        counts = runs_to_rle(mask_to_runs(region), np.array([5]), np.array([21]))
        batch = replace(drawing.batch, images=replace_column(drawing.batch.images, "roi", counts))
        tables = measure_source(PictureDataset(drawing.profile, batch, ()), find_rule("SEG106").needs, jobs=1)
        assert len(run_rules(tables, [find_rule("SEG106")], Config()).findings) == n_found


def test_loops_of_a_net_of_thin_lines_are_no_pinholes(judged: Judged) -> None:
    net = f"{'a' * 200}\na{'.a' * 99}.\n{'a' * 200}\n"
    assert not judged("SEG107", net)
    assert judged("SEG107", net, line_width=1.0)


def test_a_polygon_that_its_raster_breaks_has_no_specks_but_a_small_ring_is_one(judged: Judged) -> None:
    frame = "\n".join(["." * 24] * 12) + "\n"
    broken = "1 1 11 1 11 2.6 20 2.6 20 2 22 2 22 4 20 4 20 2.8 11 2.8 11 11 1 11"
    assert (
        measure_source(draw_picture(f"{frame}\na: car (polygon {broken})"), frozenset({"shapes"}), jobs=1).segments[
            "parts"
        ][0]
        == 2
    )
    assert not judged("SEG106", f"{frame}\na: car (polygon {broken})")
    (finding,) = judged("SEG106", f"{frame}\na: car (polygon 1 1 11 1 11 11 1 11 | 20 2 22 2 22 4 20 4)")
    assert (finding.pixels, finding.bbox) == (4, (20, 2, 2, 2))


def test_both_stale_measures_are_one_finding(judged: Judged) -> None:
    (finding,) = judged("SEG013", f"{BLOCK}\n\na: car (area 7, box 50 50 2 2)")
    assert "declared area 7, the segment has 72 px" in finding.message
    assert "declared box [50, 50, 2, 2]" in finding.message
    assert finding.pixels is None  # all of them are right


def test_each_rarer_encoding_is_one_finding(judged: Judged) -> None:
    encodings = ("grey 8 bit", "RGB 8 bit", "grey 8 bit", "RGB 8 bit", "grey 8 bit", "grey 16 bit")
    findings = judged("SEG016", "\n\n".join(f"a\nencoding: {encoding}" for encoding in encodings))
    assert [finding.image for finding in findings] == ["2.png", "6.png"]
    assert findings[0].message.startswith("2 masks stored as RGB 8 bit")


def test_many_palettes_are_one_finding(judged: Judged) -> None:
    """A program that writes a palette of its own into each file."""
    encodings = ["grey 8 bit"] * 3 + ["palette 8 bit"] * 2 + ["RGB 8 bit", "RGBA 8 bit", "grey 16 bit"]
    (finding,) = judged("SEG016", "\n\n".join(f"a\nencoding: {encoding}" for encoding in encodings))
    assert finding.image == "4.png"
    assert finding.message == (
        "5 masks stored in 4 other ways, most often as palette 8 bit, this one first; 3 stored as grey 8 bit"
    )


def test_the_encodings_of_layers_are_those_of_an_image(judged: Judged) -> None:
    findings = judged("SEG016", "a\nencoding: bilevel 1 bit; grey 8 bit\n\n" * 2 + "a\nencoding: grey 8 bit")
    assert "2 stored as bilevel 1 bit and grey 8 bit" in findings[0].message


def test_boxes_that_span_the_frame_are_no_box_masks(judged: Judged) -> None:
    assert not judged("SEG112", f"{BLOCK}\n\n{BLOCK}\n", min_segments=2)


def test_a_small_dataset_needs_no_more_images_than_it_has(judged: Judged) -> None:
    assert not judged("SEG302", "aa\n\naa\n", min_segments=2, min_pixels=4)
    (finding,) = judged("SEG302", "aa\n\n..\n", min_segments=1, min_pixels=1)
    assert finding.message == "1 image, 2 are required"


def test_a_semantic_image_has_one_segment_of_each_category(judged: Judged) -> None:
    assert not judged("SEG302", "aa\n\ntask: semantic", min_pixels=1)
    (finding,) = judged("SEG302", "aa", min_pixels=1)
    assert finding.message == "1 segment, 3 are required"


def test_categories_that_name_single_things_are_one_finding(judged: Judged) -> None:
    """The texts of number plates: neither too rare, nor in imbalance, nor missing in a split."""
    plates = "".join(f"{letter}: KA01 {number}\n" for number, letter in enumerate("bcdefghi"))
    scene = f"aabbaa\n\naaccaa\n\naaddaa\n\naaeeaa\n\naaffaa\n\naaggaa\n\naahhaa\n\naaiiaa\n\na: car\n{plates}"
    (finding,) = judged("SEG302", scene, min_pixels=1)
    assert finding.message.startswith("8 of 9 categories name single things, with numbers in their names")
    assert "KA01 0, KA01 1, KA01 2, …" in finding.message
    assert not judged("SEG301", scene, min_effective=0.9, max_ratio=1.5)
    one_kind = scene.replace("i: KA01 7", "i: bus")
    assert len(judged("SEG302", one_kind, min_pixels=1)) == 8


def test_many_empty_images_are_one_info(judged: Judged) -> None:
    pictures = ["aa"] * 8 + [".."] * 4
    (finding,) = judged("SEG312", "\n\n".join(pictures))
    assert (finding.severity, finding.image) == ("info", None)
    one_by_one = judged("SEG312", "\n\n".join(pictures), max_share=0.5)
    assert [finding.image for finding in one_by_one] == ["10.png", "11.png", "12.png", "9.png"]


def test_what_a_sample_lacks_is_an_info(judged: Judged) -> None:
    """Of nine images the tenth would be the first to tell."""
    for n, severity in ((9, "info"), (10, "warning")):
        text = "\n\n".join(["ab", *["aa"] * (n - 1)]) + "\n\na: car\nb: bus\ncategory: tram"
        few, unused = judged("SEG302", text, min_pixels=1), judged("SEG204", text)
        assert [(one.category, one.severity) for one in (*few, *unused)] == [("bus", severity), ("tram", severity)]


INSIDE_OUT = "0 0 12 0 12 12 0 12 0 0 3 3 3 8 9 8 9 3 3 3 0 0"  # around the image, and around an object of 30 px


@pytest.mark.parametrize(
    ("more", "n_found"),
    [
        ("", 1),
        ("task: semantic", 0),
        ("a: sky (stuff)\ntask: panoptic", 0),
        ("a: people (crowd)", 0),
        ("b: bus (polygon 5 5 6 5 6 6 5 6)", 0),  # something lies in the hole
        ("b: bus (polygon 0 0 2 0 2 2 0 2)", 1),
    ],
)
def test_an_outline_around_everything_but_an_object(judged: Judged, more: str, n_found: int) -> None:
    frame = "\n".join(["." * 12] * 12)
    own = "" if more.startswith("a:") else f"a: car (polygon {INSIDE_OUT})\n"
    picture = frame if own else "\n".join("aaa......aaa" if 3 <= row < 8 else "a" * 12 for row in range(12))
    found = judged("SEG132", f"{picture}\n\n{own}{more}" if own else f"{picture}\n\n{more}")
    assert [(one.pixels, one.bbox) for one in found] == [(30, (3, 3, 6, 5))] * n_found


CORNERS = """
................
.aaa...aaa......
.aa.....aa......
.a.......a......
................
.a.......a......
.aa.....aa......
.aaa...aaa......
................
"""


@pytest.mark.parametrize(
    ("old", "new", "n_found"),
    [
        ("", "", 1),
        (".aaa...aaa......\n.aa..", ".aaa....aa......\n.aa..", 1),  # the corner itself need not be there
        ("\n.a.......a......\n................", "\n.a.......a......\n.a..............", 0),  # two corners are one part
        (".....\n................\n.a", ".....\n....aaaa........\n.a", 0),  # something is in the middle
        ("a......\n................\n", "a..aaa.\n................\n", 0),  # its box is another one
        ("\x00", "task: semantic\n", 0),
        ("\x00", "a: fence (stuff)\ntask: panoptic\n", 0),
    ],
)
def test_the_corners_of_a_box_around_nothing(judged: Judged, old: str, new: str, n_found: int) -> None:
    picture = (CORNERS.strip() + "\n\n\x00").replace(old, new, 1).replace("\x00", "")
    found = judged("SEG132", picture)
    assert [one.message[:39] for one in found] == ["1 segment is the corners of a box aroun"] * n_found
