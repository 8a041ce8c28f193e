"""Options that COCO's formats share, by name, with what they mean; and what may stand in for one."""

POLYGONS = {
    "source": " (default): the source's rings where they have exactly the segment's pixels, else RLE",
    "exact": ": the same, else outlines along the pixels, holes in one keyhole ring",
    "never": ": RLE for all",
}
HOW_POLYGONS = {"polygons": "; ".join(f"{name}{meaning}" for name, meaning in POLYGONS.items())}
TRUTH = {"truth": "FILE: the JSON of the ground truth, which lists the images and categories"}
BESIDE = "image_info*.json"  # beside a list of results, in place of a ground truth
