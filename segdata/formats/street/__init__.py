"""Street scenes: Cityscapes, KITTI and Mapillary Vistas. Their masks hold label ids and instance numbers."""
