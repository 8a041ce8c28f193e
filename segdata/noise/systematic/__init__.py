"""What is wrong in a dataset as a whole."""
