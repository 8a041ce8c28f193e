"""SEG510 unusual-label: the model does not know the dataset, and a label is unlike others of its category."""

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule


@rule("SEG510", "unusual-label", severity="info", needs=("noise",), opt_in=True)
def unusual_label(tables: Tables) -> Findings:
    """A label is unlike others of its image and category, in a dataset that the model does not know.

    Example:
        labels
        .aa....aa.
        .aa..a.aa.
        .......aa.

        the a of one pixel is unusual: its size. The model does not know this dataset, so nobody knows whether it is
        wrong

    The rule reports nothing where the networks can judge half of the labels or more; there SEG501 to SEG507 do. It uses
    no prediction: size, shape, overlap, surroundings, brightness, and how the image's edges follow the outline. The
    values must be 20 times as probable for injected errors as for the labels as given, as for all findings of `segdata
    flag`. It names what is rarest about the label: at most 5 % of the labels as given have such a value. It reports 2 %
    of the labels, and 20, at most, so nothing in a dataset of fewer than 50 labels.

    Not flagged: labels that are missing, and labels that look like all others. There is no probability, and the number
    of expected errors does not include these findings.

    Six of 46 such labels on published sets were right, so you get them only if you ask for them.

    Why: a weak network says nothing about labels, but a label that is odd is wrong more often than others.

    Remedy: look at the label. Correct it if it is wrong, reject the finding if the thing is like that.
    """
    if tables.candidates is None or tables.candidates.unusual is None:
        return
    rows, segments = tables.candidates.unusual, tables.segments
    for row in range(len(rows)):
        cell = {name: rows.cell(name, row) for name in ("annotation", "segment", "category", "pixels", "oddest")}
        x, y, width, height = (int(rows.cell(name, row)) for name in ("x", "y", "width", "height"))
        source = segments.cell("source_id", cell["segment"])
        called = f"{cell['category']} {segments.cell('segment_id', cell['segment']) if source is None else source}"
        if not rows.cell("whole", row):
            called = f"{cell['pixels']:,} px of {called}"
        oddest = f" ({cell['oddest']})" if cell["oddest"] else ""
        yield RowFinding(
            f"{called} is an unusual label{oddest}: rank {row + 1} of {count_noun(len(rows), 'unusual label')}; the "
            "model does not know this dataset, so look whether it is wrong",
            segments=(cell["segment"],),
            annotation=cell["annotation"],
            category=cell["category"],
            bbox=(x, y, width, height),
            pixels=cell["pixels"],
        )
