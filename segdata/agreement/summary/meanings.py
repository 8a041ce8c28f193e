"""Meanings: the scores of agreement, and what each is in a sentence."""

MEANS = {
    "iou": "IoU: shared pixels over pixels of either; mean by image, then category",
    "dice": "Dice: twice the shared pixels over the pixels of both; mean by image, then category",
    "boundary_iou": "IoU of the bands inside the boundaries; mean by image, then category",
    "nsd": "normalised surface Dice: the share of the boundaries within the tolerance; mean by image, then category",
    "hd95": "95th percentile of the distances between boundaries, in px or mm; mean by image, then category",
    "assd": "average symmetric surface distance, in px or mm; mean by image, then category",
    "offset_size": "by how many px one draws larger than the other, whoever; mean by image, then category",
    "count_gap": "by how many segments the counts of things differ; mean by image, then category",
}
SIGNED = {  # these say who, and nothing where it is not said who is A
    "offset": "by how many px B draws larger than A; mean by image, then category",
    "count_difference": "by how many segments B counts more things than A; mean by image, then category",
}
RATIOS = {
    "iou_micro": "IoU of the pixels of all images; mean by category",
    "dice_micro": "Dice of the pixels of all images; mean by category",
    "pq": "panoptic quality of all images; mean by category",
    "sq": "segmentation quality of all images: the mean IoU of matched segments; mean by category",
    "rq": "recognition quality of all images: F1 of segments; mean by category",
    "f1": "F1 of things matched with an IoU above 0.5, of all images and categories",
    "kappa": "Cohen's kappa of all pixels, unlabelled is a label; of a category: against the rest",
}
OF_ONE = {
    "prevalence": "the share of all pixels that an annotator gives the category; where it is near 0 or 1, kappa "
    "is low for as many differing pixels",
}
WHOLE = {"accuracy": "the share of pixels to which both give the same category, or none"}
RELIABILITY = {
    "fleiss_kappa": "Fleiss' kappa of all annotators' pixels; undefined where their number varies",
    "alpha": "Krippendorff's alpha, nominal, of all annotators' pixels, unlabelled is a label",
    "instance_alpha": "Krippendorff's alpha, nominal, of what annotators call a thing, or that there is none",
}
OF_CATEGORIES = {**MEANS, **RATIOS, **OF_ONE}
OF_PAIRS = {**MEANS, **RATIOS, **WHOLE, **SIGNED}
OF_ALL = {**MEANS, **RATIOS, **WHOLE, **RELIABILITY}
