"""The experiments: every figure and question of the report has one, and options find their declaration."""

import itertools
from dataclasses import replace

import pytest

from rdfia_keras import config as declared
from rdfia_keras.commands.explain import EXPLANATIONS
from rdfia_keras.commands.list import list_all
from rdfia_keras.config import CnnConfig, Config, MlpConfig, SvmConfig, settings
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import (
    FIGURES,
    LADDER,
    REGISTRY,
    SWEEPS,
    Experiment,
    ReportClaim,
    declare,
    figures_of,
    match_registered,
    on_dataset,
)
from rdfia_keras.experiments.registry import AUGMENT, BASELINE, CIRCLES, KERAS_LADDER, MNIST_LENET, ZCA
from rdfia_keras.models import augmentation, convnet
from rdfia_keras.models.perceptron import IMPLEMENTATIONS
from rdfia_keras.models.whitening import MATRICES
from rdfia_keras.training.optimizers import OPTIMIZERS
from rdfia_keras.training.schedules import SCHEDULES


@pytest.mark.parametrize(
    ("implemented", "names"),
    [
        (IMPLEMENTATIONS, declared.IMPLEMENTATIONS),
        (convnet.NETWORKS, declared.NETWORKS),
        (augmentation.LAYERS, declared.AUGMENTATIONS),
        (MATRICES, declared.WHITENINGS),
        (OPTIMIZERS, declared.OPTIMIZERS),
        (SCHEDULES, declared.SCHEDULES),
    ],
    ids=["implementations", "networks", "augmentations", "whitenings", "optimizers", "schedules"],
)
def test_everything_that_is_declared_is_implemented_and_nothing_else(implemented, names):
    assert tuple(implemented) == tuple(names)


def test_every_figure_of_the_report_has_experiments():
    assert [key for key in FIGURES if key.isdigit()] == [str(number) for number in range(1, 24)]
    for key, figure in FIGURES.items():
        assert figure.key == key
        assert figure.panels and all(key in figures_of(experiment.name) for experiment, _ in figure.panels)
        if key.isdigit() and figure.kind != "sweep" and len(figure.panels) == 1:
            assert figure.panels[0][0].report.figure == int(key)


def test_every_question_that_asks_for_an_experiment_has_one():
    asked = {question.strip() for row in list_all().data["experiments"] for question in row["question"].split(",")}
    experiments = {"13", "15", "16", "17", "19", "21", "22", "23", "25", "26", "28", "29", "34", "2.1", "2.2"}
    computed = {"1", "4", "5", "6", "7", "8", "9", "10", "11", "12", "33", "T10", "T11", "T12", "T14"}
    assert experiments | computed <= asked


def test_published_values_are_the_reports():
    published = {name: experiment.report.published for name, experiment in REGISTRY.items()}
    assert {name: value for name, value in published.items() if value} == {
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
    }


def test_the_ladder_is_the_reports():
    assert [(e.report.figure, e.report.question, e.report.published) for e in LADDER] == [
        (7, "15", 0.70),
        (11, "19", 0.758),
        (12, "22", 0.80),
        (18, "26", 0.81),
        (22, "29", 0.82),
        (23, "34", 0.85),
    ]
    assert (CIRCLES.report.figure, MNIST_LENET.report.figure) == (1, 6)
    assert (BASELINE.config.lr, AUGMENT.config.normalize) == (0.1, True)


def test_each_step_has_a_variant_with_kerass_defaults():
    for step, variant in zip(LADDER, KERAS_LADDER, strict=True):
        assert variant.config == replace(step.config, framework_defaults="keras") and variant.base == step.name


def test_a_name_or_settings_cannot_be_declared_twice():
    before = dict(REGISTRY)
    with pytest.raises(ValueError, match="the experiment adam is already registered, as adam"):
        declare("adam", CnnConfig(lr=0.123))
    with pytest.raises(ValueError, match="the experiment mine is already registered, as baseline"):
        declare("mine", CnnConfig(epochs=7))
    assert before == REGISTRY


def test_each_rung_adds_one_thing_to_the_one_before():
    fields = ("normalize", "augmentations", "schedule", "dropout_rate", "batch_norm")
    for below, above in itertools.pairwise(LADDER):
        assert above.base == below.name
        assert sum(getattr(below.config, name) != getattr(above.config, name) for name in fields) == 1
        assert {
            name for name in settings(above.config) if getattr(below.config, name) != getattr(above.config, name)
        } <= {*fields, "epochs"}
    assert {rung.config.framework_defaults for rung in LADDER} == {"pytorch"}


