"""DICOM: series of slices, segmentations and structure sets."""
