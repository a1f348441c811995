"""Configs refuse what cannot be run, with the same sentence from Python and from the command line.

The tests follow from the declarations: a new setting or rule is tested without a line here.
"""

import json
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from command_line import argv

from rdfia_keras.config import (
    CONFIGS,
    OPTIMIZERS,
    CnnConfig,
    MlpConfig,
    RunOptions,
    SvmConfig,
    check_value,
    flag,
    label,
    parse_field,
    parse_setting,
    setting_text,
    settings,
    value_type,
)
from rdfia_keras.config.setting import Excludes, Requires
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import REGISTRY

NUMBERS = (-1, 0, 1, 1.5, 11, 2**32, math.inf, math.nan)
WRONG_TYPES = {
    int: (1.5, "1", True),
    float: ("1", True, None),
    bool: (1, "yes"),
    str: (3, b"zca"),
}
KINDS = (*CONFIGS.values(), RunOptions)


def a_value(kind, name: str):
    """Any value that is not off."""
    setting, field = settings(kind)[name], kind.__dataclass_fields__[name]
    value_kind, _, many = value_type(field.type)
    value = setting.choices[0] if setting.choices else setting.check.example if setting.check else value_kind(True)
    return (value,) if many else value


def ways_to_break(kind, rule) -> list[dict]:
    """Settings that break a rule and are each allowed by itself."""
    mine = {rule.field: a_value(kind, rule.field)}
    # What else it needs.
    for other in kind.rules:
        if isinstance(other, Requires) and other.field == rule.field and other.other != rule.other:
            mine[other.other] = other.values[0] if other.values else a_value(kind, other.other)
    if isinstance(rule, Excludes):
        return [{**mine, rule.other: a_value(kind, rule.other)}]
    other = [value for value in settings(kind)[rule.other].choices if value not in rule.values] if rule.values else []
    usual = kind.__dataclass_fields__[rule.other].default
    return [{**mine, rule.other: value} for value in other] + ([] if usual in rule.values else [mine])


def bad_values(kind, name: str) -> list:
    """Values of the right type that the setting's own check or choices refuse."""
    setting = settings(kind)[name]
    value_kind, _, many = value_type(kind.__dataclass_fields__[name].type)
    bad = ["nonsense"] if setting.choices or setting.suffix else []
    if setting.check:
        numbers = [value_kind(x) for x in NUMBERS if value_kind is float or isinstance(x, int)]
        bad += [value for value in numbers if not setting.check.holds(value)]
    return [(value,) if many else value for value in bad]


BROKEN_RULES = [
    (kind, rule, values)
    for kind in KINDS
    for rule in getattr(kind, "rules", ())
    for values in ways_to_break(kind, rule)
]
BAD_VALUES = [(kind, name, bad) for kind in KINDS for name in settings(kind) for bad in bad_values(kind, name)]


def case_name(case) -> str:
    return str(case) if not isinstance(case, type) else case.__name__


def refusal(kind, values: dict) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        kind(**values)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, RdfiaError)
    return caught.value


def assert_the_command_refuses(run, kind, values: dict, sentence: str) -> None:
    section = getattr(kind, "section", "cnn")
    done = run(section, *argv(kind, values))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {sentence}\n")


@pytest.mark.parametrize(("kind", "rule", "values"), BROKEN_RULES, ids=case_name)
def test_a_broken_rule_is_refused_with_one_sentence_from_both_sides(rdfia_here, tmp_path, kind, rule, values):
    error = refusal(kind, values)
    assert error.fields == (rule.field, rule.other)
    assert str(error) == rule.says(kind)
    for name in error.fields:
        assert label(kind, name) in str(error) and flag(name, settings(kind)[name]) in str(error)
    assert_the_command_refuses(rdfia_here, kind, values, str(error))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [SvmConfig, CnnConfig], ids=case_name)
def test_every_rule_has_a_broken_case(kind):
    assert kind.rules
    assert {rule for of, rule, _ in BROKEN_RULES if of is kind} == set(kind.rules)


