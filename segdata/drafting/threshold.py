"""Threshold: what is brighter or darker than the rest; each connected part is a segment."""

from segdata.drafting.brightness import Colours, foreground
from segdata.drafting.tidy import Labels, filled, parts, without_small


def threshold(
    colours: Colours, *, polarity: str = "auto", window: int = 0, min_pixels: int = 30, max_hole: int = 30
) -> Labels:
    """(height, width) the parts of the foreground, numbered from 1; see `segdata.drafting.brightness.foreground`."""
    return without_small(parts(filled(foreground(colours, polarity, window), max_hole)), min_pixels)
