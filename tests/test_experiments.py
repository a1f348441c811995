"""The experiments: every figure and question of the report has one, and options find their declaration."""

import importlib
import itertools
from dataclasses import replace

import pytest

from rdfia_keras import config as declared
from rdfia_keras.analysis.catalogue import list_experiments
from rdfia_keras.analysis.explanations import EXPLANATIONS
from rdfia_keras.analysis.figures import PICTURES
from rdfia_keras.config import CnnConfig, Config, ConfigError, MlpConfig, SvmConfig, settings
from rdfia_keras.data.base import IMAGES, VECTORS
from rdfia_keras.experiments import (
    FIGURES,
    LADDER,
    REGISTRY,
    STUDIES,
    Experiment,
    Reference,
    bonus_experiments,
    declare,
    describe,
    figures_of,
    match_registered,
    on_dataset,
    same_identity,
)
from rdfia_keras.experiments.bonus import ADAM, BATCH_NORM, BLUR, DROPOUT, LR_1, MNIST_LENET, ZCA
from rdfia_keras.experiments.ladder import AUGMENT, BASELINE, BATCH_NORM_PYTORCH, DROPOUT_PYTORCH
from rdfia_keras.experiments.perceptron import CIRCLES
from rdfia_keras.models import augmentation, convnet
from rdfia_keras.models.perceptron import IMPLEMENTATIONS
from rdfia_keras.models.whitening import MATRICES
from rdfia_keras.training.optimizers import OPTIMIZERS
from rdfia_keras.training.schedules import SCHEDULES
from rdfia_keras.web.report.parts import CHARTS

CNN = [known for known in REGISTRY.values() if known.section == "cnn"]
EVERY_REGISTRY = {
    "vectors": (VECTORS, declared.VECTOR_DATASETS),
    "images": (IMAGES, declared.IMAGE_DATASETS),
    "implementations": (IMPLEMENTATIONS, declared.IMPLEMENTATIONS),
    "networks": (convnet.LAYERS, declared.NETWORKS),
    "augmentations": (augmentation.LAYERS, declared.AUGMENTATIONS),
    "whitenings": (MATRICES, declared.WHITENINGS),
    "optimizers": (OPTIMIZERS, tuple(declared.OPTIMIZERS)),
    "schedules": (SCHEDULES, declared.SCHEDULES),
    "explanations": (EXPLANATIONS, declared.EXPLANATIONS),
}


@pytest.mark.parametrize(("registry", "names"), EVERY_REGISTRY.values(), ids=EVERY_REGISTRY)
def test_everything_that_is_declared_is_implemented(registry, names):
    if registry is VECTORS or registry is IMAGES:  # A data set's module is only imported when it is asked for.
        for name in names:
            importlib.import_module(f"rdfia_keras.data.{name}")
    assert registry.missing() == ()
    assert tuple(registry) == registry.names == names
    where, _, constant = registry.declared_in.rpartition(".")
    module = importlib.import_module(f"rdfia_keras.{where}")
    assert tuple(getattr(module, constant)) == names


def test_every_figure_of_the_report_has_experiments():
    assert [key for key in FIGURES if key.isdigit()] == [str(number) for number in range(1, 24)]
    for key, figure in FIGURES.items():
        assert figure.key == key and figure.kind in PICTURES and figure.kind in CHARTS
        assert figure.panels and all(name in REGISTRY for name, _ in figure.panels)
        assert all(key in figures_of(name) for name, _ in figure.panels)
        if key.isdigit() and figure.kind != "sweep" and len(figure.panels) == 1:
            assert REGISTRY[figure.panels[0][0]].reference.figure == int(key)


def test_every_question_that_asks_for_an_experiment_has_one():
    asked = {question.strip() for row in list_experiments() for question in row["question"].split(",")}
    experiments = {"13", "15", "16", "17", "19", "21", "22", "23", "25", "26", "28", "29", "34", "2.1", "2.2"}
    computed = {"1", "4", "5", "6", "7", "8", "9", "10", "11", "12", "33", "T10", "T11", "T12", "T14"}
    assert experiments | computed <= asked


def test_published_values_are_the_reports():
    published = {name: known.reference.published for name, known in REGISTRY.items() if known.reference.published}
    assert published == {
        "circles": 0.94,
        "kernels": 0.955,
        "mnist-dense": 0.949,
        "mnist-lenet": 0.989,
        "baseline": 0.70,
        "normalize": 0.758,
        "augment": 0.80,
        "blur": 0.74,
        "schedule": 0.81,
        "adam": 0.81,
        "dropout": 0.82,
        "batch-norm": 0.85,
        "dropout-pytorch": 0.82,
        "batch-norm-pytorch": 0.85,
    }


