"""YOLO segmentation labels: a text file for each image, a ring in a line."""
