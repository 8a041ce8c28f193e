"""PASCAL VOC: masks of classes and of objects, lists of images, and an XML file of boxes for each image."""
