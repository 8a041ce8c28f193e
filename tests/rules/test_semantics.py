"""SEG203, 205, 207, 209 to 211, 213, 214: what is said of the taxonomy's rules, how often, and what is left alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segdata.core.batch import Batch, concatenate_batches
from segdata.core.config import Config
from segdata.core.finding import Defect, Finding
from segdata.core.guideline import Relation
from segdata.core.overlay import first_identical
from segdata.core.profile import ImageSequence, Profile
from segdata.core.rule import find_rule
from segdata.core.rule_runner import run_rules
from segdata.core.runs import Ints
from segdata.core.taxonomy import Attribute, Category, ExpectedCategory, MaxVoid, SizeLimits, Taxonomy
from segdata.measure.measure import measure_source
from segdata.testing.pictures import PictureDataset, draw_picture
from segdata.testing.strategies import datasets

Judged = Callable[..., list[Finding]]


def found(code: str, profile: Profile, drawing: PictureDataset) -> list[Finding]:
    """The findings of a rule in a drawing, under another profile."""
    rule = find_rule(code)
    assert rule.applies(profile)
    tables = measure_source(PictureDataset(profile, drawing.batch), rule.needs, jobs=1)
    return list(run_rules(tables, [rule], Config()).findings)


def judged_under(
    code: str, text: str, taxonomy: Taxonomy | None = None, *, taxonomy_declared: bool = True
) -> list[Finding]:
    """The findings of a rule in a picture, under another taxonomy than the picture's."""
    drawing = draw_picture(text)
    given = drawing.profile.taxonomy if taxonomy is None else taxonomy
    return found(code, replace(drawing.profile, taxonomy=given, taxonomy_declared=taxonomy_declared), drawing)


@pytest.mark.parametrize("code", ["SEG207", "SEG209", "SEG210", "SEG213", "SEG214"])
def test_where_nothing_is_declared_nothing_is_measured(code: str) -> None:
    assert not find_rule(code).applies(draw_picture("aab\n\na, b: car").profile)


def test_an_old_name_is_said_once(judged: Judged) -> None:
    (finding,) = judged("SEG203", "a.b\n\na..\n\na: auto\nb: car\ncategory: car (alias auto motorcar)")
    assert finding.message == "the data use 'auto', an old name of 'car'"
    assert (finding.category, finding.image) == ("car", None)


def test_a_parent_is_said_once_an_annotation_where_a_person_gave_the_taxonomy() -> None:
    picture = "a.b\n\na.c\n\na, b: vehicle\nc: car\ncategory: vehicle\ncategory: car (parent vehicle)"
    one, other = judged_under("SEG205", picture)
    assert (one.image, one.pixels, len(one.segments), other.image) == ("1.png", 2, 2, "2.png")
    (whole,) = judged_under("SEG205", picture, taxonomy_declared=False)
    assert (whole.image, whole.pixels, whole.severity) == (None, 3, "info")


def test_a_crowd_may_be_of_a_parent(judged: Judged) -> None:
    assert not judged("SEG205", "a.b\n\na: vehicle (crowd)\nb: car\ncategory: vehicle\ncategory: car (parent vehicle)")


PARTS = "category: car (parent vehicle)\ncategory: wheel (part_of vehicle)"


def test_a_part_says_how_much_of_it_is_outside(judged: Judged) -> None:
    (finding,) = judged("SEG207", f"aaxwww\naaxwww\n\nx = a + w\na: car\nw: wheel\n{PARTS}")
    assert (finding.pixels, finding.category, finding.severity) == (6, "wheel", "error")
    assert finding.message == "it is part of vehicle, but only 2 of its 8 px lie within one; 50% are required"
    assert not judged("SEG207", f"aaxwww\naaxwww\n\nx = a + w\na: car\nw: wheel\n{PARTS}", min_inside=0.25)


def test_a_part_that_is_cut_out_may_be_drawn_over_its_whole_by_a_hair(judged: Judged) -> None:
    wide = "w" * 49
    assert not judged("SEG207", f"aax{wide}\n\nx = a + w\na: car\nw: wheel\n{PARTS}")
    assert judged("SEG207", f"aax{wide[:-5]}\n\nx = a + w\na: car\nw: wheel\n{PARTS}")


