"""Believable sample data with known truth: streets, their labels, annotators, defects and noise.

>>> from segdata.sample import make
>>> make("/tmp/does-not-matter", only=("colour",))
Traceback (most recent call last):
ValueError: unknown parts ['colour']: choose among clean, annotators, video, defects, noise
"""

from segdata.sample.dataset import PARTS, Truth, make

__all__ = ["PARTS", "Truth", "make"]