def test_the_ladder_is_the_reports():
    assert [(e.reference.figure, e.reference.question, e.reference.published) for e in LADDER] == [
        (7, "15", 0.70),
        (11, "19", 0.758),
        (12, "22", 0.80),
        (18, "26", 0.81),
        (22, "29", 0.82),
        (23, "34", 0.85),
    ]
    assert (CIRCLES.reference.figure, MNIST_LENET.reference.figure) == (1, 6)
    assert (BASELINE.config.lr, AUGMENT.config.normalize) == (0.1, True)


def test_the_last_two_rungs_have_variants_with_kerass_defaults():
    for rung, variant in ((DROPOUT_PYTORCH, DROPOUT), (BATCH_NORM_PYTORCH, BATCH_NORM)):
        assert variant.config == replace(rung.config, framework_defaults="keras") and variant.base == rung.name
        assert replace(variant.reference, figure=rung.reference.figure) == rung.reference


def test_names_are_unique_and_no_two_experiments_are_the_same():
    assert all(name == known.name for name, known in REGISTRY.items())
    for one, other in itertools.combinations(REGISTRY.values(), 2):
        assert not same_identity(one.config, other.config), (one.name, other.name)


def test_a_name_or_settings_cannot_be_declared_twice():
    before = dict(REGISTRY)
    with pytest.raises(ValueError, match="the experiment adam is already registered, as adam"):
        declare("adam", CnnConfig(lr=0.123))
    with pytest.raises(ValueError, match="the experiment mine is already registered, as baseline"):
        declare("mine", CnnConfig(epochs=7))
    assert before == REGISTRY


@pytest.mark.parametrize("known", CNN, ids=lambda e: e.name)
def test_every_network_can_be_built_as_it_is_declared(known):
    config = known.config
    assert config.network in convnet.LAYERS and set(config.augmentations) <= set(augmentation.LAYERS)
    optimizer = OPTIMIZERS[config.optimizer](config.lr)
    assert float(optimizer.learning_rate) == pytest.approx(config.lr)
    schedule = SCHEDULES[config.schedule](config.lr)
    schedule.set_params({"steps": 391})
    assert 0 < schedule.rate(1) <= config.lr
    assert known.base is None or known.base in REGISTRY


def test_each_rung_adds_one_thing_to_the_one_before():
    fields = ("normalize", "augmentations", "schedule", "dropout_rate", "batch_norm")
    for below, above in itertools.pairwise(LADDER):
        assert above.base == below.name
        assert sum(getattr(below.config, name) != getattr(above.config, name) for name in fields) == 1
        assert {
            name for name in settings(above.config) if getattr(below.config, name) != getattr(above.config, name)
        } <= {*fields, "epochs", *(["framework_defaults"] if above is DROPOUT_PYTORCH else [])}
    assert [rung.config.framework_defaults for rung in LADDER] == [*["keras"] * 4, "pytorch", "pytorch"]


def test_the_bonus_is_every_other_convnet():
    assert [*LADDER, *bonus_experiments()] == sorted(CNN, key=lambda e: e not in LADDER)
    assert not set(map(id, LADDER)) & set(map(id, bonus_experiments()))


# --- from settings to an experiment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", REGISTRY.values(), ids=lambda e: e.name)
def test_settings_that_repeat_a_declaration_take_its_name_figure_and_length(known):
    asked = replace(known.config, seed=3)
    if known.config.epochs:
        asked = replace(asked, epochs=None)
    found = match_registered(asked)
    assert found == replace(known, config=replace(known.config, seed=3))
    if known.config.epochs:
        assert match_registered(replace(asked, epochs=7)).config.epochs == 7
        assert match_registered(replace(asked, epochs=7)).reference == known.reference


@pytest.mark.parametrize("known", REGISTRY.values(), ids=lambda e: e.name)
def test_defaults_need_not_be_written_out(known):
    """Whatever a config fills in by itself can be left out."""
    kind, given = type(known.config), known.config.to_dict()
    for name in list(given):
        shorter = {key: value for key, value in given.items() if key != name}
        try:
            if kind(**shorter).resolve().identity() == known.config.identity():
                given = shorter
        except ConfigError:  # Another setting needs this one.
            continue
    assert not {"seed", "epochs"} & set(given)
    assert match_registered(kind(**given)) == known


def test_settings_of_their_own_get_a_name_of_their_own():
    asked = CnnConfig(normalize=True, augmentations=("crop", "flip", "hue"), lr=0.05, epochs=7)
    found = match_registered(asked)
    assert found == Experiment(name="crop-flip-hue-lr-0.05", config=asked.resolve())
    assert (found.reference, found.base) == (Reference(), None)
    assert describe(replace(asked, augmentations=("crop", "flip"))) == "augment-lr-0.05"
    assert describe(replace(ZCA.config, whitening_epsilon=0.1)) != describe(ZCA.config)
    assert match_registered(replace(ZCA.config, whitening_epsilon=0.1)).reference.published is None


