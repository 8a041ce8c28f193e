"""Street scenes: Cityscapes, KITTI and Mapillary Vistas, whose masks hold label ids and instance numbers."""
