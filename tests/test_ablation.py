"""Ablations: which networks they compare, and their effects."""

import json

import pytest
from scipy import stats

from rdfia_keras.analysis.ablation_effects import effects, table
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import MODERN_LADDER
from rdfia_keras.experiments.ablation import LADDERS, Ablation

NAMES = sorted({step.name for ladder in LADDERS for step in ladder[1:]})


def changes(before, after) -> dict:
    """The settings that define an experiment and differ, with their values."""
    old, new = before.config.identity(), after.config.identity()
    return {name: (old[name], new[name]) for name in old if old[name] != new[name]}


@pytest.mark.parametrize("name", NAMES)
def test_every_comparison_differs_in_one_ingredient_and_has_equal_epochs(name):
    ablation = Ablation.of(name)
    assert ablation.whole.name == name and len({each.name for each in ablation.ingredients}) == len(
        ablation.ingredients
    )
    steps = [ablation.start.name, *(each.name for each in ablation.ingredients)]
    ladder = {step.name: step for step in next(ladder for ladder in LADDERS if ladder[0].name == steps[0])}
    for before, each in zip(steps[:-1], ablation.ingredients, strict=True):
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


def test_a_dry_run_says_what_each_trial_leaves_out_or_adds(rdfia_here):
    done = rdfia_here("ablate", "augment", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["trials"]
    assert {(row["trial"], row["epochs"]): row["ablation"] for row in rows if "seed" not in row["trial"]} == {
        ("baseline", "30"): "the start",
        ("augment", "50"): "the whole",
        ("normalize", "50"): "without augment",
        ("normalize", "30"): "normalize alone",
        ("no-normalize-augment", "50"): "without normalize",
        ("no-normalize-augment", "30"): "augment alone",
    }


@pytest.mark.parametrize("name", [MODERN_LADDER[0].name, "adam", "modern-fst"])
def test_only_a_later_step_of_a_ladder_can_be_taken_apart(name):
    with pytest.raises(ConfigError, match=f"there is no step of a ladder '{name}'"):
        Ablation.of(name)


def test_effects_are_paired_by_seed_over_equal_epochs():
    """`augment` has 50 epochs and the baseline 30, so that `normalize` occurs with both."""
    ablation = Ablation.of("augment")
    values = {
        ("baseline", 30): [0.70, 0.71, 0.72],
        ("augment", 50): [0.80, 0.80, 0.82],
        ("normalize", 50): [0.75, 0.75, 0.75],
        ("normalize", 30): [],
        ("no-normalize-augment", 50): [0.79, 0.81, 0.80],
        ("no-normalize-augment", 30): [0.77, 0.77, 0.77],
    }
    rows = []
    for base in ablation.sweep(None).bases:
        finals = values.pop((base.name, base.config.epochs))
        rows.append({"seeds": [0, 1, 2][: len(finals)], "final": finals and {"values": finals}, "epochs_to_90": None})
    assert not values
    normalize, augment = effects(ablation, rows)
    gains = [0.80 - 0.79, 0.80 - 0.81, 0.82 - 0.80]
    low, high = stats.t.interval(0.95, 2, sum(gains) / 3, stats.sem(gains))
    assert normalize["in_the_whole"]["interval"] == pytest.approx((low, high))
    assert normalize["added_alone"] is None
    assert augment["in_the_whole"]["mean"] == pytest.approx((0.05 + 0.05 + 0.07) / 3)
    assert augment["added_alone"]["mean"] == pytest.approx(0.06)
    shown = table([normalize, augment])
    assert shown[0]["gain in the whole"].startswith("+0.67 [") and shown[0]["gain alone"] == "-"
