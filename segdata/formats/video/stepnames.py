"""STEP's names and numbers, for its reader and its writer."""

MAPS = "panoptic_maps"
SPLITS = ("train", "val", "test")
LAST_TRACK = 65_535