@pytest.mark.parametrize(("kind", "name", "bad"), BAD_VALUES, ids=case_name)
def test_a_bad_value_is_refused_with_one_sentence_from_both_sides(rdfia_here, tmp_path, kind, name, bad):
    error = refusal(kind, {name: bad})
    assert error.fields == (name,)
    assert str(error).startswith(f"{label(kind, name)} must be ")
    assert str(error).endswith(str(bad[0] if isinstance(bad, tuple) else bad) + ("'" * isinstance(bad, str | tuple)))
    for choice in settings(kind)[name].choices:
        assert choice in str(error)
    assert_the_command_refuses(rdfia_here, kind, {name: bad}, str(error))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS, ids=case_name)
def test_every_check_and_every_choice_has_a_bad_value(kind):
    limited = {name for name, s in settings(kind).items() if s.check or s.choices or s.suffix}
    assert {name for of, name, _ in BAD_VALUES if of is kind} == limited != set()


@pytest.mark.parametrize("kind", KINDS, ids=case_name)
def test_the_example_of_each_check_and_every_choice_is_allowed(kind):
    for name, setting in settings(kind).items():
        declared = kind.__dataclass_fields__[name].type
        good = setting.choices or ([setting.check.example] if setting.check else [])
        for value in good:
            check_value(name, declared, (value,) if value_type(declared)[2] else value, setting)


@pytest.mark.parametrize("kind", KINDS, ids=case_name)
def test_a_value_of_another_type_is_refused(kind):
    for name in settings(kind):
        value_kind, optional, many = value_type(kind.__dataclass_fields__[name].type)
        for wrong in WRONG_TYPES.get(value_kind, (3, "text")):
            if wrong is None and optional:
                continue
            error = refusal(kind, {name: (wrong,) if many else wrong})
            assert error.fields == (name,) and repr(wrong) in str(error), error


@pytest.mark.parametrize("kind", CONFIGS.values(), ids=case_name)
def test_a_number_that_is_none_is_refused_on_the_command_line(rdfia_here, kind):
    for name in settings(kind):
        value_kind, _, _ = value_type(kind.__dataclass_fields__[name].type)
        if value_kind in (int, float):
            done = rdfia_here(kind.section, *argv(kind, {name: "three"}))
            assert done.returncode == 2 and done.stdout == ""
            assert re.fullmatch(
                rf"error: {re.escape(label(kind, name))} must be a .*number, not 'three'\n", done.stderr
            )


@pytest.mark.parametrize(
    "values", [{"lr": -1}, {"augmentations": "crop+hues"}, {"network": "lenet", "batch_norm": True}], ids=str
)
def test_a_config_that_cannot_run_cannot_be_made_in_any_way(values):
    for make in (lambda **v: CnnConfig(**v), lambda **v: CnnConfig.from_dict(v), lambda **v: replace(CnnConfig(), **v)):
        with pytest.raises(ConfigError) as caught:
            make(**values)
        assert set(caught.value.fields) == set(values)


def test_values_at_their_limits_are_allowed():
    assert CnnConfig(dropout_rate=0.0, seed=2**32 - 1, epochs=1, batch_size=1).dropout_rate == 0
    assert MlpConfig(init_std=0.0, hidden_units=1).init_std == 0
    assert SvmConfig(kernel="poly", degree=10).degree == 10


def test_a_config_cannot_be_changed_nor_made_by_position():
    with pytest.raises(AttributeError):
        CnnConfig().lr = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        CnnConfig("mnist")  # type: ignore[misc]


def test_numbers_of_numpy_become_plain_ones():
    config = CnnConfig(epochs=np.int64(3), lr=np.float32(0.5), dropout_rate=0)
    assert json.loads(json.dumps(config.to_dict()))["lr"] == 0.5
    assert [type(value) for value in (config.epochs, config.lr, config.dropout_rate)] == [int, float, float]


def test_lists_become_tuples():
    config = CnnConfig(augmentations=["crop", "flip"])
    assert config.augmentations == ("crop", "flip")
    assert config == CnnConfig(augmentations=("crop", "flip")) and hash(config)


