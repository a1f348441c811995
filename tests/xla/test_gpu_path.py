"""What a GPU would run, tried on a CPU: every graph compiled by XLA, and a GPU kernel for every operation without it.

TensorFlow's Linux wheel has the GPU's kernels and XLA, though no GPU is there to run them. It cannot show what cuDNN
chooses, memory, speed, or a driver that does not fit.
"""

import os
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from rdfia_keras import config
from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.experiments.registry import MODERN_94, MODERN_FAST, describe
from rdfia_keras.models.augmentation import LAYERS, Augmentation
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.normalization import BatchNormalization
from rdfia_keras.models.warping import inverse, project, rectangle_to
from rdfia_keras.models.whitening import Whitening
from rdfia_keras.training.fit import compile_model, what_xla_compiles

RNG = np.random.default_rng(0)
SIZE = 20
IMAGES = RNG.integers(0, 256, (8, SIZE, SIZE, 3)).astype(np.uint8)
LABELS = np.arange(8) % 10
# Every layer, network, optimizer and precision once, with as few compilations as that takes; `make xla ALL=1` compiles
# every experiment by itself, in every precision.
GRAPHS = [
    CnnConfig(network="dense", augmentations=config.AUGMENTATIONS),
    *(CnnConfig(network="dense", whitening=name) for name in config.WHITENINGS),
    *(CnnConfig(network="dense", optimizer=name) for name in config.OPTIMIZERS),
    CnnConfig(network="lenet", dropout_rate=0.5, precision="mixed_float16"),
    CnnConfig(augmentations=("crop", "flip"), dropout_rate=0.5, batch_norm=True),
    *(replace(step.config, precision="mixed_bfloat16") for step in (MODERN_FAST, MODERN_94)),
]
if os.environ.get("RDFIA_ALL_GRAPHS"):
    GRAPHS = [
        *GRAPHS,
        *(CnnConfig(network="dense", augmentations=(name,)) for name in config.AUGMENTATIONS),
        *(
            replace(experiment.config, precision=precision, dataset="cifar10")
            for experiment in REGISTRY.values()
            if experiment.section == "cnn"
            for precision in config.PRECISIONS
        ),
    ]


def words(graph: CnnConfig) -> str:
    return f"{describe(graph)}-{graph.precision}"


def built(graph: CnnConfig) -> keras.Model:
    split = Split(IMAGES, LABELS)
    data = Dataset("made", split, split, tuple("0123456789"))
    model = build_convnet(graph.resolve(), data)
    compile_model(model, graph.resolve(), data)
    return model


def test_every_registered_convnet_has_its_parts_among_the_graphs():
    parts = {"network", "optimizer", "whitening", "batch_norm"}
    seen = {(name, getattr(graph, name)) for graph in GRAPHS for name in parts}
    names = {name for graph in GRAPHS for name in graph.augmentations}
    for experiment in REGISTRY.values():
        if experiment.section == "cnn":
            assert {(name, getattr(experiment.config, name)) for name in parts} <= seen
            assert set(experiment.config.augmentations) <= names


@pytest.mark.parametrize("graph", GRAPHS, ids=words)
def test_training_evaluation_and_prediction_are_compiled_by_xla_and_run(graph):
    model = built(replace(graph, xla="on"))
    assert model.jit_compile is True
    before = [np.array(weight) for weight in model.trainable_weights]
    logs = model.train_on_batch(IMAGES, LABELS, return_dict=True)
    assert np.isfinite(float(logs["loss"]))
    changed = any((np.array(now) != old).any() for now, old in zip(model.trainable_weights, before, strict=True))
    # The first steps of float16 are skipped while the loss scale comes down.
    assert changed or graph.precision == "mixed_float16"
    if graph.optimizer == "sgd":  # The others evaluate and predict with the same graphs.
        assert np.isfinite(float(model.test_on_batch(IMAGES, LABELS, return_dict=True)["loss"]))
        assert model.predict_on_batch(IMAGES).shape == (8, 10)


def traced_step(graph: CnnConfig):
    """A training step as TensorFlow runs it without XLA."""
    model = built(replace(graph, xla="off"))
    step = tf.function(lambda x, y: model.train_step((x, y)))
    return step.get_concrete_function(tf.TensorSpec((None, 20, 20, 3), "uint8"), tf.TensorSpec((None,), "int64"))