def test_another_run_gets_a_name_of_its_settings_and_nothing_published():
    asked = CnnConfig(dataset="digits", augmentations=("crop", "flip"), dropout_rate=0.3, lr=0.01, normalize=False)
    run = match_registered(asked)
    assert run.name == "digits-no-normalize-augment-dropout-0.3-lr-0.01"
    assert run.reference.figure is run.reference.published is None and run.config.epochs == 30
    assert match_registered(CnnConfig(dataset="/data/my pictures")).name == "my-pictures"


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (CnnConfig(dataset="digits"), "digits"),
        (CnnConfig(dataset="digits", augmentations=("crop", "flip"), dropout_rate=0.5), "digits-augment-dropout"),
        (CnnConfig(dataset="digits", augmentations=("crop", "flip"), normalize=True), "digits-augment"),
        (CnnConfig(dataset="mnist", network="dense", batch_size=7), "mnist-dense-batch-size-7"),
        (CnnConfig(whitening="pca", whitening_epsilon=0.5), "pca-epsilon-0.5"),
        (CnnConfig(whitening="pca", schedule="step"), "step-pca"),
        (CnnConfig(dataset="digits", batch_norm=True, framework_defaults="pytorch"), "digits-batch-norm-pytorch"),
        (CnnConfig(schedule="step-iteration", dropout_rate=0.5), "step-iteration-dropout"),
        (CnnConfig(optimizer="adam"), "adam-other"),
        (CnnConfig(optimizer="adam", lr=0.01), "adam-lr-0.01"),
        (CnnConfig(optimizer="adam", lr=0.001, seed=4, precision="mixed_bfloat16", epochs=2), "adam-other"),
        (MlpConfig(hidden_units=4, init_std=0.1), "hidden-4-std-0.1"),
        (MlpConfig(dataset="digits", implementation="tape"), "digits"),
        (SvmConfig(kernel="poly", degree=4), "poly-degree-4"),
        (SvmConfig(kernel="poly", degree=2, C=1.0), "poly"),
        (SvmConfig(kernel="rbf", C=10.0), "rbf-C-10"),
        (SvmConfig(dataset="digits"), "digits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_tells_what_is_not_as_usual(config: Config, name):
    assert match_registered(config).name == describe(config) == name


@pytest.mark.parametrize(
    "rung",
    [{"dropout_rate": 0.5}, {"batch_norm": True}, {"augmentations": ("crop", "flip")}, {"schedule": "exponential"}],
    ids=str,
)
def test_no_name_is_that_of_another_declaration(rung):
    alone = CnnConfig(**rung, normalize=False)
    assert match_registered(alone).name.startswith("no-normalize-")
    for config in (alone, CnnConfig(**rung, normalize=True, batch_size=7), CnnConfig(**rung, seed=1)):
        found = match_registered(config)
        assert found.name not in REGISTRY or same_identity(REGISTRY[found.name].config, config)


def test_settings_that_matter_tell_experiments_apart():
    same = replace(BATCH_NORM.config, seed=9, epochs=3, precision="mixed_bfloat16")
    assert same_identity(BATCH_NORM.config, same)
    assert not same_identity(ADAM.config, replace(ADAM.config, lr=0.01))
    assert not same_identity(BLUR.config, BATCH_NORM.config)
    assert not same_identity(LR_1.config, BASELINE.config)


def test_on_other_data_nothing_published_stands_beside_an_experiment():
    assert on_dataset(AUGMENT, "cifar10") is AUGMENT
    other = on_dataset(AUGMENT, "digits")
    assert (other.name, other.reference, other.config.dataset) == ("digits-augment", Reference(), "digits")
    assert replace(other.config, dataset="cifar10") == AUGMENT.config


# --- studies and lists ------------------------------------------------------------------------------------------------


def test_studies_vary_one_setting_of_the_perceptron_over_values_that_are_allowed():
    for name, study in STUDIES.items():
        *fixed, (field, values) = study.grid
        assert all(len(one) == 1 for _, one in fixed)
        configurations = study.configurations()
        assert study.name == f"study-{name}" and [getattr(one.config, field) for one in configurations] == list(values)
        assert {one.config.implementation for one in configurations} == {"manual"}


def test_list_has_a_command_for_everything():
    rows = list_experiments()
    assert {row["name"] for row in rows} >= set(REGISTRY) | set(EXPLANATIONS) | {f"study-{name}" for name in STUDIES}
    assert all(row["command"].startswith("rdfia ") for row in rows)
    assert {row["section"] for row in rows} == {"mlp", "svm", "cnn", "improve", "explain"}
    commands = [row["command"] for row in rows if row["section"] in ("cnn", "improve", "explain")]
    assert len(commands) == len(set(commands))
