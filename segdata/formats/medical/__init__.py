"""Volumes of medicine: NIfTI files and DICOM objects, as slices."""
