"""Spreadsheets beside the HTML page: the scores of each image and pair, and what each annotator does."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segdata.agreement.estimates import PairAmounts, image_values
from segdata.agreement.scores import Score
from segdata.agreement.summary import Agreement
from segdata.core.annotator_pairs import AnnotatorPairs
from segdata.core.rule import Tables
from segdata.report.agreement.annotators import BIAS_KINDS, reported_biases
from segdata.report.encoding import csv_number, csv_text

IMAGE_SCORES = (
    *("iou", "dice", "pq", "covering", "nsd", "segment_nsd", "hd95", "offset", "count_difference"),
    *("adjusted_rand", "variation_of_information"),
)
IMAGE_COLUMNS = ("image", "annotator_a", "annotator_b", *IMAGE_SCORES, "worst_category", "worst_score")
ANNOTATOR_COLUMNS = (
    *("annotator", "category", "kind", "value", "low", "high"),
    *("others", "clusters", "p", "stands"),
)


def spreadsheet_paths(page: Path) -> tuple[Path, Path]:
    """Where the spreadsheets of images and of annotators stand beside a page.

    >>> [path.name for path in spreadsheet_paths(Path("out/agreement.html"))]
    ['agreement_images.csv', 'agreement_annotators.csv']
    """
    return page.with_name(f"{page.stem}_images.csv"), page.with_name(f"{page.stem}_annotators.csv")


def images_csv(result: Agreement, comparison: AnnotatorPairs) -> str:
    """A row for each image, or volume, and two annotators: scores over its categories, and its worst category.

    `offset` and `count_difference` are by how much `annotator_b` has more. A cell is empty where nothing is defined.
    """
    return csv_text(IMAGE_COLUMNS, _image_rows(result, comparison))


def _image_rows(result: Agreement, comparison: AnnotatorPairs) -> Iterator[list[object]]:
    amounts = PairAmounts.from_pairs(comparison)
    rows = amounts.all_rows
    of_categories, of_all = image_values(amounts, rows, IMAGE_SCORES)
    is_void = np.array([category.kind == "void" for category in comparison.categories], bool)
    lead = np.where(is_void, np.nan, of_categories[:, IMAGE_SCORES.index(result.leading)])
    order = np.lexsort((amounts.b, amounts.a, amounts.case))
    names = comparison.cases["name"].tolist() if len(comparison.cases) else []
    for row in order.tolist():
        worst = int(np.nanargmin(lead[row])) if np.isfinite(lead[row]).any() else None
        yield [
            names[int(amounts.case[row])],
            comparison.annotators[int(amounts.a[row])],
            comparison.annotators[int(amounts.b[row])],
            *map(csv_number, of_all[row].tolist()),
            "" if worst is None else comparison.categories[worst].name,
            "" if worst is None else csv_number(float(lead[row, worst])),
        ]


def annotators_csv(result: Agreement, tables: Tables) -> str:
    """What each annotator does: rows of the leading score against each other one, and of bias by category and kind.

    Kinds: the leading score (`others` is whom it is with), and missed, extra, confused (shares) and offset (px or mm
    that the annotator draws larger), whose `others` is the value of all others.
    """
    return csv_text(ANNOTATOR_COLUMNS, _annotator_rows(result, tables))


def _annotator_rows(result: Agreement, tables: Tables) -> Iterator[list[object]]:
    order = {name: k for k, name in enumerate(result.annotators)}
    for name in result.annotators:
        for pair in result.pairs:
            if name in (pair.a, pair.b):
                score = pair.scores[result.leading]
                other = pair.b if pair.a == name else pair.a
                yield [name, "", result.leading, *_ends(score), other, pair.clusters, "", ""]
    biases = reported_biases(result, tables)
    for bias in sorted(biases, key=lambda bias: (order[bias.annotator], bias.category, BIAS_KINDS.index(bias.kind))):
        others = csv_number(bias.others) if bias.kind != "offset" else ""
        tested = math.isfinite(bias.p)
        yield [
            *(bias.annotator, bias.category, bias.kind, *_ends(bias.value), others, bias.value.n),
            *(csv_number(bias.p), ("yes" if bias.stands else "no") if tested else ""),
        ]


def _ends(value: Score) -> list[str]:
    return [csv_number(number) for number in (value.value, value.low, value.high)]
