"""SEG219 provisional-taxonomy: nothing says what the values of the masks mean."""

from segdata.core.rule import Findings, Tables, rule
from segdata.rules.shared import reader_findings


@rule("SEG219", "provisional-taxonomy", severity="info", needs=())
def provisional_taxonomy(tables: Tables) -> Findings:
    """Nothing says what the values of the masks mean, so segdata guesses it from the values.

    Example:
        no taxonomy: the 12 values are read as the categories background, category_1 … category_11

    You get this finding if masks come without `taxonomy.yaml`, a colour table, or `instance_ids` in `segdata.yaml`:

    - Each grey value, palette index or colour is a category. 255 beside small ids is void.
    - 0 and 255, or 0 and 1, are a binary mask: foreground, and 0 is not labelled. Greys between the two are cut at half
      (SEG010).
    - Values of 16 bits are instances of one category, or category * 1000 + number if they look like that.
    - Class masks as of PASCAL VOC have VOC's 20 classes, if no file names others.
    - A value that has a few pixels in one of many masks is no category: SEG009 reports it as a warning.

    Not flagged: masks with a taxonomy, and formats that say what their values mean.

    Why: a guess is enough to look at shapes, gaps and files. It cannot know a forgotten category, a wrong id, or which
    categories may touch, so rules about the taxonomy see less.

    Remedy: `segdata init DATA` writes the guess into taxonomy.yaml, and what else it needs into segdata.yaml. Give the
    categories their names, and validate again. For the classes of a well-known dataset use `--read-option
    preset=camvid11`, or another that `segdata formats colour-masks` lists.
    """
    yield from reader_findings(tables, "SEG219")
