"""Agreement: scores of annotators with intervals, their biases and disagreements, and their consensus."""
