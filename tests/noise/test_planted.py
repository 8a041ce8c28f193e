"""Planted errors come out on top where a network was trained, on the labels with these very errors."""

from pathlib import Path

import numpy as np
import pytest

from segdata.noise.evaluation import auroc
from segdata.noise.given import Given
from segdata.noise.injection import Rates, labels, spoiled
from segdata.noise.mistakes import Mistakes
from segdata.noise.out_of_fold import out_of_fold
from segdata.noise.scores import look, suspicions
from segdata.noise.settings import Settings
from segdata.noise.witness import Trained
from segdata.testing.noise import noisy
