"""Ablations: which networks they compare, and their effects."""

import pytest
from scipy import stats

from rdfia_keras.analysis.ablation import effects, table
from rdfia_keras.config import settings
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import MODERN_LADDER
from rdfia_keras.experiments.ablation import LADDERS, Ablation

NAMES = sorted({step.name for ladder in LADDERS for step in ladder[1:]})


def changes(before, after) -> dict:
    """The settings that define an experiment and differ, with their values."""
    names = [name for name, one in settings(after.config).items() if one.defines_experiment]
    values = {name: (getattr(before.config, name), getattr(after.config, name)) for name in names}
    return {name: pair for name, pair in values.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("name", NAMES)
def test_every_comparison_differs_in_one_ingredient_and_has_equal_epochs(name):
    ablation = Ablation.of(name)
    assert ablation.whole.name == name and len({each.name for each in ablation.ingredients}) == len(
        ablation.ingredients
    )
    steps = [ablation.start.name, *(each.name for each in ablation.ingredients)]
    ladder = {step.name: step for step in next(ladder for ladder in LADDERS if ladder[0].name == steps[0])}
    for before, each in zip(steps, ablation.ingredients, strict=False):
        added = changes(ladder[before], ladder[each.name])
        for pair in ((each.left_out, ablation.whole), (ablation.start, each.alone)):
            if None not in pair:
                assert changes(*pair) == added and pair[0].config.epochs == pair[1].config.epochs


def test_what_other_settings_need_is_not_left_out_and_what_needs_others_is_not_alone():
    ablation = Ablation.of("modern-fast", "digits")
    assert [each.name for each in ablation.ingredients if not each.left_out] == ["modern-schedule"]
    assert [each.name for each in ablation.ingredients if not each.alone] == ["modern-batch-norm", "modern-lookahead"]
    assert {one.config.dataset for one in ablation.sweep(None).bases} == {"digits"}
    assert Ablation.of("modern-fast").sweep(5).trials == 5 * 15
    names = [each.left_out.name for each in ablation.ingredients if each.left_out]
    assert names[:2] == ["digits-modern-fast-no-whitening-conv", "digits-modern-fast-relu"]


@pytest.mark.parametrize("name", [MODERN_LADDER[0].name, "adam", "modern-fst"])
def test_only_a_later_step_of_a_ladder_can_be_taken_apart(name):
    with pytest.raises(ConfigError, match=f"there is no step of a ladder '{name}'"):
        Ablation.of(name)


def test_effects_are_paired_by_seed():
    ablation = Ablation.of("augment")
    values = {
        "baseline": [0.70, 0.71, 0.72],
        "augment": [0.80, 0.80, 0.82],
        "no-normalize-augment": [0.79, 0.81, 0.80],
    }
    rows = [
        {"experiment": name, "seeds": [0, 1, 2], "final": {"values": finals}, "epochs_to_90": None}
        for name, finals in values.items()
    ]
    first, second = effects(ablation, rows)
    gains = [0.80 - 0.79, 0.80 - 0.81, 0.82 - 0.80]
    low, high = stats.t.interval(0.95, 2, sum(gains) / 3, stats.sem(gains))
    assert first["in_the_whole"]["interval"] == pytest.approx((low, high))
    # `normalize` is not trained yet.
    assert first["added_alone"] is None and second["added_alone"]["mean"] == pytest.approx(0.09)
    shown = table([first, second])
    assert shown[0]["in the whole"].startswith("+0.67 [") and shown[0]["alone"] == shown[1]["in the whole"] == "-"
