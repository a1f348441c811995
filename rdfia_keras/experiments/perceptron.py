"""Part 2.1: the perceptron on the circles."""

from rdfia_keras.config import MlpConfig
from rdfia_keras.experiments.base import declare, on

CIRCLES = declare("circles", MlpConfig(), figure=1, question="2.1", published=0.94, published_at_end=True)
LR_2 = on(CIRCLES, "lr-2", {"lr": 2.0}, figure=2, question="2.1", comment="pretty good scores, very unstable")
BATCH_1 = on(CIRCLES, "batch-1", {"batch_size": 1}, figure=3, question="2.1", comment="very fast, pretty unstable")
BATCH_50 = on(CIRCLES, "batch-50", {"batch_size": 50}, figure=3, question="2.1", comment="takes very long to converge")