# --- from settings to an experiment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_settings_that_repeat_a_declaration_take_its_name_figure_and_length(experiment):
    asked = replace(experiment.config, seed=3)
    if experiment.config.epochs:
        asked = replace(asked, epochs=None)
    match = match_registered(asked)
    assert match == replace(experiment, config=replace(experiment.config, seed=3))
    if experiment.config.epochs:
        assert match_registered(replace(asked, epochs=7)).config.epochs == 7
        assert match_registered(replace(asked, epochs=7)).report == experiment.report


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_defaults_need_not_be_written_out(experiment):
    """Whatever a config fills in by itself can be left out; the precision defines no experiment."""
    kind, given = type(experiment.config), experiment.config.to_dict()
    for name in set(given) - {"precision"}:
        shorter = {key: value for key, value in given.items() if key != name}
        try:
            if kind(**shorter).resolve().identity() == experiment.config.identity():
                given = shorter
        except ConfigError:  # Another setting needs this one.
            continue
    assert not {"seed", "epochs"} & set(given)
    assert match_registered(kind(**given)) == experiment


def test_settings_of_their_own_get_a_name_of_their_own():
    asked = CnnConfig(normalize=True, augmentations=("crop", "flip", "hue"), lr=0.05, epochs=7)
    match = match_registered(asked)
    assert match == Experiment(name="crop-flip-hue-lr-0.05", config=asked.resolve())
    assert (match.report, match.base) == (ReportClaim(), None)
    assert match_registered(replace(asked, augmentations=("crop", "flip"))).name == "augment-lr-0.05"
    assert match_registered(replace(ZCA.config, whitening_epsilon=0.1)).report.published is None


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (CnnConfig(dataset="digits"), "digits"),
        (CnnConfig(dataset="/data/my pictures"), "my-pictures"),
        (
            CnnConfig(dataset="digits", augmentations=("crop", "flip"), dropout_rate=0.3, lr=0.01, normalize=False),
            "digits-no-normalize-augment-dropout-0.3-lr-0.01",
        ),
        (CnnConfig(dataset="digits", augmentations=("crop", "flip"), normalize=True), "digits-augment"),
        (CnnConfig(whitening="pca", whitening_epsilon=0.5), "pca-whitening-epsilon-0.5"),
        (CnnConfig(dataset="digits", batch_norm=True, framework_defaults="keras"), "digits-batch-norm-keras"),
        (CnnConfig(schedule="step-iteration", dropout_rate=0.5), "step-iteration-dropout"),
        (CnnConfig(optimizer="adam"), "adam-other"),
        (CnnConfig(optimizer="adam", lr=0.001, seed=4, precision="mixed_bfloat16", epochs=2), "adam-other"),
        (MlpConfig(hidden_units=4, init_std=0.1), "hidden-units-4-init-std-0.1"),
        (MlpConfig(hidden_units=100_000_000), "hidden-units-100000000"),
        (MlpConfig(dataset="digits", implementation="tape"), "digits"),
        (SvmConfig(kernel="poly", degree=2, C=1.0), "poly"),
        (SvmConfig(kernel="rbf", C=10.0), "rbf-C-10"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_tells_what_is_not_as_usual(config: Config, name):
    assert match_registered(config).name == name


@pytest.mark.parametrize(
    "rung",
    [{"dropout_rate": 0.5}, {"batch_norm": True}, {"augmentations": ("crop", "flip")}, {"schedule": "exponential"}],
    ids=str,
)
def test_no_name_is_that_of_another_declaration(rung):
    alone = CnnConfig(**rung, normalize=False)
    assert match_registered(alone).name.startswith("no-normalize-")
    for config in (alone, CnnConfig(**rung, normalize=True, batch_size=7), CnnConfig(**rung, seed=1)):
        match = match_registered(config)
        assert match.name not in REGISTRY or REGISTRY[match.name].config.experiment_key() == config.experiment_key()


def test_on_other_data_nothing_published_stands_beside_an_experiment():
    assert on_dataset(AUGMENT, "cifar10") is AUGMENT
    other = on_dataset(AUGMENT, "digits")
    assert (other.name, other.report, other.config.dataset) == ("digits-augment", ReportClaim(), "digits")
    assert replace(other.config, dataset="cifar10") == AUGMENT.config


# --- sweeps and lists -------------------------------------------------------------------------------------------------


def test_list_has_a_command_for_everything():
    rows = list_all().data["experiments"]
    assert {row["name"] for row in rows} == {*REGISTRY, *EXPLANATIONS, *SWEEPS}
    assert all(row["command"].startswith("rdfia ") for row in rows)
    assert {row["part"] for row in rows} == {"mlp", "svm", "cnn", "improve", "explain"}
    assert {number for row in rows for number in row["figures"]} == set(FIGURES)
    commands = [row["command"] for row in rows if row["part"] in ("cnn", "improve", "explain")]
    assert len(commands) == len(set(commands))
