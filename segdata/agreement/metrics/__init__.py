"""Metrics of agreement: one pure function a file, over plain numpy arrays."""