def nodes(graph: CnnConfig):
    """Every operation of a traced training step, those of its function library included."""
    definition = traced_step(graph).graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def has_gpu_kernel(node) -> bool:
    kernels = get_registered_kernels_for_op(node.op).kernel
    for kernel in kernels:
        if kernel.device_type in ("GPU", "DEFAULT") and all(
            node.attr[rule.name].type in rule.allowed_values.list.type for rule in kernel.constraint
        ):
            return True
    # Calls, arguments and the like are no kernels of their own.
    return not kernels


# A shape, a count or the text of an error: the host is where it belongs.
ON_THE_HOST = {"Assert", "AssertCardinalityDataset"}


@pytest.mark.parametrize("graph", GRAPHS, ids=words)
def test_every_operation_has_a_gpu_kernel_for_its_type(graph):
    missing = {
        (node.op, tf.as_dtype(node.attr["T"].type or node.attr["Tparams"].type or 1).name)
        for node in nodes(graph)
        if node.op not in ON_THE_HOST and not has_gpu_kernel(node)
    }
    assert not missing


@pytest.mark.parametrize("name", ["crop", "affine", "perspective"])
def test_no_index_map_is_computed_on_the_host(name):
    """TensorFlow keeps the operands of int32 arithmetic of a GPU in host memory: a map of (N, H, W) is too much."""
    graph = traced_step(CnnConfig(network="dense", augmentations=(name,))).graph
    arithmetic = [op for op in graph.get_operations() if op.type in ("AddV2", "Mul", "Sub", "Maximum", "Minimum")]
    maps = [tensor for op in arithmetic for tensor in op.outputs if tensor.shape.rank == 3]
    assert {tensor.dtype.name for tensor in maps} >= {"int64"}
    assert "int32" not in {tensor.dtype.name for tensor in maps}


@pytest.mark.parametrize("name", config.AUGMENTATIONS)
def test_a_layer_draws_and_gives_the_same_with_and_without_xla(name):
    results = []
    for compiled in (True, False):
        augmentation = Augmentation.from_names((name,), SIZE, seed=3)
        augmentation.jit_compile = compiled
        step = tf.function(lambda images, layer=augmentation: layer(images, training=True))
        results.append([np.array(step(IMAGES), np.float32) for _ in range(2)])
        assert compiled == any(
            op.type == "StatefulPartitionedCall" for op in step.get_concrete_function(IMAGES).graph.get_operations()
        )
    for with_xla, without in zip(*results, strict=True):
        np.testing.assert_allclose(with_xla, without, atol=0.255)
    # A batch has random numbers of its own; a flip that alternates goes by the epoch.
    assert np.array_equal(*results[0]) == (name == "alternating-flip")


def test_random_numbers_are_kerass():
    """Layers draw what they drew when the reference results were trained."""
    layer, seed = LAYERS["hue"](SIZE, 5), keras.random.SeedGenerator(5)
    for low, high in ((0, 1), (-0.3, 0.3), (0.5, 1.5), (-30, 30)):
        expected = keras.random.uniform((500,), low, high, seed=seed)
        np.testing.assert_array_equal(layer.uniform((500,), low, high), expected)


@pytest.mark.parametrize(("name", "mode"), [("flip", "horizontal"), ("vertical-flip", "vertical")])
def test_flips_are_kerass(name, mode):
    layer, keras_layer = LAYERS[name](SIZE, 5), keras.layers.RandomFlip(mode, seed=5)
    for _ in range(3):
        np.testing.assert_array_equal(layer(IMAGES, training=True), keras_layer(IMAGES, training=True))


def test_a_step_compiles_its_augmentation_on_a_cpu_unless_xla_is_off():
    for xla, compiled in (("auto", "the augmentation"), ("off", "nothing"), ("on", "the whole step")):
        assert what_xla_compiles(built(CnnConfig(network="dense", augmentations=("flip",), xla=xla))) == compiled
    assert what_xla_compiles(built(CnnConfig(network="dense"))) == "nothing"


def test_one_step_gives_the_same_with_and_without_xla():
    """Compiled as a whole, but for the augmentation not at all, and not at all."""
    weights = []
    for xla in ("on", "auto", "off"):
        model = built(CnnConfig(augmentations=("crop", "flip"), batch_norm=True, lr=0.01, xla=xla))
        model.train_on_batch(IMAGES, LABELS)
        weights.append([np.array(weight) for weight in model.weights])
    for whole, partly, plain in zip(*weights, strict=True):
        np.testing.assert_allclose(whole, plain, atol=1e-4)
        np.testing.assert_allclose(partly, plain, atol=1e-4)


