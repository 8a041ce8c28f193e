"""Noise: find probable label errors with networks that were not trained on the labels that they judge."""
