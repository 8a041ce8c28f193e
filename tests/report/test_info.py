"""The HTML report of `info`: the numbers of the summary, whatever the names are, and nothing that a page could load."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

import segdata
from segdata.core.config import Config
from segdata.core.taxonomy import Category, Taxonomy
from segdata.measure.summary import Summary
from segdata.report.console import Console
from segdata.report.info import info_csv, info_html, info_text

SAMPLE = Path(__file__).parents[2] / "sample_data" / "semantic"
HOSTILE = "</style><script>document.title='taken'</script>\"'<b>"


@pytest.fixture(scope="module")
def summary() -> Summary:
    """Of the sample, by size."""
    return segdata.info(SAMPLE, group_by="size")


def cells(page: str, name: str) -> list[str]:
    """The texts of the first row that begins with a name."""
    row = next(each for each in re.findall(r"<tr.*?</tr>", page, re.DOTALL) if f"</span>{name}</th>" in each)
    return [re.sub(r"<.*?>", "", each, flags=re.DOTALL).strip() for each in re.findall(r"<td.*?</td>", row, re.DOTALL)]


def test_a_row_per_category_with_its_numbers(summary: Summary) -> None:
    page = info_html(summary)
    for row in summary.categories.to_dict("records"):
        id_, kind, images, segments, share, *_ = cells(page, row["name"])
        assert (id_, kind) == (str(row["id"]), row["kind"])
        assert (images, segments) == (f"{row['images']:,}", f"{row['segments']:,}")
        assert share == f"{row['share']:.2%}"


def test_the_box_of_areas_lies_on_the_axis_in_order(summary: Summary) -> None:
    page = info_html(summary)
    lines = re.findall(r'<line x1="([\d.]+)%" x2="([\d.]+)%"', page)
    boxes = re.findall(r'<rect x="([\d.]+)%" width="([\d.]+)%"', page)
    medians = re.findall(r'class="middle" x1="([\d.]+)%"', page)
    assert len(lines) == len(boxes) == len(medians) == (summary.categories["segments"] > 0).sum()
    for (low, high), (left, width), median in zip(lines, boxes, medians, strict=True):
        places = [0, *map(float, (low, left, median)), float(left) + float(width) + 0.1, float(high) + 0.1, 100.2]
        assert places == sorted(places)
    assert min(float(low) for low, _ in lines) == 0
    assert max(float(high) for _, high in lines) == 100


def test_strata_are_there_only_where_asked_for(summary: Summary) -> None:
    (size,) = summary.portions["stratum"]
    page = info_html(summary)
    assert f'<th scope="row">{size}</th>' in page
    assert "By size" in page
    assert "By size" not in info_html(replace(summary, by=None))
    assert set(re.findall(r"--far:(\d+)%", page)) == {"0"}  # the only stratum is the whole


def test_names_stay_text_and_nothing_is_loaded(tmp_path: Path) -> None:
    taxonomy = segdata.read(SAMPLE).taxonomy
    first, *others = taxonomy.categories
    named = Taxonomy(
        unlabelled=taxonomy.unlabelled,
        categories=(Category(id=first.id, name=HOSTILE, color=first.color, kind=first.kind), *others),
    )
    page = info_html(segdata.info(SAMPLE, taxonomy=named, config=Config()))
    assert "<script" not in page
    assert HOSTILE in unescape(page)
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_an_empty_dataset_has_a_page(summary: Summary) -> None:
    nothing = replace(
        summary, categories=summary.categories[:0], portions=summary.portions[:0], strata=summary.strata[:0]
    )
    assert "No categories." in info_html(nothing)


def test_many_categories_without_segments_are_counted_not_listed() -> None:
    taxonomy = segdata.read(SAMPLE).taxonomy
    for n_empty, shown in ((3, True), (127, False)):
        empty = tuple(Category(id=500 + number, name=f"none {number}", kind="stuff") for number in range(n_empty))
        larger = Taxonomy(unlabelled=taxonomy.unlabelled, categories=(*taxonomy.categories, *empty))
        found = segdata.info(SAMPLE, taxonomy=larger, config=Config())
        text = info_text(found, Console())
        assert ("none 2" in text, "127 categories without segments" in text) == (shown, not shown)
        assert f"none {n_empty - 1}" in info_csv(found)
