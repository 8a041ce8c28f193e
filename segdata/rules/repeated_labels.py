"""SEG315 repeated-labels: two different images have the same labels, pixel by pixel."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.frame_sequences import SequenceIndex
from segdata.core.rule import Findings, Tables, rule
from segdata.core.runs import Flags, Ints
from segdata.core.strata import number_names
from segdata.measure.tables.duplicates import MOST_BITS

_BOX = 0.95  # of its box a segment fills if it is one


@rule(
    "SEG315", "repeated-labels", severity="warning", needs=("imprints", "shapes", "copies"), whole=True, habit="image"
)
def repeated_labels(tables: Tables, *, min_edge: int = 200, max_alike: float = 0.1) -> Findings:
    """Two different images have the same labels, pixel by pixel.

    Example:
        the labels are those of 0016E5_08109.png, pixel by pixel, and the image is another

    The rule compares categories and pixels of whole annotations of different images. It leaves out what can be the same
    by chance or on purpose: boxes, filled images and labels with a short outline; copies of one image, saved again or
    not (split-leak and conflicting-duplicates judge these); and neighbouring frames or slices of one sequence, in which
    things may stand still (frame-order judges these). If many images share their labels, as with a fixed stencil, none
    is reported.

    Why: an export loop that writes the last mask again, a tool that keeps the last image's labels, or a file copied
    under a wrong name. Nobody draws the same pixels twice.

    Remedy: look at which of the images the labels fit, and draw or restore those of the other.

    Options: `min_edge`: the least number of pixel edges of the outlines of segments that are no boxes. `max_alike`: the
    largest share of images that have another one's labels; where there are more, it is no mistake.
    Defaults: in 41 openings of public datasets nothing is flagged.
    """
    annotations, segments = tables.annotations, tables.segments
    is_shape = segments["area"] < _BOX * segments["width"] * segments["height"]
    edges = np.bincount(
        segments["annotation"], weights=np.where(is_shape, segments["perimeter"], 0), minlength=len(annotations)
    )
    rows = np.flatnonzero(edges >= min_edge)
    repeated = tables.measured["repeated_labels"]
    kept = np.isin(repeated["annotation"], rows)
    alike = (repeated["bits"] >= 0) & (repeated["bits"] <= MOST_BITS)
    pairs = np.stack([repeated["annotation"], repeated["of"]], axis=1)[kept & ~alike]
    pairs = pairs[_are_different(tables, pairs)]
    if len(pairs) > max(1, max_alike * len(rows)):
        return
    for row, other in pairs.tolist():
        name = tables.images["image_id"][annotations["image"][other]]
        yield RowFinding(f"the labels are those of {name}, pixel by pixel, and the image is another", annotation=row)


def _are_different(tables: Tables, pairs: Ints) -> Flags:
    """(n,) whether two annotations (n, 2) are of different images that are no neighbours in a sequence."""
    index, image = SequenceIndex.of(tables), tables.annotations["image"]
    content = number_names(tables.images.texts("content"))[1]
    one, other = image[pairs[:, 0]], image[pairs[:, 1]]
    is_copy = (content[one] == content[other]) & (content[one] >= 0)
    neighbours = (index.sequence[pairs[:, 0]] == index.sequence[pairs[:, 1]]) & (index.sequence[pairs[:, 0]] >= 0)
    for k in np.flatnonzero(neighbours).tolist():
        place, before = index.place[pairs[k]].tolist()
        between = index.sequences[index.sequence[pairs[k, 0]]].annotation[before : place + 1]
        codes = {tables.annotations.cell("imprint", row) for row in between.tolist()}
        neighbours[k] = len(codes) == 1
    return np.asarray(~is_copy & ~neighbours, bool)