def random_matrices(count):
    """Affine maps about the centre of images of 20 pixels, as Keras's eight numbers."""
    rng = np.random.default_rng(1)
    turn = np.array([1, 0, 0, 0, 1, 0, 0, 0]) + rng.uniform(-0.3, 0.3, (count, 8)) * [1, 1, 15, 1, 1, 15, 0, 0]
    return turn.astype(np.float32)


def test_affine_maps_are_kerass():
    images, flat = IMAGES.astype(np.float32), random_matrices(8)
    rows = [[flat[:, 3 * i + j] if 3 * i + j < 8 else np.ones(8, np.float32) for j in range(3)] for i in range(3)]
    expected = ops.image.affine_transform(images, flat, data_format="channels_last")
    np.testing.assert_allclose(project(images, rows), expected, atol=0.255)


def test_perspective_is_kerass():
    images = IMAGES.astype(np.float32)
    corners = np.array([[0, 0], [19, 0], [0, 19], [19, 19]], np.float32)
    moved = corners + RNG.uniform(-4, 4, (8, 4, 2)).astype(np.float32)
    start = np.broadcast_to(corners, moved.shape).copy()
    expected = ops.image.perspective_transform(images, start, moved, data_format="channels_last")
    np.testing.assert_allclose(project(images, inverse(rectangle_to(moved, 19, 19))), expected, atol=0.255)


# One that changes the size, one that moves pixels, and one of colours: what is common to all is their base class's.
KINDS = ("crop", "affine", "hue")


@pytest.mark.parametrize("name", KINDS)
def test_a_single_image_and_a_pipeline_of_tf_data_are_taken(name):
    layer = LAYERS[name](20, 3)
    single = layer(IMAGES[0], training=True)
    assert single.shape == layer(IMAGES[:1], training=True).shape[1:]
    np.testing.assert_array_equal(layer(IMAGES[0], training=False), layer(IMAGES[:1], training=False)[0])
    mapped = tf.data.Dataset.from_tensor_slices(IMAGES).map(lambda image: layer(image, training=True))
    assert sum(image.shape == single.shape for image in mapped) == len(IMAGES)


@pytest.mark.parametrize("name", KINDS)
def test_kerass_own_test_of_layers_passes(name):
    from keras.src.testing import TestCase

    layer = LAYERS[name](20, 3)
    settings = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable", "dtype")}
    TestCase().run_layer_test(
        type(layer),
        init_kwargs=settings,
        input_data=IMAGES.astype(np.float32),
        expected_output_shape=layer.compute_output_shape(IMAGES.shape),
        expected_num_seed_generators=1,
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=0,
        supports_masking=False,
    )


def test_kerass_own_test_of_layers_passes_for_whitening():
    from keras.src.testing import TestCase

    TestCase().run_layer_test(
        Whitening,
        init_kwargs={"kind": "zca", "epsilon": 0.01},
        input_data=IMAGES[:, :6, :6].astype(np.float32),
        expected_output_shape=(8, 6, 6, 3),
        expected_num_trainable_weights=0,
        expected_num_non_trainable_weights=2,
        supports_masking=False,
    )


# --- the fused batch normalization


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.05)])
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}, {"axis": 1, "momentum": 0.6}], ids=str)
def test_fused_batch_normalization_is_kerass(settings, precision, tolerance):
    x = RNG.normal(1, 2, (4, 16, 7, 16)).astype(np.float32)
    results = []
    for kind in (keras.layers.BatchNormalization, BatchNormalization):
        layer = keras.layers.deserialize(keras.layers.serialize(kind(dtype=precision, **settings)))
        assert type(layer) is kind
        layer.build(x.shape)
        for weight, ends in zip(layer.trainable_weights, ((0.5, 2), (-1, 1)), strict=False):
            weight.assign(np.linspace(*ends, 16))
        with tf.GradientTape() as tape:
            variable = tf.Variable(x)
            loss = tf.reduce_sum(tf.cast(layer(variable, training=True), "float32") ** 3)
        gradients = tape.gradient(loss, [variable, *(weight.value for weight in layer.trainable_weights)])
        results.append([layer.moving_variance, layer.moving_mean, layer(x, training=False), *gradients])
    for tensors in zip(*results, strict=True):
        expected, fused = (np.array(tensor, np.float32) for tensor in tensors)
        np.testing.assert_allclose(expected, fused, atol=tolerance * np.abs(expected).max())
    # The kernel's own variance is 448 / 447 times Keras's: as large a difference as that is noticed.
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4)
