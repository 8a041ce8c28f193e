"""NIfTI: volumes of labels, their slices, and what their values mean."""
