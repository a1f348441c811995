"""reference/questions.md: its numbers are those of the records and of the computations."""

import itertools
import json
import re
from collections.abc import Callable
from statistics import fmean

import pytest

from rdfia_keras.analysis.published import reference_run
from rdfia_keras.analysis.seeds import mean_of_last, paired_gain, reference_trials
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.report import judgement, theory
from rdfia_keras.runs.store import REFERENCE_FOLDER

TEXT = (FOLDER / "questions.md").read_text(encoding="utf-8")
PARTS = re.split(r"^\*\*(T?[\d.]+?)\.?\*\*", TEXT, flags=re.MULTILINE)
ANSWERS = {number: " ".join(answer.split()) for number, answer in zip(PARTS[1::2], PARTS[2::2], strict=True)}


def history(name):
    """The epochs of the reference run with seed 0, of the first implementation."""
    return [row for row in reference_run(REGISTRY[name]).history() if row.get("implementation", "manual") == "manual"]


def accuracies(name):
    return [100 * row["test_accuracy"] for row in history(name)]


def best(name, digits=1):
    return f"{max(accuracies(name)):.{digits}f} %"


def last(name, digits=1):
    return f"{accuracies(name)[-1]:.{digits}f} %"


def best_epoch(name):
    return accuracies(name).index(max(accuracies(name))) + 1


def lowest(name, column="test_loss"):
    """The lowest loss, and its epoch."""
    row = min(history(name), key=lambda row: row[column])
    return row[column], row["epoch"]


def end(name, column):
    return history(name)[-1][column]


def study(name, field, value):
    """A row of a study's reference."""
    rows = json.loads((FOLDER / "sweeps" / f"study-{name}" / "sweep.json").read_text())["rows"]
    (row,) = [row for row in rows if row["settings"][field] == value]
    return row


def batch_study(size):
    return study("batch-size", "batch_size", size)


def gain(name, over):
    """Of one best epoch over the other, in points."""
    return f"{max(accuracies(name)) - max(accuracies(over)):.1f} points"


def final(row):
    return f"{100 * row['final']['mean']:.1f} ± {100 * row['final']['std']:.1f}"


def median(row):
    return f"{row['epochs_to_90']:g}"


def machine(kernel, degree, C, rows="sweep"):
    machines = reference_run(REGISTRY["kernels"]).record.details[rows]
    (one,) = [
        m for m in machines if (m["kernel"], m["degree"]) == (kernel, degree) and m["C"] == pytest.approx(C, 0.01)
    ]
    return f"{100 * one['test_accuracy']:.1f} %"


def polynomial(C):
    return machine("poly", 2, C)


def roughness(name):
    """The mean change of the test accuracy from one epoch to the next, within the second half."""
    seen = accuracies(name)
    return f"{fmean(abs(b - a) for a, b in itertools.pairwise(seen[len(seen) // 2 - 1 :])):.2f}"


def implementations_apart():
    """The largest difference between any numbers of the four implementations in an epoch."""
    groups = {}
    for row in reference_run(REGISTRY["circles"]).history():
        groups.setdefault(row["epoch"], []).append(row)
    return max(
        max(row[column] for row in rows) - min(row[column] for row in rows)
        for rows in groups.values()
        for column in ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
    )


def seeds_of_augment():
    spread = judgement.spreads(REGISTRY["augment"], 30)["best"]
    return f"{100 * spread.mean:.1f} ± {100 * spread.std:.1f} over {spread.n} seeds"


def augment_at_30():
    return f"{max(accuracies('augment')[:30]):.1f} %"


def short(number):
    """3e-9 for 3e-09."""
    return re.sub(r"e-0", "e-", f"{number:.0e}")


def seconds(name):
    return f"{min(row['seconds'] for row in history(name)):.1f} s"


def both_ends(name):
    """Training and test accuracy of the last epoch."""
    return f"{100 * end(name, 'train_accuracy'):.0f} % and {last(name, 0)}"


def paired(name, over):
    """The gain of the mean of the last five epochs, paired by seed."""
    after, before = (
        {seed: mean_of_last(trial.rows, 50) for seed, trial in reference_trials(REGISTRY[one]).items()}
        for one in (name, over)
    )
    measured = paired_gain(before, after)
    low, high = (100 * one for one in measured.interval)
    assert measured.n == 3
    return f"gains {100 * measured.mean:.2f} points", f"95 % interval {low:+.2f} to {high:+.2f}, three seeds)"


def reaches(name, accuracy):
    return next(epoch for epoch, one in enumerate(accuracies(name), start=1) if one >= accuracy)


def losses():
    small, large = theory.compare_losses((1, 1000))
    return small, large


