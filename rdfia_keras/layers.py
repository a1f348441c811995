"""Keras layers of our own, registered so that a saved model loads again."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("rdfia_keras")
class RandomCrop(keras.layers.Layer):
    """Cut a window out of each image: at a place of its own in training, in the centre in evaluation (question 22).

    `keras.layers.RandomCrop` cuts a whole batch at one place, which is a much weaker augmentation.

    Input (N, H, W, C), output (N, size, size, C), same dtype.

    Args:
        size: Height and width of the window, in pixels; at most H and W.
        seed: Seed of the places.

    Raises:
        ValueError: When the window is larger than the images.
    """

    def __init__(self, size: int, seed: int | None = None, **kwargs):
        # Pixels are only moved: whole numbers stay whole numbers.
        super().__init__(autocast=False, **kwargs)
        self.size = size
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        slack = [images.shape[axis] - self.size for axis in (1, 2)]
        if min(slack) < 0:
            raise ValueError(f"cannot cut {self.size}x{self.size} out of images of shape {images.shape[1:]}")
        if not training:
            top, left = slack[0] // 2, slack[1] // 2
            return images[:, top : top + self.size, left : left + self.size]
        count, (height, width, channels) = ops.shape(images)[0], images.shape[1:]
        top, left = (keras.random.randint((count, 1, 1), 0, most + 1, seed=self.seed_generator) for most in slack)
        window = ops.arange(self.size, dtype="int32")
        rows, columns = top + window[None, :, None], left + window[None, None, :]
        number = ops.arange(count, dtype="int32")[:, None, None]
        # One gather of whole pixels from a flat list: ten times faster than rows first and columns then.
        return ops.take(ops.reshape(images, (-1, channels)), (number * height + rows) * width + columns, axis=0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[3])

    def compute_output_spec(self, images, training=False):
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=images.dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "seed": self.seed}
