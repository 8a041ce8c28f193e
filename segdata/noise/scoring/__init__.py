"""From evidence to the probability that a label is wrong, and how far that is to be trusted."""
