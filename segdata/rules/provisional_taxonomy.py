"""SEG219 provisional-taxonomy: nothing says what the values of the masks mean."""

import numpy as np

from segdata.core.finding import RowFinding
from segdata.core.reductions import leading, sum_by, total
from segdata.core.rule import Findings, Tables, rule
from segdata.core.taxonomy import PALETTE_GREYS
from segdata.rules.shared import reader_findings

_FIRST_GREYS = (38, 75)  # of the classes or objects 1 and 2
_OTHER = -1  # any other value


@rule("SEG219", "provisional-taxonomy", severity="info", needs=(), by_part=True)
def provisional_taxonomy(tables: Tables) -> Findings:
    """Nothing says what the values of the masks mean, so segdata guesses it from the values.

    Example:
        no taxonomy: the 12 values are read as the categories background, category_1 … category_11
        the values 38, 75, 113 are the greys of the first colours of VOC's palette (warning)

    You get this finding if masks come without `taxonomy.yaml`, a colour table, or `instance_ids` in `segdata.yaml`:

    - Each grey value, palette index or colour is a category. 255 beside small ids is void.
    - 0 and 255, or 0 and 1, are a binary mask: foreground, and 0 is not labelled. Greys between the two are cut at half
      (SEG010).
    - Values of 16 bits are instances of one category, or category * 1000 + number if they look like that.
    - Class masks as of PASCAL VOC have VOC's 20 classes, if no file names others.
    - A value that has a few pixels in one of many masks is no category: SEG009 reports it as a warning.

    If all values of masks, or all numbers of objects in videos, are greys of the first colours of VOC's and DAVIS'
    palette, 38 and 75 among them, that is a warning: masks with a palette were converted to grey.

    Not flagged: masks with a taxonomy, and formats that say what their values mean.

    Why: a guess is enough to look at shapes, gaps and files. It cannot know a forgotten category, a wrong id, or which
    categories may touch, so rules about the taxonomy see less.

    Remedy: `segdata init DATA` writes the guess into taxonomy.yaml, and what else it needs into segdata.yaml. Give the
    categories their names, and validate again. For the classes of a well-known dataset use `--read-option
    preset=camvid11`, or another that `segdata formats colour-masks` lists.
    """
    provisional = [*reader_findings(tables, "SEG219")]
    yield from provisional
    segments = tables.segments
    has_track = ~segments.missing("track_id")
    n = total(tables, provisional=len(provisional), tracks=int(has_track.sum()))
    if n["provisional"] or n["tracks"]:
        values = segments["track_id"][has_track] if n["tracks"] else segments["category_id"]
        values = values[values > 0].astype(np.int64)
        # All that are no greys are one to this rule, so that other parts send few.
        values = np.where(np.isin(values, PALETTE_GREYS), values, _OTHER)
        used = sum_by(tables, {"value": values}, {})["value"]
        is_grey = np.isin(_FIRST_GREYS, used).all() and np.isin(used, PALETTE_GREYS).all()
        if is_grey and leading(tables) is not None:
            shown = ", ".join(str(value) for value in used.tolist())
            message = (
                f"the values {shown} are the greys of the first colours of VOC's and DAVIS' palette: masks with a "
                "palette were converted to grey; read them as indices (mode P), not as L or with OpenCV"
            )
            yield RowFinding(message, severity="warning")