def test_copies_of_a_part_lie_in_the_whole_too(judged: Judged) -> None:
    assert not judged("SEG207", f"aax\naax\n\nx = a + v + w\na: car\nv, w: wheel\n{PARTS}")
    assert len(judged("SEG207", f"a.x\na.x\n\nx = v + w\na: car\nv, w: wheel\n{PARTS}")) == 2


def test_crowds_are_neither_parts_nor_too_near(judged: Judged) -> None:
    assert not judged("SEG207", f"aa.w\n\na: car\nw: wheel (crowd)\n{PARTS}")
    pair = "category: axon (may_not_touch sheath)\ncategory: sheath"
    assert not judged("SEG207", f"aab\n\na: axon\nb: sheath (crowd)\n{pair}")


def test_a_pair_that_may_not_touch_is_said_once_whichever_names_the_other(judged: Judged) -> None:
    for pair in ("category: a (may_not_touch b)\ncategory: b", "category: a\ncategory: b (may_not_touch a)"):
        (finding,) = judged("SEG207", f"aaxb\naabb\n\nx = a + b\n{pair}")
        assert (finding.pixels, finding.bbox) == (1, (2, 0, 1, 1))
        assert finding.message == "'a' and 'b' share 1 px, but may not overlap"
        (finding,) = judged("SEG207", f"aabb\naabb\n\n{pair}")
        assert finding.message == "'a' and 'b' touch along 2 pixel edges, but may not touch"


def test_a_pair_that_may_not_overlap_may_touch(judged: Judged) -> None:
    pair = "category: a (may_not_overlap b)\ncategory: b"
    assert not judged("SEG207", f"aabb\n\n{pair}")
    assert len(judged("SEG207", f"axb\n\nx = a + b\n{pair}")) == 1


def test_the_guideline_is_quoted() -> None:
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="a", may_not_touch=("b",)),
            Category(id=2, name="b", boundary_rule="Leave a pixel."),
        )
    )
    (finding,) = judged_under("SEG207", "ab\n\na: a\nb: b", taxonomy)
    assert finding.message.endswith('; guideline: "Leave a pixel."')


def attributed(*attributes: Attribute) -> Taxonomy:
    return Taxonomy(categories=(Category(id=1, name="car", attributes=attributes),))


def test_attributes_are_said_for_each_annotation_and_value() -> None:
    driven = Attribute("driven", ("parked", "moving"), required=True, definition="At the wheel?")
    picture = "a.b.c\n\nd.e..\n\na: car (driven = parked)\nb, c: car\nd, e: car (driven = flying)"
    missing, odd = judged_under("SEG209", picture, attributed(driven))
    assert missing.message == "2 segments without 'driven', which is required; guideline: \"At the wheel?\""
    assert (missing.image, len(missing.segments), missing.pixels) == ("1.png", 2, 2)
    assert odd.message.startswith('2 segments with driven "flying"; allowed: parked, moving')
    assert odd.image == "2.png"


def test_an_attribute_that_nobody_has_is_said_once() -> None:
    (finding,) = judged_under("SEG209", "a.b\n\na..\n\na, b: car", attributed(Attribute("driven", required=True)))
    assert (finding.image, finding.pixels, finding.severity) == (None, 3, "error")
    taxonomy = attributed(Attribute("driven", required=True))
    (finding,) = judged_under("SEG209", "a.b\n\na, b: car", taxonomy, taxonomy_declared=False)
    assert finding.severity == "warning"


@pytest.mark.parametrize(("values", "said"), [((True,), "true"), ((2,), "2"), ((2.5,), "2.5"), (("2",), "2")])
def test_numbers_and_flags_may_come_as_texts(values: tuple[str | float, ...], said: str) -> None:
    assert not judged_under("SEG209", f"a\n\na: car (of = {said})", attributed(Attribute("of", values)))
    assert judged_under("SEG209", "a\n\na: car (of = 3)", attributed(Attribute("of", values)))


def test_optional_attributes_may_be_missing_and_have_any_value_where_none_is_named() -> None:
    picture = "a.b\n\na: car (of = 3)\nb: car"
    assert not judged_under("SEG209", picture, attributed(Attribute("of"), Attribute("to", ("x",))))


