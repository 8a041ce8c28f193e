"""The guideline as a page: every category once, in its place, whatever the taxonomy; and nothing from it is markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.core.taxonomy import Attribute, Category, ExpectedCategory, MaxVoid, SizeLimits, Taxonomy
from segdata.report.guideline import guideline_entries, guideline_html, guideline_markdown

STREET = Taxonomy(
    version=2,
    max_void=MaxVoid(image=0.1, dataset=0.02),
    groups={"vehicle": "moving", "moving": None},
    categories=(
        Category(id=1, name="road", kind="stuff", color=(128, 64, 128), expected=ExpectedCategory(least_share=1)),
        Category(
            id=2,
            name="car",
            parent="vehicle",
            definition="Cars\nand <vans>.",
            occlusion_rule="Only what is seen.",
            examples=("car.png", "No toy_cars."),
            attributes=(Attribute("driven", ("yes", "no"), required=True, definition="At the wheel."),),
            size=SizeLimits(min_pixels=4000, max_mm2=2.5),
            aliases=("auto",),
        ),
        Category(id=3, name="wheel", part_of=("car",), thin=True, expected=ExpectedCategory(whenever=("car", "bus"))),
    ),
)


def test_groups_and_categories_are_below_their_parents() -> None:
    assert [(each.name, each.depth) for each in guideline_entries(STREET)] == [
        ("road", 0), ("moving", 0), ("vehicle", 1), ("car", 2), ("wheel", 0),
    ]  # fmt: skip


def test_all_that_is_said_of_a_category_is_there() -> None:
    facts = {each.name: each.facts for each in guideline_entries(STREET)}
    assert dict(facts["car"]) == {
        "kind": "thing: each object is a segment of its own",
        "id": "2",
        "definition": "Cars and <vans>.",
        "occlusion": "Only what is seen.",
        "attribute driven": "At the wheel; one of yes, no; required",
        "size": "at most 2.5 mm²",
        "formerly": "auto",
    }
    assert ("size", "at least 4,000 px") in facts["car"]
    assert {
        ("part of", "car"),
        ("shape", "thin: a few pixels wide"),
        ("expected", "in every image with car or bus"),
    } <= set(facts["wheel"])
    assert ("expected", "in every image") in facts["road"]
    assert facts["vehicle"] == ()


def test_markdown() -> None:
    text = guideline_markdown(STREET, "street: how to annotate")
    assert text.startswith(
        "# street: how to annotate\n\nVersion 2.\n\nVoid may be at most 10 % of an image and 2 % of all"
    )
    assert '| <span style="background:#804080">&emsp;&emsp;</span> `#804080` | road | 1 | stuff |  |' in text
    assert "\n#### car\n" in text
    assert "- definition: Cars and \\<vans\\>.\n" in text
    assert "- ![car.png](<car.png>)\n" in text
    assert "- example: No toy\\_cars.\n" in text


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_one_file_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "car.png").write_bytes(b"\x89PNG")
    text = guideline_html(STREET, "street", tmp_path)
    assert '<img src="data:image/png;base64,iVBORw=="' in text
    assert "Example: car.png" in guideline_html(STREET, "street")
    assert not re.search(r'(src|href)="(?!data:|#)', text)


TEXTS = st.text("a<&>\"'*_|`#\n{}", min_size=1, max_size=6)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(TEXTS, st.none() | TEXTS, TEXTS), max_size=5),
    st.dictionaries(TEXTS, st.none() | TEXTS, max_size=2),
)
def test_whatever_categories_are_called(said: list[tuple[str, str | None, str]], groups: dict[str, str | None]) -> None:
    taxonomy = Taxonomy(
        groups=groups,
        categories=tuple(
            Category(id=n, name=name, parent=parent, definition=text, examples=(text,))
            for n, (name, parent, text) in enumerate(said)
        ),
    )
    found = guideline_entries(taxonomy)
    assert {each.name for each in found} >= {name for name, _, _ in said}
    assert len({each.name for each in found}) == len(found)
    page = _Texts()
    page.feed(guideline_html(taxonomy, "x"))
    page.close()
    assert not page.open
    joined = "".join(page.texts)
    assert all(name in joined for name, _, _ in said)
    assert guideline_markdown(taxonomy, "x").count("\n| ") == 2 + len(said)
