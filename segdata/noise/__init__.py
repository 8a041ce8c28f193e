"""Noise: which labels are suspect, told by networks that did not see them."""