# --- settings as text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "name", "value"),
    [
        (MlpConfig, "lr=0.2", "lr", 0.2),
        (MlpConfig, "hidden_units=30", "hidden_units", 30),
        (MlpConfig, "init-std=1", "init_std", 1.0),
        (MlpConfig, " batch-size = 5 ", "batch_size", 5),
        (SvmConfig, "C=1e-3", "C", 0.001),
        (SvmConfig, "kernel=none", "kernel", None),
        (SvmConfig, "degree=None", "degree", None),
        (CnnConfig, "dataset=a=b c", "dataset", "a=b c"),
        (CnnConfig, "--network=lenet", "network", "lenet"),
        (CnnConfig, "dropout-rate=0.5", "dropout_rate", 0.5),
        (CnnConfig, "dropout=0.3", "dropout_rate", 0.3),
        (CnnConfig, "augment=crop+flip", "augmentations", ("crop", "flip")),
        (CnnConfig, "--augmentations=hue", "augmentations", ("hue",)),
        (CnnConfig, "augmentations=none", "augmentations", ()),
        (CnnConfig, "batch_norm=True", "batch_norm", True),
        (CnnConfig, "normalize=false", "normalize", False),
        (CnnConfig, "normalize=none", "normalize", None),
    ],
    ids=str,
)
def test_a_setting_is_read_from_text_in_its_own_type(kind, text, name, value):
    assert parse_setting(kind, text) == (name, value)
    assert type(parse_setting(kind, text)[1]) is type(value)


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_every_setting_of_every_experiment_comes_back_from_text(experiment):
    config = experiment.config
    for name, setting in settings(config).items():
        value = getattr(config, name)
        text = setting_text(value)
        for typed in (name, flag(name, setting)):
            assert parse_setting(type(config), f"{typed}={text}") == (name, value)