# By question, what its answer must say, from the records.
FACTS: dict[str, Callable[[], list[str]]] = {
    "T2": lambda: [
        f"N = 10 gives {final(study('examples', 'train_examples', 10))} % on the test set",
        *(f"{count}: {final(study('examples', 'train_examples', count))}" for count in (20, 50, 100, 200)),
        f"{100 * end('baseline', 'train_accuracy'):.1f} % on the training set, {last('baseline')}",
    ],
    "T3": lambda: [f"gives {machine('linear', None, 0.01, 'scores')[:2]} %", f"{last('circles')} at the end"],
    "T4": lambda: [
        f"1 hidden unit {final(study('hidden', 'hidden_units', 1))} %",
        *(f"{units}: {final(study('hidden', 'hidden_units', units))}" for units in (2, 4, 10, 30, 100)),
    ],
    "T10": lambda: [
        f"median of {median(batch_study(1))} epochs but ends at {final(batch_study(1))} %",
        f"batch 5 after {median(batch_study(5))} and ends at {final(batch_study(5))}",
        f"batch 10 after {median(batch_study(10))} and ends at {final(batch_study(10))}",
        f"batch 50 ends at {final(batch_study(50))} %, the whole set of 200 at {final(batch_study(200))} %",
    ],
    "T11": lambda: [
        f"{final(study('learning-rate', 'lr', 0.003))} %",
        *(f"{lr:g} at {final(study('learning-rate', 'lr', lr))}" for lr in (0.03, 0.07, 0.5, 1.0, 2.0, 5.0)),
    ],
    "T14": lambda: [
        f"{short(losses()[0]['difference'])} on logits of size 1",
        f"NaN for all of {losses()[1]['not_finite']} examples",
        f"{losses()[1]['simplified']:,.2f}",
    ],
    "2.1": lambda: [
        f"equal to {short(implementations_apart())} and end at {last('circles')}",
        f"over 20 seeds it is {final(study('learning-rate', 'lr', 0.07))} here",
        f"{best('circles')} at best",
        f"best {best('lr-2')}",
        f"{sum(one > 0.85 for one in study('learning-rate', 'lr', 2.0)['final']['values'])} of 20 seeds end above 85 %",
        f"noisy ({best('batch-1')}), of 10 good ({best('circles')}), of 50 too slow ({best('batch-50')}",
        f"never learn ({100 * study('init', 'init_std', 0.0)['best']['max']:.1f} %)",
        f"after a median of {median(study('init', 'init_std', 1.0))} epochs, those of 0.3 after "
        f"{median(study('init', 'init_std', 0.3))}:",
    ],
    "2.2": lambda: [
        f"linear {machine('linear', None, 0.01, 'scores')} and sigmoid {machine('sigmoid', None, 0.1, 'scores')}",
        f"RBF reaches {machine('rbf', None, 0.01)} (published",
        f"{polynomial(0.3162)} at C 0.32 and {polynomial(0.1)} at 0.1 and 1",
        f"C of 100 it has {machine('poly', 2, 100, 'scores')}",
        f"from {machine('rbf', None, 0.001)} at C 0.001 to {machine('rbf', None, 316.2)} at 316",
        f"{polynomial(0.003162)} up to C 0.003 and {polynomial(0.01)} at 0.01",
        f"degree 3: {machine('poly', 3, 1, 'scores')}",
    ],
    "13": lambda: [best("mnist-dense"), best("mnist-lenet", 2), f"after {len(history('mnist-dense'))} epochs"],
    "15": lambda: [f"{best('baseline')} (published: around 70 %)"],
    "16": lambda: [
        f"{seconds('batch-32')} with batches of 32, {seconds('baseline')} with 128 and {seconds('batch-512')} with 512",
        f"{best('batch-32', 2)} with 32, in epoch {best_epoch('batch-32')}",
        f"from epoch {lowest('batch-32', 'train_loss')[1]} on even the training loss climbs again, "
        f"from {lowest('batch-32', 'train_loss')[0]:.2f} to {end('batch-32', 'train_loss'):.2f}",
        f"{best('batch-512', 2)} with 512, in the last of {best_epoch('batch-512')} epochs",
        f"{gain('baseline', 'batch-512')} below",
        f"{fmean(accuracies('baseline')[-5:]) - fmean(accuracies('batch-512')[-5:]):.1f} in the mean of the last five",
        "lowest in epoch {1}, {0:.3f}, and ends at {2:.3f}".format(*lowest("batch-512"), end("batch-512", "test_loss")),
        best("lr-1"),
    ],
    "18": lambda: [
        f"lowest at epoch {lowest('baseline')[1]}",
        f"to {end('baseline', 'test_loss'):.1f} at the end",
        f"{end('baseline', 'train_loss'):.4f}",
    ],
    "19": lambda: [
        f"{best('normalize')} (published 75.8 %), {gain('normalize', 'baseline')}",
        f"reached in epoch {reaches('normalize', 70)} instead of {reaches('baseline', 70)}",
    ],
    "21": lambda: [
        f"ZCA {best('zca')}, {gain('zca', 'normalize')} above",
        f"PCA {best('pca')}",
    ],
    "22": lambda: [
        f"{best('augment')} (published: about 80 %) in epoch {best_epoch('augment')} of {len(history('augment'))}",
        "lowest, {:.3f}, in epoch {} and {:.3f} at the end".format(*lowest("augment"), end("augment", "test_loss")),
        f"in epoch {lowest('normalize')[1]} ({lowest('normalize')[0]:.3f}) and {end('normalize', 'test_loss'):.3f}",
        f"training accuracy of {100 * end('augment', 'train_accuracy'):.0f} %",
    ],
    "23": lambda: [
        f"from {best('mnist-lenet', 2)} to {best('mnist-flip', 2)}",
        f"from {best('normalize')} to {best('flip')}",
    ],
    "25": lambda: [
        f"beside {augment_at_30()} without ({seeds_of_augment()})",
        f"intensity and hue {best('intensity-hue')}",
        f"intensity and contrast {best('intensity-contrast')}",
        *(f"{name} {best(name)}" for name in ("affine", "perspective", "blur")),
        f"gives {best('rotation')}, with up to 15°, and {best('vertical-flip')}",
    ],
    "26": lambda: [
        best("schedule", 2),
        f"by {roughness('schedule')} points",
        f"against {roughness('augment')} without",
    ],
    "28": lambda: [
        f"beside {augment_at_30()} for SGD at 0.1 ({seeds_of_augment()})",
        f"Adam {best('adam')}",
        f"RMSprop {best('rmsprop')}",
        f"{best('momentum')} and with Nesterov's look ahead {best('nesterov')}",
        best("momentum-lr-0.1"),
        f"median of {median(study('lbfgs', 'lbfgs', True))} iterations, SGD in "
        f"{median(study('lbfgs', 'lbfgs', False))} epochs",
        f"{final(study('lbfgs', 'lbfgs', True))} % against {final(study('lbfgs', 'lbfgs', False))} after 150",
        f"another schedule: {best('step')}",
        *paired("schedule", "augment"),
        f"decrease too fast: {best('step-iteration')}",
        f"decay has {best('inverse')}",
    ],
    "29": lambda: [
        f"{best('dropout-pytorch')} (published: around 82 %)",
        *paired("dropout", "schedule"),
        "end at {} % and {} with it, at {} % and {} without".format(
            *both_ends("dropout").split(" % and "), *both_ends("schedule").split(" % and ")
        ),
        "ends at {:.3f}, where without dropout it had been {:.3f} in epoch {} and ended at {:.3f}".format(
            end("dropout", "test_loss"), *lowest("schedule"), end("schedule", "test_loss")
        ),
    ],
    "34": lambda: [
        f"{max(accuracies('batch-norm')[:50]):.1f} % within 50 epochs",
        f"{best('batch-norm')} in epoch {best_epoch('batch-norm')} of {len(history('batch-norm'))}",
        f"the last epoch has {last('batch-norm')}",
        f"{best('batch-norm-pytorch')} in epoch {best_epoch('batch-norm-pytorch')} of "
        f"{len(history('batch-norm-pytorch'))}, {last('batch-norm-pytorch')} in the last",
    ],
}


