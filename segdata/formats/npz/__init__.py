"""Probabilities of classes in NumPy archives, and the segments that they make."""
