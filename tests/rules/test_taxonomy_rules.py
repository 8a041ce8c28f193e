"""SEG103, 104, 201, 206, 208: what is said once, and where."""

from collections.abc import Callable

from segdata.core.finding import Defect, Finding

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
