"""Street scenes: Cityscapes, KITTI and Mapillary Vistas, whose masks hold ids of labels and numbers of instances."""
