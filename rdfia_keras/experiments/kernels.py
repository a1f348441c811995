"""Part 2.2: support vector machines on the circles."""

from rdfia_keras.config import SvmConfig
from rdfia_keras.experiments.base import declare

SVM_KERNELS = declare("kernels", SvmConfig(), figure=4, question="2.2", published=0.955)