VOID = (Category(id=1, name="a"), Category(id=2, name="v", kind="void", definition="Haze."))


def test_void_of_each_image_and_of_all() -> None:
    picture = "aavv\n\naaaa\n\naaav\n\na: a\nv: v (void)"
    taxonomy = Taxonomy(categories=VOID, max_void=MaxVoid(image=0.25, dataset=0.2))
    image, dataset = sorted(judged_under("SEG210", picture, taxonomy), key=lambda each: each.image or "z")
    assert (image.image, image.pixels) == ("1.png", 2)
    assert image.message == '50.0% of the image is void; the limit is 25.0%; guideline: "Haze."'
    assert (dataset.image, dataset.pixels) == (None, 3)
    assert dataset.message.startswith("25.0% of all pixels are void; the limit is 20.0%")


def test_much_void_is_one_info_where_nothing_is_declared() -> None:
    (finding,) = judged_under("SEG210", "avv\n\naaa\n\nvvv\n\na: a\nv: v (void)", Taxonomy(categories=VOID))
    assert (finding.severity, finding.image, finding.pixels) == ("info", None, 5)


def test_secondary_categories_without_a_rule_are_said_once_for_the_dataset() -> None:
    picture = "a\n\na\n\na: sofa (also bed)\ncategory: sofa\ncategory: bed"
    (finding,) = judged_under("SEG211", picture)
    assert finding.message == "2 segments of 'sofa' also have 'bed', which the taxonomy does not mention"
    assert finding.severity == "warning"
    (finding,) = judged_under("SEG211", picture, taxonomy_declared=False)
    assert finding.severity == "info"


def test_secondary_categories_against_the_rule_are_said_for_each_annotation(judged: Judged) -> None:
    legend = "a: sofa (also bed)\nb: bed (also sofa)\ncategory: sofa (also bed)\ncategory: bed"
    one, other = judged("SEG211", f"a.b\n\nb..\n\n{legend}")
    assert {one.image, other.image} == {"1.png", "2.png"}
    assert one.message == "1 segment of 'bed' also has 'sofa', which the taxonomy does not allow"


def test_expected_categories_may_be_there_as_their_children(judged: Judged) -> None:
    legend = "a: lane\ncategory: road (expected 1)\ncategory: lane (parent road)"
    assert not judged("SEG213", f"a\n\n{legend}")


def test_an_image_that_nobody_annotated_expects_nothing() -> None:
    drawing = draw_picture("r\n\ns\n\nr: road\ns: sky\ncategory: road (expected 1)")
    assert len(found("SEG213", drawing.profile, drawing)) == 1
    first = PictureDataset(drawing.profile, drawing.batch.take_images(np.array([0])))
    assert not found("SEG213", drawing.profile, first)


def test_a_share_of_images_is_one_finding(judged: Judged) -> None:
    (finding,) = judged("SEG213", "r\n\ns\n\ns\n\nr: road\ns: sky\ncategory: road (expected 0.5)")
    assert finding.message == "in 1 of 3 annotations (33.3%), expected in 50.0% or more"
    assert (finding.image, finding.category) == (None, "road")


def test_wheels_are_expected_where_cars_are() -> None:
    taxonomy = Taxonomy(
        categories=(
            Category(id=1, name="car", parent="vehicle"),
            Category(id=2, name="wheel", expected=ExpectedCategory(whenever=("vehicle",))),
        )
    )
    (finding,) = judged_under("SEG213", "aw\n\na.\n\n..\n\na: car\nw: wheel", taxonomy)
    assert (finding.image, finding.message) == ("2.png", "no 'wheel', which is expected wherever 'vehicle' is")


def test_sizes_are_said_once_an_annotation_with_the_worst(judged: Judged) -> None:
    picture = ".....\n.a.b.\n.....\nccccc\nccccc\nccccc\n\na, b, c: nucleus\ncategory: nucleus (size 2 10)"
    large, small = sorted(judged("SEG214", picture), key=lambda finding: finding.message)
    assert large.message == "1 segment (15 px) larger than 10 px"
    assert small.message == "2 segments smaller than 2 px, the smallest 1 px"


