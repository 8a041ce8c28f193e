"""SEG305 conflicting-duplicates: one image is labelled in two ways."""

import numpy as np

from segdata.core.errors import count_noun
from segdata.core.finding import RowFinding
from segdata.core.rule import Findings, Tables, rule

_NAMED = 3  # categories that a finding names


@rule("SEG305", "conflicting-duplicates", severity="error", needs=("copies", "twins"))
def conflicting_duplicates(
    tables: Tables, *, min_iou: float = 0.8, min_pixels: int = 50, max_bits: int = 16
) -> Findings:
    """The same image occurs twice, with different masks.

    Example:
        a.jpg and b.jpg are the same file; the cars of b.jpg were drawn smaller: IoU 0.71

    You get one finding for each annotation whose image repeats an earlier one, by the same annotator, where the pixels
    of a category differ. If the files are not byte-identical but look the same as in SEG304, the finding is a warning;
    frames of one sequence are then ignored, since things move there. The rule compares the pixels of categories, not
    the instances. It leaves out crowds, void, and images of different sizes.

    Why: if your model sees one image with two truths, it learns neither. The difference also shows the noise in your
    labels.

    Remedy: keep the better of the two; delete the other image, or give both the same masks.

    Options: `min_iou`: of a category's pixels in both. `min_pixels`: pixels that must differ. `max_bits`: as in SEG304.
    Defaults: 29 datasets have none; of 751 images in 16 of them one occurs twice in its dataset, with the same masks. A
    square moved by one pixel has an IoU of 0.95 at 40 px and of 0.82 at 10 px: 0.8 does not flag that.
    """
    images, alike, twins = tables.images, tables.alike, tables.twins
    union = twins["area"] + twins["other_area"] - twins["shared"]
    iou, pixels = twins["shared"] / np.maximum(union, 1), union - twins["shared"]
    sequence = images["sequence"]
    pair = twins["pair"]
    is_same_file = alike["same"][pair] == 1
    filmed = np.array([name is not None for name in sequence.tolist()], bool)[alike["image"][pair]]
    filmed &= sequence[alike["image"][pair]] == sequence[alike["of"][pair]]
    is_similar = (alike["bits"][pair] <= max_bits) & ~filmed
    differs = (iou < min_iou) & (pixels >= min_pixels) & (is_same_file | is_similar)
    conflicts = twins.beside(iou=iou, pixels=pixels, same=is_same_file).take(differs)
    for rows in conflicts.groups("annotation", "other"):
        worst = rows[np.argsort(conflicts["iou"][rows], kind="stable")]
        names = [tables.profile.name_of(int(id_)) for id_ in conflicts["category_id"][worst]]
        ious = zip(names[:_NAMED], conflicts["iou"][worst].tolist(), strict=False)
        worst_names = ", ".join(f"{name} {value:.2f}" for name, value in ious)
        other_image = images["image_id"][tables.annotations["image"][conflicts["other"][rows[0]]]]
        is_same = bool(conflicts["same"][rows[0]])
        how = "the same file as" if is_same else "nearly the same image as"
        categories = count_noun(len(rows), "category")
        message = f"{how} {other_image}, but {categories} with other pixels, IoU below {min_iou:g}: {worst_names}"
        yield RowFinding(
            message,
            annotation=int(conflicts["annotation"][rows[0]]),
            category=names[0] if len(names) == 1 else None,
            pixels=int(conflicts["pixels"][rows].sum()),
            severity=None if is_same else "warning",
        )
