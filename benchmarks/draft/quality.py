"""How near drafts come to given labels: panoptic quality of objects, Dice of what is one category.

python -m benchmarks.draft.quality DATA [SET ...], where DATA is the folder with the real datasets
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import segdata

SETS = {
    "gbm40_nuclei": ("gbm40_nuclei/images", "gbm40_nuclei/instances.json", "nucleus"),
    "supervisely_lemons": ("supervisely_lemons/ds1/img", "supervisely_lemons", "lemon"),
    "via_kudzu": ("via_kudzu/val", "via_kudzu/val", "region"),
}
TRIED: tuple[tuple[str, dict[str, str | int | float]], ...] = (
    ("threshold", {}),
    ("watershed", {}),
    ("watershed", {"waist": 0.1}),
    ("watershed", {"waist": 0.5}),
    ("watershed", {"smooth": 0}),
    ("watershed", {"smooth": 2}),
    ("watershed", {"smooth": 2, "window": 101}),
    ("superpixels", {}),
)


def rows(data: Path, name: str) -> Iterator[str]:
    """A line of the table for each method on one set."""
    images, labels, category = SETS[name]
    for method, options in TRIED:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "draft"
            found = segdata.draft(data / images, out, method=method, category=category, options=options)
            pair = segdata.agree({"given": data / labels, "draft": out}, pair_by="name", resamples=100).pairs[0]
            told = " ".join(f"{key}={value}" for key, value in options.items()) or "as it is"
            figures = [f"{pair.scores[each].value:.3f}" for each in ("pq", "sq", "rq", "dice")]
            yield f"| {name} | {method} | {told} | {found.written.n_segments:,} | {' | '.join(figures)} |"


def main() -> None:
    """Print the table."""
    data, chosen = Path(sys.argv[1]), sys.argv[2:] or list(SETS)
    print("| set | method | options | segments | PQ | SQ | RQ | Dice |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name in chosen:
        for row in rows(data, name):
            print(row, flush=True)


if __name__ == "__main__":
    main()