@pytest.mark.parametrize("number", FACTS)
def test_an_answer_says_what_the_records_say(number):
    for fact in FACTS[number]():
        assert fact in ANSWERS[number], fact


def test_the_test_accuracy_is_above_the_training_accuracy_in_the_epochs_that_question_14_names():
    above = [row["test_accuracy"] > row["train_accuracy"] for row in history("dropout-pytorch")]
    assert sum(above[:9]) == 8 and "`rdfia figure 22` shows it: in eight of its first nine epochs" in ANSWERS["14"]


def test_figure_19_stands_still_from_the_epoch_that_question_28_names():
    still = accuracies("step-iteration")[7:]
    assert max(still) - min(still) < 0.2 and "from the eighth epoch on" in ANSWERS["28"]


def test_question_25s_and_28s_words_are_the_judgements():
    judged = {
        name: judgement.judge(REGISTRY[name]) for name in ("affine", "blur", "vertical-flip", "momentum", "nesterov")
    }
    for name in ("affine", "blur", "vertical-flip"):
        assert all(-0.07 < one < -0.04 for one in judged[name].differences.values()), name
    for name in ("intensity-hue", "intensity-contrast"):
        assert all(-0.025 < one < -0.005 for one in judgement.judge(REGISTRY[name]).differences.values()), name
    perspective = judgement.judge(REGISTRY["perspective"])
    low, high = (f"{-100 * one:.1f}" for one in sorted(perspective.differences.values(), reverse=True)[::2])
    assert f"perspective {low} to {high}, the least of them just above the noise" in ANSWERS["25"]
    momentum, nesterov = judged["momentum"], judged["nesterov"]
    apart = [abs(momentum.values[name] - nesterov.values[name]) > 2 * std for name, std in momentum.noise.items()]
    assert not all(apart) and len(momentum.clear) == len(nesterov.clear) == 3
