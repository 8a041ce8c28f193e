"""DAVIS' names of folders and files."""

MASKS = ("Annotations", "Annotations_unsupervised")
IMAGES, SETS, META = "JPEGImages", "ImageSets", "meta.json"
SIZES = ("480p", "1080p", "Full-Resolution")
