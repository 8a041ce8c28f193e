# The compiled kernels have the signatures of their plain twins; a test compares the two.
from segdata.core.kernels._plain import *  # noqa: F403