def test_sizes_in_mm2_where_the_spacing_is_known() -> None:
    taxonomy = Taxonomy(categories=(Category(id=1, name="spot", size=SizeLimits(max_mm2=1.0)),))
    volume = ImageSequence("scan", "volume", spacing=(0.5, 0.5, 3.0))
    drawing = draw_picture("......\n.aaaa.\n.aa...\n......\n\na: spot")
    profile = replace(drawing.profile, taxonomy=taxonomy, sequences=(volume,))
    assert not found("SEG214", profile, drawing)
    images = drawing.batch.images
    at = images.schema.get_field_index("sequence")
    named = replace(drawing.batch, images=images.set_column(at, images.schema.field(at), [["scan"]]))
    (finding,) = found("SEG214", profile, PictureDataset(profile, named))
    assert finding.message == "1 segment (1.5 mm²) larger than 1 mm²"


CODES = ("SEG205", "SEG207", "SEG209", "SEG210", "SEG211", "SEG213", "SEG214")


@st.composite
def ruled(draw: st.DrawFn) -> tuple[Profile, list[Batch]]:
    """A random dataset whose taxonomy has something to say of most pairs and segments."""
    profile, batches = draw(datasets())
    names = [each.name for each in profile.taxonomy.categories]
    some = st.lists(st.sampled_from(names), max_size=2).map(tuple)
    categories = tuple(
        msgspec.structs.replace(
            each,
            parent=draw(st.none() | st.sampled_from(names)),
            **{relation: draw(some) for relation in get_args(Relation)},
            attributes=(Attribute("occluded", ("true",), required=draw(st.booleans())),),
            expected=ExpectedCategory(least_share=draw(st.sampled_from([0.5, 1])), whenever=draw(some)),
            size=SizeLimits(min_pixels=2, max_pixels=4),
        )
        for each in profile.taxonomy.categories
    )
    taxonomy = msgspec.structs.replace(
        profile.taxonomy, categories=categories, max_void=MaxVoid(image=0.2, dataset=0.1)
    )
    return replace(profile, taxonomy=taxonomy, taxonomy_declared=True), batches


def said_of(profile: Profile, batches: list[Batch]) -> list[tuple[object, ...]]:
    """What the rules find, without the order in which findings name their segments."""
    chosen = [find_rule(code) for code in CODES if find_rule(code).applies(profile)]
    families = frozenset(family for rule in chosen for family in rule.needs)
    source = Portions(profile, tuple(batches))
    findings = run_rules(measure_source(source, families, jobs=2), chosen, Config()).findings
    return sorted(
        (each.code, each.image or "", each.annotator or "", each.category or "", each.message, each.pixels or 0)
        for each in findings
    )


def without_copies(batch: Batch) -> Batch:
    """The batch without segments that have the same pixels as an earlier one: of copies the first speaks for all."""
    twin = first_identical(batch.runs, batch.segment_annotation, batch.runs.areas(batch.n_segments))
    return batch.take_segments(np.flatnonzero(twin == np.arange(batch.n_segments)))


@dataclass(frozen=True)
class Portions:
    """Batches as a source that loads them one by one."""

    profile: Profile
    batches: tuple[Batch, ...]
    defects: tuple[Defect, ...] = ()

    @property
    def image_ids(self) -> list[str]:
        """Of all batches."""
        return [name for batch in self.batches for name in batch.images["image_id"].to_pylist()]

    def chunks(self) -> list[Ints]:
        """The number of each batch, as its portion."""
        return [np.array([number]) for number in range(len(self.batches))]

    def load(self, rows: Ints) -> Batch:
        """The batch of that number."""
        return self.batches[int(rows[0])]


@settings(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(ruled(), st.randoms(use_true_random=False))
def test_findings_depend_neither_on_the_order_of_segments_nor_on_portions(
    made: tuple[Profile, list[Batch]], random: Random
) -> None:
    profile, batches = made[0], [without_copies(batch) for batch in made[1]]
    whole = concatenate_batches(batches)
    order = sorted(range(whole.n_segments), key=lambda row: (whole.segment_annotation[row], random.random()))
    rows = np.array(order, np.int64)
    moved = replace(whole, segments=whole.segments.take(rows), runs=whole.runs.take(rows, whole.n_segments))
    expected = said_of(profile, batches)
    assert said_of(profile, [whole]) == expected
    assert said_of(profile, [moved]) == expected
