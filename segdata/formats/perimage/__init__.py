"""Datasets that keep the labels of each image by themselves: in a mask, in a file, in a record of a document."""
