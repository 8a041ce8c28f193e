"""What `info` prints to be pasted into training: weights of categories, and statistics of channels."""

from collections.abc import Iterator, Sequence

from segdata.measure.summary import Summary
from segdata.measure.training_statistics import EFFECTIVE_BETA, ChannelStatistics
from segdata.report.paper import Paper

_WEIGHTS = {
    "weight": "inverse square root of the frequency",
    "weight_inverse": "inverse frequency",
    "weight_median": "median frequency",
    "weight_effective": f"effective number of samples, beta {EFFECTIVE_BETA}",
}


def weights(summary: Summary, paper: Paper) -> Iterator[str]:
    """Each sort of weights as a dictionary of Python, void left out; exact to six digits."""
    rows = summary.categories[summary.categories["kind"] != "void"]
    for name, what in _WEIGHTS.items():
        yield paper.paint(f"# {what}", "dim")
        pairs = zip(rows["name"].tolist(), rows[name].tolist(), strict=True)
        words = [f"{category!r}: {weight:.6g}," for category, weight in pairs]
        yield from paper.wrap([f"{name} = {{", *words, "}"], "", "    ")


def channels(found: Sequence[ChannelStatistics], unread: int, paper: Paper) -> Iterator[str]:
    """Mean and standard deviation of the channels of each sort of image, of values in [0, 1]."""
    for each in found:
        scaled = "" if each.top == 1 else f", divided by {each.top:,.0f}"
        images = f"{each.n_images:,} {'image' if each.n_images == 1 else 'images'}"
        yield paper.paint(f"# {images} of {len(each.mean)} x {each.dtype}{scaled}", "dim")
        for name, values in (("mean", each.mean), ("std", each.std)):
            words = [f"{value / each.top:.6f}," for value in values]
            yield from paper.wrap([f"{name} = [", *words[:-1], words[-1].rstrip(",") + "]"], "", "    ")
    if unread or not found:
        yield from paper.wrap(f"{unread:,} images without a file that can be read", style="dim")
