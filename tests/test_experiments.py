"""The registry: every figure and question of the report has an experiment, and options find their declaration."""

import itertools

import pytest

from rdfia_keras import catalogue
from rdfia_keras.cli_options import Transformation
from rdfia_keras.cnn import NETWORKS, TRANSFORMATIONS
from rdfia_keras.experiments import (
    ADAM,
    BASELINE,
    BATCH_NORM,
    BLUR,
    BONUS,
    FIGURES,
    LADDER,
    LR_1,
    REGISTRY,
    STUDIES,
    ZCA,
    CnnExperiment,
    MlpExperiment,
    describe,
    identify,
    replace,
    same_settings,
)
from rdfia_keras.training import learning_rate, make_optimizer

CNN = [e for e in REGISTRY.values() if isinstance(e, CnnExperiment)]


def test_every_figure_of_the_report_has_experiments():
    assert [name for name in FIGURES if name.isdigit()] == [str(number) for number in range(1, 24)]
    for figure in FIGURES.values():
        assert figure.panels and all(name in REGISTRY for name, _ in figure.panels)
        if figure.number and figure.kind != "sweep" and len(figure.panels) == 1:
            assert REGISTRY[figure.panels[0][0]].figure == figure.number


def test_every_question_that_asks_for_an_experiment_has_one():
    asked = {question.strip() for row in catalogue.entries() for question in row["question"].split(",")}
    experiments = {"13", "15", "16", "17", "19", "21", "22", "23", "25", "26", "28", "29", "34", "2.1", "2.2"}
    computed = {"1", "4", "5", "6", "7", "8", "9", "10", "11", "12", "33", "T10", "T11", "T12", "T14"}
    assert experiments | computed <= asked


def test_published_values_are_the_reports():
    published = {e.name: e.published for e in REGISTRY.values() if e.published}
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
    }


def test_names_are_unique_and_no_two_experiments_are_the_same():
    experiments = list(REGISTRY.values())
    assert len(REGISTRY) == len({e.name for e in experiments})
    for i, one in enumerate(experiments):
        assert not any(same_settings(one, other) for other in experiments[i + 1 :]), one.name


@pytest.mark.parametrize("experiment", CNN, ids=lambda e: e.name)
def test_every_network_can_be_built_as_it_is_declared(experiment):
    assert experiment.model in NETWORKS and set(experiment.augment) <= set(TRANSFORMATIONS)
    optimizer = make_optimizer(experiment.optimizer, experiment.lr)
    assert float(optimizer.learning_rate) == pytest.approx(experiment.lr)
    assert 0 < learning_rate(experiment.schedule, experiment.lr, 1) <= experiment.lr
    assert experiment.base is None or experiment.base in REGISTRY


def test_the_command_line_knows_every_transformation():
    assert set(map(str, Transformation)) == set(TRANSFORMATIONS)


def test_each_rung_adds_one_thing_to_the_one_before():
    fields = ("normalize", "augment", "schedule", "dropout", "batch_norm")
    for below, above in itertools.pairwise(LADDER):
        assert above.base == below.name
        assert sum(getattr(below, field) != getattr(above, field) for field in fields) == 1


@pytest.mark.parametrize("experiment", (*LADDER, *BONUS), ids=lambda e: e.name)
def test_options_that_repeat_a_declaration_take_its_name(experiment):
    asked = replace(experiment, name="", figure=None, published=None, reported="", others=None, base=None, seed=3)
    found = identify(asked, None)
    assert (found.name, found.published, found.epochs, found.seed) == (
        experiment.name,
        experiment.published,
        experiment.epochs,
        3,
    )


def test_options_of_their_own_get_a_name_of_their_own():
    asked = CnnExperiment("", normalize=True, augment=("crop", "flip", "hue"), lr=0.05)
    assert identify(asked, 7) == replace(asked, name="lr-0.05-normalize-crop-flip-hue", epochs=7)
    assert describe(replace(asked, augment=("crop", "flip"))) == "lr-0.05-normalize-augment"
    assert describe(replace(ZCA, epsilon=0.1)) != describe(ZCA)
    assert identify(replace(ZCA, epsilon=0.1), None).published is None
    # Without whitening its epsilon decides nothing.
    assert identify(replace(BASELINE, epsilon=0.5), None).name == "baseline"


def test_settings_that_matter_tell_experiments_apart():
    assert same_settings(BATCH_NORM, replace(BATCH_NORM, seed=9, epochs=3, precision="mixed_bfloat16", name="x"))
    assert not same_settings(ADAM, replace(ADAM, lr=0.01))
    assert not same_settings(BLUR, BATCH_NORM) and not same_settings(LR_1, BASELINE)


def test_studies_vary_fields_that_are_there():
    for study in STUDIES.values():
        assert study.field == "optimizer" or hasattr(MlpExperiment("x"), study.field)
        assert len(set(study.values)) == len(study.values) > 1


def test_list_has_a_command_for_everything():
    rows = catalogue.entries()
    assert {row["name"] for row in rows} >= set(REGISTRY)
    assert all(row["command"].startswith("rdfia ") for row in rows)
    assert {row["section"] for row in rows} == {"mlp", "svm", "cnn", "improve", "explain"}
