"""Annotation tools: CVAT, Label Studio, LabelMe, Supervisely and VIA, whose files have one entry for each shape."""