@pytest.mark.parametrize("kind", CONFIGS.values(), ids=case_name)
def test_no_two_settings_share_a_name(kind):
    for name, setting in settings(kind).items():
        for typed in (name, flag(name, setting), setting.switch.flag if setting.switch else name):
            assert parse_field(kind, typed) == name


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (CnnConfig, "lr", "'lr' gives no value: write FIELD=VALUE, such as seed=1"),
        (CnnConfig, "lr=", "lr (--lr) needs a value, as in lr=VALUE"),
        (CnnConfig, "lr=fast", "lr (--lr) must be a number, not 'fast'"),
        (CnnConfig, "lr=-1", "lr (--lr) must be a finite number above 0, not -1.0"),
        (CnnConfig, "epochs=1.5", "epochs (--epochs) must be a whole number, not '1.5'"),
        (CnnConfig, "batch_norm=yes", "batch_norm (--batch-norm) must be true or false, not 'yes'"),
        (CnnConfig, "batch_norm=none", "batch_norm (--batch-norm) must be true or false, not 'none'"),
        (CnnConfig, "lr=none,1", "lr (--lr) must be a number, not 'none,1'"),
        (CnnConfig, "droput=0.5", "cnn has no setting 'droput': did you mean dropout_rate?"),
        (MlpConfig, "hiden=3", "mlp has no setting 'hiden': did you mean hidden_units?"),
        (SvmConfig, "lr=3", "svm has no setting 'lr': choose from dataset, kernel, C, degree, seed"),
    ],
    ids=str,
)
def test_a_text_that_is_no_setting_is_refused_with_one_sentence(kind, text, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_setting(kind, text)
    assert str(caught.value) == sentence


# --- what is filled in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("optimizer", "lr"), OPTIMIZERS.items())
def test_the_learning_rate_follows_the_optimizer(optimizer, lr):
    assert CnnConfig(optimizer=optimizer).lr is None
    assert CnnConfig(optimizer=optimizer).resolve().lr == lr
    assert CnnConfig(optimizer=optimizer, lr=0.3).resolve().lr == 0.3


@pytest.mark.parametrize(
    ("values", "normalize"),
    [
        ({}, False),
        ({"optimizer": "adam"}, False),
        ({"augmentations": ("crop",)}, True),
        ({"dropout_rate": 0.5}, True),
        ({"batch_norm": True}, True),
        ({"schedule": "step"}, True),
        ({"schedule": "step", "normalize": False}, False),
        ({"normalize": True}, True),
        ({"schedule": "step", "whitening": "zca"}, False),
        ({"whitening": "pca"}, False),
    ],
    ids=str,
)
def test_a_rung_of_the_ladder_turns_normalization_on(values, normalize):
    assert CnnConfig(**values).resolve().normalize is normalize


def test_whitening_has_an_epsilon_and_nothing_else_has():
    assert CnnConfig().resolve().whitening_epsilon is None
    assert CnnConfig(whitening="zca").resolve().whitening_epsilon == 0.01
    assert CnnConfig(whitening="zca", whitening_epsilon=0.1).resolve().whitening_epsilon == 0.1


@pytest.mark.parametrize(
    ("config", "epochs"),
    [
        (MlpConfig(), 150),
        (MlpConfig(dataset="mnist"), 10),
        (MlpConfig(dataset="digits"), 30),
        (CnnConfig(), 30),
        (CnnConfig(dataset="mnist"), 10),
        (CnnConfig(dataset="digits"), 30),
        (CnnConfig(dataset="mnist", epochs=3), 3),
        (SvmConfig(), None),
    ],
    ids=str,
)
def test_epochs_follow_the_data(config, epochs):
    assert config.resolve().epochs == epochs


def test_a_kernel_has_a_penalty_and_poly_a_degree():
    assert SvmConfig().resolve() == SvmConfig()
    assert SvmConfig(kernel="rbf").resolve() == SvmConfig(kernel="rbf", C=1.0)
    assert SvmConfig(kernel="poly").resolve() == SvmConfig(kernel="poly", C=1.0, degree=2)
    assert SvmConfig(kernel="poly", degree=4, C=3.0).resolve() == SvmConfig(kernel="poly", degree=4, C=3.0)


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_filling_in_twice_changes_nothing_and_breaks_no_rule(experiment):
    config = experiment.config
    assert config.resolve() == config
    assert None not in {config.seed, getattr(config, "lr", 0), getattr(config, "normalize", 0)}


# --- what tells experiments apart -------------------------------------------------------------------------------------

TELL_RUNS_APART = {
    MlpConfig: {"seed": 9, "epochs": 3, "implementation": "tape"},
    SvmConfig: {"seed": 9},
    CnnConfig: {
        "seed": 9,
        "epochs": 3,
        "precision": "mixed_bfloat16",
        "xla": "off",
        "steps_per_execution": 4,
        "tta": True,
    },
}


@pytest.mark.parametrize("kind", CONFIGS.values(), ids=case_name)
def test_identity_ignores_what_only_tells_runs_apart_and_nothing_else(kind):
    ignored = {name for name, setting in settings(kind).items() if not setting.defines_experiment}
    assert ignored == set(TELL_RUNS_APART[kind])
    assert set(kind().identity()) == set(settings(kind)) - ignored
    assert kind(**TELL_RUNS_APART[kind]).identity() == kind().identity()
    assert kind(**TELL_RUNS_APART[kind]).experiment_key() == kind().experiment_key()


def test_the_order_of_augmentations_makes_another_experiment_and_a_default_written_out_does_not():
    one, other = CnnConfig(augmentations=("flip", "crop")), CnnConfig(augmentations=("crop", "flip"))
    assert one.experiment_key() != other.experiment_key()
    assert CnnConfig(lr=0.1, normalize=False).identity() == CnnConfig().identity()
    assert CnnConfig(whitening="pca", whitening_epsilon=0.01).identity() == CnnConfig(whitening="pca").identity()
    assert MlpConfig().experiment_key() != SvmConfig().experiment_key()


# --- as JSON ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_a_config_comes_back_from_json(experiment):
    config = experiment.config
    again = type(config).from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and type(again) is type(config)
    assert set(config.to_dict()) == {field.name for field in fields(config)}


@pytest.mark.parametrize("kind", CONFIGS.values(), ids=case_name)
def test_unknown_settings_are_refused(kind):
    with pytest.raises(ConfigError, match=f"{kind.section} has no setting learning_rate, width") as caught:
        kind.from_dict({"width": 3, "learning_rate": 0.1})
    assert caught.value.fields == ("learning_rate", "width")
    with pytest.raises(TypeError):
        kind(width=3)


def test_every_config_is_found_by_its_section_and_its_help_texts_are_sentences():
    assert [(name, kind.section) for name, kind in CONFIGS.items()] == [(name, name) for name in ("mlp", "svm", "cnn")]
    for kind in KINDS:
        assert all(setting.help.endswith(".") and setting.help[0].isascii() for setting in settings(kind).values())
        assert kind is RunOptions or not set(settings(kind)) & set(settings(RunOptions))
