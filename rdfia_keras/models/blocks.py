"""A network of 3x3 blocks in the style of cifar10-airbench (Jordan 2024, arXiv 2404.00498), and its first layer."""

import keras
import numpy as np
from keras import layers

from rdfia_keras.config import CnnConfig
from rdfia_keras.models.augmentation import PACKAGE
from rdfia_keras.models.normalization import batch_normalization
from rdfia_keras.models.pytorch_defaults import Dirac

# Filters of the three blocks.
WIDTHS = {"blocks": (64, 128, 128), "wide-blocks": (64, 192, 192)}
# The outputs are divided by it: with weights drawn as usual, and Dirac kernels above all, they begin too large.
OUTPUT_SCALE = 1 / 9
# Of which the whitening convolution takes the patches.
PATCH_IMAGES = 5000


def blocks(x: keras.KerasTensor, n_y: int, config: CnnConfig) -> keras.KerasTensor:
    """Apply a 2x2 convolution, three blocks of two 3x3 convolutions, and a linear layer without bias.

    0.57 million weights with the widths 64, 128, 128 on 32x32x3 and 10 classes, 1.16 million with 64, 192, 192.
    """
    policy, activation = config.precision, config.activation
    first = WhiteningConv2D if config.whitening_conv else layers.Conv2D
    x = first(8 * x.shape[-1], 2, dtype=policy, name="conv0")(x)
    x = layers.Activation(activation, dtype=policy, name="activation0")(x)
    arguments = {"padding": "same", "use_bias": not config.batch_norm, "dtype": policy}
    arguments |= {"kernel_initializer": Dirac()} if config.dirac else {}
    for block, filters in enumerate(WIDTHS[config.network], start=1):
        for place in ("a", "b"):
            x = layers.Conv2D(filters, 3, name=f"conv{block}{place}", **arguments)(x)
            if place == "a":
                x = layers.MaxPooling2D(2, dtype=policy, name=f"pool{block}")(x)
            if config.batch_norm:
                x = batch_normalization(config, f"batch_norm{block}{place}")(x)
            x = layers.Activation(activation, dtype=policy, name=f"activation{block}{place}")(x)
    x = layers.GlobalMaxPooling2D(dtype=policy, name="pool4")(x)
    if config.dropout_rate:
        x = layers.Dropout(config.dropout_rate, seed=config.seed, dtype=policy, name="dropout")(x)
    x = layers.Dense(n_y, use_bias=False, dtype="float32", name="fc5")(x)
    return layers.Rescaling(OUTPUT_SCALE, dtype="float32", name="output_scale")(x)


@keras.saving.register_keras_serializable(PACKAGE)
class WhiteningConv2D(layers.Conv2D):
    """Convolution whose kernels whiten the patches of the training images, and are not trained.

    The kernels are the eigenvectors of the patches' covariance, each divided by the root of its variance, and their
    negatives: of 2x2 patches of three channels 12 and 12. Of centred patches the first half of the outputs has the
    identity as covariance, up to `epsilon`. The biases are trained. Source: Page 2019, "How to train your ResNet";
    Jordan 2024, section 3.1.

    Args:
        filters: Twice the number of values in a patch.
        kernel_size: Height and width of a patch.
        epsilon: Added to the variances.

    Example:
        >>> conv = WhiteningConv2D(24, 2)
        >>> conv.build((None, 32, 32, 3))
        >>> conv.adapt(images)
    """

    def __init__(self, filters, kernel_size, epsilon: float = 5e-4, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Make the kernels, which `adapt` fills."""
        super().build(input_shape)
        self._kernel.trainable = False

    def adapt(self, images: np.ndarray) -> None:
        """Take the principal axes of the patches of images (N, H, W, C): what the layer will get in training.

        Raises:
            ValueError: If the layer has not twice as many filters as a patch has values.
        """
        height, width = self.kernel_size
        patches = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
        # (N, H', W', C, h, w) -> one patch a row, ordered as a kernel is.
        patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, height * width * images.shape[-1])
        if self.filters != 2 * patches.shape[1]:
            raise ValueError(f"patches of {patches.shape[1]} values need {2 * patches.shape[1]} filters")
        variances, vectors = np.linalg.eigh(np.cov(patches, rowvar=False, dtype=np.float64))
        scaled = (vectors / np.sqrt(variances + self.epsilon))[:, ::-1]
        self._kernel.assign(np.concatenate([scaled, -scaled], axis=1).reshape(self._kernel.shape))

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "epsilon": self.epsilon}
