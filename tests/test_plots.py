"""Every kind of figure: what it draws, whether it can be read, and how it is saved."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from rdfia_keras import plots

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GRID = np.linspace(-2, 2, 41)


def history(epochs, top=0.8, first=1):
    """Rows whose test accuracy is best at the last epoch but one, and then falls."""
    rows = []
    for epoch in range(first, first + epochs):
        reached = top * (1 - 0.7 * np.exp(-epoch / 5))
        rows.append(
            {
                "epoch": epoch,
                "train_loss": 2 * np.exp(-epoch / 8),
                "train_accuracy": min(1.0, reached + 0.1),
                "test_loss": 2 * np.exp(-epoch / 8) + 0.3,
                "test_accuracy": reached,
            }
        )
    if epochs > 1:
        rows[-1]["test_accuracy"] = 0.5 * top
    return rows


def validated(epochs):
    """The same with a validation set, which selects the first epoch."""
    rows = history(epochs)
    return [{**row, "validation_loss": 0.2, "validation_accuracy": 0.7 - 0.001 * i} for i, row in enumerate(rows)]


def diverged():
    rows = history(10)
    rows[6] |= {"train_loss": 4000.0, "test_loss": 9000.0, "test_accuracy": 0.1}
    for row in rows[7:]:
        row |= {"train_loss": float("nan"), "test_loss": float("inf"), "test_accuracy": float("nan")}
    return rows


def points(count=100):
    rng = np.random.default_rng(0)
    labels = np.arange(2 * count) % 2
    angle = rng.uniform(0, 2 * np.pi, 2 * count)
    radius = np.where(labels == 1, 0.33, 1) + rng.normal(0, 0.2, 2 * count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


def panels(count, key, grid=GRID):
    x, y = np.meshgrid(grid, grid)
    decision = 5 * (0.5 - x**2 - y**2 + 0.2 * x)
    values = {"decision": decision, "probability": 1 / (1 + np.exp(-decision))}[key]
    test_points, labels = points()
    panel = {
        "accuracy": 0.955,
        "grid_x": grid,
        "grid_y": grid,
        key: values,
        "points": test_points,
        "labels": labels,
    }
    return [{**panel, "title": f"poly degree {number}, C 0.316"} for number in range(1, count + 1)]


def sweep_rows(*kernels):
    return [
        {
            "kernel": kernel,
            "C": C,
            "degree": degree,
            "train_accuracy": 0.97,
            "test_accuracy": 0.9 - 0.02 * abs(np.log10(C)) - 0.01 * number,
            "support_vectors": 20,
        }
        for number, (kernel, degree) in enumerate(kernels)
        for C in (1000.0, 0.1, 0.001, 1.0)
    ]


def counts(n):
    return 90 * np.eye(n, dtype=int) + np.arange(n * n).reshape(n, n) % 7


def pictures(*shape):
    """Smooth images with a little noise, as photographs are."""
    rng = np.random.default_rng(0)
    height, width = shape[-3:-1]
    ramp = np.add.outer(np.linspace(0, 120, height), np.linspace(0, 80, width))[..., None]
    return (ramp + rng.integers(0, 40, shape)).astype(np.uint8)


def mistakes(count, height=32, channels=3):
    captions = [f"{CIFAR[i % 10]} → {CIFAR[(3 * i + 1) % 10]} {60 + i} %" for i in range(count)]
    return pictures(count, height, height, channels), captions


def ladder():
    """Rows of a comparison: the first with nothing but its own accuracy."""
    row = {"figure": None, "published": None, "base_best": None, "reference": None}
    full = {"figure": 7, "published": 0.7, "base_best": 0.65, "reference": 0.71}
    names = ("baseline", "normalize", "augment", "batch-norm")
    return [(full if i else row) | {"experiment": name, "best": 0.68 + 0.04 * i} for i, name in enumerate(names)]


def seeds_of(*labels, seeds=5, epochs=20):
    """Configurations whose final accuracy rises from one to the next."""
    rng = np.random.default_rng(0)
    rows = []
    for i, label in enumerate(labels):
        final, best = rng.uniform(0.5, 0.6, seeds) + 0.01 * i, rng.uniform(0.7, 0.8, seeds)
        spreads = [
            {"n": seeds, "mean": v.mean(), "std": v.std(ddof=1) if seeds > 1 else None, "values": v.tolist()}
            for v in (final, best)
        ]
        row = {"label": str(label), "n": seeds, "published": 0.6 if i == 0 else None}
        rows.append(
            row | {"final": spreads[0], "best": spreads[1], "curves": rng.uniform(0.3, 0.9, (seeds, epochs, 4))}
        )
    return rows


def layers():
    return [{"layer": f"conv{i}", "side": 5 * i, "begin": 16 - 2 * i} for i in range(1, 6)]


def score_grid():
    return np.random.default_rng(0).dirichlet(np.ones(10), (5, 5))


def costs():
    return [{"layers": n, "backprop": 1e-4 * n, "naive": 1e-3 * n**2} for n in (1, 2, 4, 8, 16, 32)]


LONG_TITLE = "CIFAR-10, batch-norm: normalise, crop and flip, dropout 0.5, learning rate 0.1 × 0.95 an epoch, batch 128"
ALL_KERNELS = (("poly", 2), ("rbf", None), ("poly", 3), ("linear", None), ("sigmoid", None), ("linearsvc", None))

FIGURES = {
    "implementations-1": lambda: plots.implementations({"manual": history(10)}, "MNIST, n_h 100"),
    "implementations-4": lambda: plots.implementations(
        {name: history(150) for name in ("manual", "tape", "layers", "optimizer")}, "Circles, n_h 10"
    ),
    "curves-1": lambda: plots.learning_curves(history(1), "CIFAR-10, baseline", 0.7),
    "curves-100": lambda: plots.learning_curves(history(100), LONG_TITLE, 0.85),
    "implementations-validation": lambda: plots.implementations(
        {name: validated(20) for name in ("manual", "tape", "layers", "optimizer")}, "Circles, n_h 10"
    ),
    "curves-validation": lambda: plots.learning_curves(validated(40), LONG_TITLE, 0.85),
    "curves-diverged": lambda: plots.learning_curves(diverged(), "CIFAR-10, normalise", 0.758),
    "map-1": lambda: plots.decision_map(panels(1, "probability"), ("outer", "inner")),
    "map-3": lambda: plots.decision_map(panels(3, "probability"), ("0", "1"), title="Circles"),
    "map-4": lambda: plots.decision_map(panels(4, "probability"), ("outer", "inner")),
    "svm-1": lambda: plots.svm_panels(panels(1, "decision")),
    "svm-4": lambda: plots.svm_panels(
        panels(4, "decision", np.linspace(-2, 2, 201)), classes=("outer", "inner"), title="Circles"
    ),
    "sweep-2": lambda: plots.svm_sweep(sweep_rows(("poly", 2), ("rbf", None)), "Circles"),
    "sweep-6": lambda: plots.svm_sweep(sweep_rows(*ALL_KERNELS), "Circles"),
    "confusion-2": lambda: plots.confusion_matrix(counts(2), ("outer", "inner"), "Circles"),
    "confusion-10": lambda: plots.confusion_matrix(counts(10), CIFAR, "CIFAR-10"),
    "confusion-40": lambda: plots.confusion_matrix(
        counts(40), [f"flowering {name} {i}" for i, name in enumerate(CIFAR * 4)], "Flowers"
    ),
    "confusion-102": lambda: plots.confusion_matrix(counts(102), range(102), "Flowers"),
    "images-1": lambda: plots.image_grid(*mistakes(1), 5, "CIFAR-10: a mistake"),
    "images-20": lambda: plots.image_grid(*mistakes(20), 5, "CIFAR-10: worst mistakes"),
    "images-grey": lambda: plots.image_grid(*mistakes(7, 8, 1), 4, "Digits: worst mistakes"),
    "augmentation": lambda: plots.augmentation_grid(
        pictures(6, 32, 32, 3), pictures(6, 8, 28, 28, 3), "CIFAR-10, crop 28 × 28 and flip"
    ),
    "runs-2": lambda: plots.runs_side_by_side({"cnn/a": history(1), "cnn/b": history(1, 0.4)}, "2 runs on cifar10"),
    "runs-10": lambda: plots.runs_side_by_side(
        {f"cnn/{'augment-' * 3 * i}{i}": diverged() for i in range(10)}, LONG_TITLE
    ),
    "notice": lambda: plots.notice(LONG_TITLE, "The training diverged in its first epoch: there is no curve to draw."),
    "comparison": lambda: plots.comparison(ladder(), "ladder on CIFAR-10: best test accuracy, ours and published"),
    "sweep points": lambda: plots.sweep_points(seeds_of(2, 10, 50, 200), "hidden units on circles, 5 seeds"),
    "sweep curves": lambda: plots.sweep_curves(seeds_of(2, 10, 50, 200), "hidden units on circles, 5 seeds"),
    "receptive-fields": lambda: plots.receptive_fields(pictures(32, 32, 3), layers()),
    "score-maps": lambda: plots.score_maps(pictures(64, 64, 3), score_grid(), CIFAR, "CIFAR-10, baseline, on a mosaic"),
    "backprop-cost": lambda: plots.backprop_cost(costs()),
}


@pytest.fixture(scope="module", params=FIGURES)
def marked_figure(request):
    """One of each kind, drawn, with the mark: the fullest form that it has."""
    figure = FIGURES[request.param]()
    plots.mark_smoke_test(figure)
    figure.canvas.draw()
    return figure


def shown_ticks(axis):
    """The tick labels that are drawn: matplotlib keeps others, outside the view, on the far side or switched off."""
    low, high = sorted(axis.get_view_interval())
    margin = 1e-9 * (high - low)
    ticks = [tick for tick in axis.get_major_ticks() if low - margin <= tick.get_loc() <= high + margin]
    return [label for tick in ticks for label in (tick.label1, tick.label2) if label.get_visible() and axis.axes.axison]


def texts(figure):
    """Every text that a reader sees."""
    every = set(figure.findobj(Text))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            every -= {
                label
                for tick in axis.get_major_ticks() + axis.get_minor_ticks()
                for label in (tick.label1, tick.label2)
            }
            every |= set(shown_ticks(axis))
    return [text for text in every if text.get_text().strip() and text.get_visible()]


def words(figure):
    return "\n".join(text.get_text() for text in texts(figure))


def overlapping(figure):
    """Pairs of texts whose boxes share more than half a pixel; slanted neighbours are measured across their slant."""
    boxes = [(text, text.get_window_extent()) for text in texts(figure)]
    pairs = []
    for (a, box_a), (b, box_b) in itertools.combinations(boxes, 2):
        if a.get_rotation() == b.get_rotation() == 45:
            between = abs(
                a.get_transform().transform(a.get_position())[0] - b.get_transform().transform(b.get_position())[0]
            )
            apart = between * np.sin(np.pi / 4) >= a.get_fontsize() * figure.dpi / 72
        else:
            width = min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0)
            height = min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0)
            apart = width < 0.5 or height < 0.5
        if not apart:
            pairs.append((a.get_text(), b.get_text()))
    return pairs


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_overlapping_finds_what_overlaps():
    figure = Figure(figsize=(2, 2))
    FigureCanvasAgg(figure)
    figure.text(0.1, 0.5, "one text")
    figure.text(0.2, 0.5, "another")
    figure.text(0.1, 0.9, "free")
    assert [set(pair) for pair in overlapping(figure)] == [{"one text", "another"}]


# All kinds


def test_texts_do_not_overlap(marked_figure):
    assert overlapping(marked_figure) == []


def test_texts_are_inside_the_figure(marked_figure):
    width, height = marked_figure.canvas.get_width_height()
    for text in texts(marked_figure):
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, text.get_text()


def test_texts_are_large_enough_for_a_page(marked_figure):
    assert min(text.get_fontsize() for text in texts(marked_figure)) >= 8
    assert marked_figure.get_figwidth() <= 10


def test_mark_is_the_red_first_line_of_the_title(marked_figure):
    assert plots.SMOKE_TEST_MARK in words(marked_figure)
    assert marked_figure.get_suptitle().splitlines()[0] == plots.SMOKE_TEST_MARK
    red = to_rgb(marked_figure._suptitle.get_color())
    assert red[0] > 2 * max(red[1:])


def test_mark_keeps_the_title():
    figure = plots.learning_curves(history(2), "CIFAR-10, baseline")
    plots.mark_smoke_test(figure)
    assert figure.get_suptitle() == f"{plots.SMOKE_TEST_MARK}\nCIFAR-10, baseline"


def test_mark_is_the_title_of_a_figure_without_one():
    figure = plots.svm_panels(panels(1, "decision"))
    assert figure.get_suptitle() == ""
    plots.mark_smoke_test(figure)
    assert figure.get_suptitle() == plots.SMOKE_TEST_MARK


ONE_OF_EACH_KIND = {name.split("-")[0]: name for name in FIGURES}.values()


@pytest.mark.parametrize("name", FIGURES)
def test_saved_files(name, tmp_path):
    """Without the mark; small; and the same bytes for the same data."""
    figure = FIGURES[name]()
    plots.save(figure, tmp_path / "first.png")
    assert plots.SMOKE_TEST_MARK not in words(figure)
    first = (tmp_path / "first.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert 3_000 < len(first) < plots.MAX_BYTES
    assert not any(chunk in first for chunk in (b"tIME", b"tEXt", b"iTXt", b"zTXt"))
    assert [path.name for path in tmp_path.iterdir()] == ["first.png"]
    if name in ONE_OF_EACH_KIND:
        plots.save(FIGURES[name](), tmp_path / "second.png")
        assert (tmp_path / "second.png").read_bytes() == first


@pytest.mark.parametrize("name", ["curves-1", "map-1"])
def test_saved_files_of_a_smoke_test(name, tmp_path):
    """With a title and without one: with the mark, once even when saved twice; as small as without it."""
    unmarked, figure, marked = FIGURES[name](), FIGURES[name](), FIGURES[name]()
    plots.save(unmarked, tmp_path / "unmarked.png")
    plots.save(figure, tmp_path / "first.png", smoke_test=True)
    assert words(figure).count(plots.SMOKE_TEST_MARK) == 1
    title = figure.get_suptitle()
    plots.save(figure, tmp_path / "second.png", smoke_test=True)
    assert figure.get_suptitle() == title
    plots.mark_smoke_test(marked)
    plots.save(marked, tmp_path / "marked.png")
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "marked.png").read_bytes()
    assert first != (tmp_path / "unmarked.png").read_bytes()
    assert 3_000 < len(first) < plots.MAX_BYTES
    assert (tmp_path / "second.png").stat().st_size < plots.MAX_BYTES


def test_an_animation_of_a_smoke_test_is_marked_in_every_frame():
    frames = panels(3, "probability")
    for smoke_test in (False, True):
        data = plots.decision_animation(frames, ("outer", "inner"), "Circles", smoke_test=smoke_test)
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.n_frames == 3
            for number in range(3):
                picture.seek(number)
                # The title's lines: red letters with the mark, black ones without.
                top = np.asarray(picture.convert("RGB"), dtype=int)[:30]
                assert ((top[..., 0] > 150) & (top[..., 1:] < 100).all(axis=-1)).any() == smoke_test


def test_photographs_of_noise_still_fit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 224, 224, 3), dtype=np.uint8)
    plots.save(plots.image_grid(noise, ["cat → dog 93 %"] * 9, 3, "noise"), tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size < plots.MAX_BYTES


def test_a_figure_that_cannot_be_rendered_leaves_the_old_file(tmp_path):
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    figure = plots.learning_curves(history(2), "CIFAR-10")
    figure.axes[0].set_title(r"$\nonsense$")
    with pytest.raises(ValueError):
        plots.save(figure, path)
    assert path.read_bytes() == b"old"


def test_needs_neither_pyplot_nor_tensorflow():
    code = (
        "import sys, rdfia_keras.plots as p;"
        "rows = [dict(epoch=1, train_loss=1, test_loss=1, train_accuracy=1, test_accuracy=1)];"
        "p.saving._png(p.learning_curves(rows, 't'), 50);"
        "sys.exit(any(m in sys.modules for m in ('matplotlib.pyplot', 'tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Curves


def test_implementations_draws_a_loss_above_an_accuracy_for_each():
    histories = {"manual": history(5), "tape": history(7, top=0.4)}
    figure = plots.implementations(histories, "Circles, n_h 10, eta 0.07")
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes] == ["manual", "tape", "", ""]
    assert figure.get_suptitle() == "Circles, n_h 10, eta 0.07"
    for axes, rows in zip(figure.axes[2:], histories.values(), strict=True):
        expected = [100 * row["test_accuracy"] for row in rows]
        np.testing.assert_allclose(lines(axes)["test"].get_ydata(), expected)
    np.testing.assert_allclose(
        lines(figure.axes[1])["train"].get_ydata(), [row["train_loss"] for row in histories["tape"]]
    )


def test_implementations_share_a_range_that_holds_every_curve():
    figure = plots.implementations({"manual": history(5, top=0.9), "tape": history(5, top=0.2)}, "Circles")
    low, high = figure.axes[2].get_ylim()
    every = np.concatenate([line.get_ydata() for axes in figure.axes[2:] for line in axes.get_lines()])
    assert low <= every.min() and every.max() <= high


@pytest.mark.parametrize("count", [0, 5])
def test_implementations_refuses_other_numbers(count):
    with pytest.raises(ValueError, match="1 to 4"):
        plots.implementations({str(i): history(2) for i in range(count)}, "Circles")


def test_learning_curves_draws_the_history():
    rows = history(30)
    figure = plots.learning_curves(rows, "CIFAR-10, baseline", published=0.7)
    loss, accuracy = figure.axes
    assert (loss.get_xlabel(), accuracy.get_ylabel()) == ("epoch", "accuracy (%)")
    assert "loss" in loss.get_ylabel()
    drawn = lines(loss) | {f"{name} accuracy": line for name, line in lines(accuracy).items()}
    for name, key, scale in [
        ("train", "train_loss", 1),
        ("test", "test_loss", 1),
        ("train accuracy", "train_accuracy", 100),
        ("test accuracy", "test_accuracy", 100),
    ]:
        np.testing.assert_array_equal(drawn[name].get_xdata(), np.arange(1, 31))
        np.testing.assert_allclose(drawn[name].get_ydata(), [scale * row[key] for row in rows])


def test_learning_curves_marks_the_best_and_the_published_accuracy():
    rows = history(30)
    accuracy = plots.learning_curves(rows, "CIFAR-10, baseline", published=0.7).axes[1]
    best = 100 * rows[28]["test_accuracy"]
    star = lines(accuracy)[f"best test {best:.1f} % (epoch 29)"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (29, pytest.approx(best))
    published = lines(accuracy)["published 70.0 %"]
    assert list(published.get_ydata()) == [70, 70]
    assert published.get_linestyle() == "--"
    assert "published 70.0 %" in [text.get_text() for text in accuracy.get_legend().get_texts()]


def test_learning_curves_draws_the_validation_set_and_what_it_selects():
    rows = validated(30)
    loss, accuracy = plots.learning_curves(rows, "CIFAR-10, baseline").axes
    np.testing.assert_allclose(lines(loss)["validation"].get_ydata(), [row["validation_loss"] for row in rows])
    drawn = lines(accuracy)["validation"]
    np.testing.assert_allclose(drawn.get_ydata(), [100 * row["validation_accuracy"] for row in rows])
    assert len({lines(accuracy)[name].get_linestyle() for name in ("train", "test", "validation")}) == 3
    selected = 100 * rows[0]["test_accuracy"]
    star = lines(accuracy)[f"selected test {selected:.1f} % (epoch 1)"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (1, pytest.approx(selected))
    assert "validation" not in lines(plots.learning_curves(history(3), "CIFAR-10").axes[1])


def test_learning_curves_without_a_published_value():
    accuracy = plots.learning_curves(history(3), "CIFAR-10").axes[1]
    assert not any("published" in label for label in lines(accuracy))


@pytest.mark.parametrize("published", [0.02, 0.99])
def test_published_value_is_in_view(published):
    low, high = plots.learning_curves(history(3, top=0.5), "CIFAR-10", published).axes[1].get_ylim()
    assert low < 100 * published < high <= 101


def test_runs_side_by_side_have_a_colour_each():
    histories = {"_cnn/a": history(5), "cnn/$b$": history(7, top=0.4), "c": history(6)}
    figure = plots.runs_side_by_side(histories, "3 runs on cifar10")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*histories, "test", "train"]
    named = [line.get_color() for line in legend.get_lines()][:3]
    assert len(set(named)) == 3
    for axes, quantity, scale in zip(figure.axes, ("accuracy", "loss"), (100, 1), strict=True):
        assert quantity in axes.get_ylabel() and len(axes.get_lines()) == 6
        for i, (rows, colour) in enumerate(zip(histories.values(), named, strict=True)):
            for line, split in zip(axes.get_lines()[2 * i : 2 * i + 2], ("test", "train"), strict=True):
                assert line.get_color() == colour and line.get_linestyle() == {"test": "-", "train": "--"}[split]
                np.testing.assert_array_equal(line.get_xdata(), np.arange(1, len(rows) + 1))
                np.testing.assert_allclose(line.get_ydata(), [scale * row[f"{split}_{quantity}"] for row in rows])


@pytest.mark.parametrize("count", [0, 11])
def test_runs_side_by_side_refuses_more_than_can_be_told_apart(count):
    with pytest.raises(ValueError, match="1 to 10"):
        plots.runs_side_by_side({str(i): history(2) for i in range(count)}, "cifar10")


def test_one_epoch_is_a_visible_point():
    figure = plots.learning_curves(history(1), "CIFAR-10")
    figure.canvas.draw()
    for axes in figure.axes:
        assert lines(axes)["train"].get_marker() == "o"
        assert [label.get_text() for label in shown_ticks(axes.xaxis)] == ["1"]


def test_many_epochs_are_lines_without_markers():
    figure = plots.learning_curves(history(100), "CIFAR-10")
    assert lines(figure.axes[0])["train"].get_marker() == "None"


def test_divergence_leaves_a_gap_and_is_told():
    figure = plots.learning_curves(diverged(), "CIFAR-10")
    figure.canvas.draw()
    loss, accuracy = figure.axes
    np.testing.assert_array_equal(np.isnan(lines(loss)["test"].get_ydata()), [False] * 7 + [True] * 3)
    assert lines(loss)["first not finite: epoch 8"].get_xdata()[0] == 8
    assert loss.get_yscale() == "log"
    assert "1000" in [label.get_text() for label in shown_ticks(loss.yaxis)]
    assert any(label.endswith("(epoch 6)") for label in lines(accuracy))


def test_a_history_of_nothing_but_nan_can_be_drawn(tmp_path):
    rows = [{key: None if key == "test_loss" else float("nan") for key in history(1)[0]} | {"epoch": 1}]
    figure = plots.learning_curves(rows, "CIFAR-10")
    plots.save(figure, tmp_path / "curves.png")
    assert "best" not in words(figure)
    assert "first not finite: epoch 1" in words(figure)


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "train_loss": 1.0}]])
def test_learning_curves_refuses_an_incomplete_history(rows):
    with pytest.raises(ValueError, match="history"):
        plots.learning_curves(rows, "CIFAR-10")


def test_a_dollar_in_a_title_is_a_dollar():
    figure = plots.learning_curves(history(2), "folder $x_1 and $y")
    figure.canvas.draw()
    assert not figure._suptitle.get_parse_math()


def test_sweep_draws_sorted_curves_in_the_homework_colours():
    rows = sweep_rows(("poly", 2), ("rbf", None))
    figure = plots.svm_sweep(rows, "Circles: figure 5")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    drawn = {label.split(",")[0]: line for label, line in lines(axes).items()}
    red, blue = (to_rgb(drawn[name].get_color()) for name in ("poly degree 2", "rbf"))
    assert red[0] > 2 * max(red[1:]) and blue[2] > 1.5 * max(blue[:2])
    for name in ("poly degree 2", "rbf"):
        assert list(drawn[name].get_xdata()) == [0.001, 0.1, 1.0, 1000.0]
        assert drawn[name].get_linestyle() == "-"
    np.testing.assert_allclose(drawn["rbf"].get_ydata(), [83, 87, 89, 83])
    train = [line for line in axes.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert len(train) == 2
    assert all(list(line.get_ydata()) == [97] * 4 for line in train)


def test_sweep_marks_and_names_the_best():
    figure = plots.svm_sweep(sweep_rows(("poly", 2), ("rbf", None)), "Circles")
    stars = [line for line in figure.axes[0].get_lines() if line.get_marker() == "*"]
    assert [(star.get_xdata()[0], round(star.get_ydata()[0])) for star in stars] == [(1.0, 90), (1.0, 89)]
    assert "poly degree 2, test: ★ 90.0 % at C 1" in words(figure)


def test_sweep_prints_plain_numbers():
    figure = plots.svm_sweep(sweep_rows(("rbf", None)), "Circles")
    figure.canvas.draw()
    shown = [label.get_text() for label in shown_ticks(figure.axes[0].xaxis)]
    assert {"0.001", "0.1", "1000"} <= set(shown)


@pytest.mark.parametrize("rows", [[], [sweep_rows(("rbf", None))[0] | {"C": 0.0}]])
def test_sweep_refuses_what_a_log_axis_cannot_show(rows):
    with pytest.raises(ValueError, match="positive C"):
        plots.svm_sweep(rows, "Circles")


def test_comparison_draws_yours_beside_what_is_known():
    figure = plots.comparison(ladder(), "ladder")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["baseline", "normalize (figure 7)"]
    drawn = [(line.get_label(), list(line.get_xdata())) for line in axes.get_lines() if line.get_ydata()[0] == 0]
    assert drawn == [("yours, best epoch", [68])]
    known = {"without the change", "published", "reference, best epoch", "yours, best epoch"}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == known


def test_comparison_without_a_run_of_yours_draws_and_prints_the_reference():
    (row,) = [{**ladder()[1], "best": None}]
    (axes,) = plots.comparison([row], "ladder").axes
    assert {line.get_label() for line in axes.get_lines()} >= {"reference, best epoch", "published"}
    assert "yours, best epoch" not in {line.get_label() for line in axes.get_lines()}
    assert [text.get_text() for text in axes.texts] == ["71.0"]


@pytest.mark.parametrize("draw", [plots.comparison, plots.sweep_points, plots.sweep_curves])
def test_comparisons_refuse_nothing(draw):
    with pytest.raises(ValueError, match="no row"):
        draw([], "ladder")


def test_a_sweep_shows_every_run_mean_and_deviation():
    rows = seeds_of("lr 0.1", "lr 0.2")
    (axes,) = plots.sweep_points(rows, "lr").axes
    points = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 5]
    np.testing.assert_allclose(points[0], 100 * np.array(rows[0]["final"]["values"]))
    texts = [text.get_text() for text in axes.texts]
    assert texts == [f"{100 * row['final']['mean']:.1f}  (n = 5)" for row in rows]
    loss, accuracy = plots.sweep_curves(rows, "lr").axes
    np.testing.assert_allclose(accuracy.get_lines()[1].get_ydata(), 100 * rows[1]["curves"][:, :, 3].mean(axis=0))
    np.testing.assert_allclose(loss.get_lines()[0].get_ydata(), rows[0]["curves"][:, :, 2].mean(axis=0))
    assert len(plots.sweep_curves(seeds_of("one", seeds=1), "one run").axes[0].collections) == 0


def test_of_too_many_configurations_the_best_are_drawn_and_the_title_says_so():
    figure = plots.sweep_points(seeds_of(*range(70)), "hidden units")
    (axes,) = figure.axes
    assert len(axes.texts) == 60 and "the best 60 of 70" in figure.get_suptitle().replace("\n", " ")


# Maps


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_decision_map_panels(count):
    figure = plots.decision_map(panels(count, "probability"), ("outer", "inner"), title="Circles")
    *axes, bar = figure.axes
    assert [axis.get_title() for axis in axes] == [f"poly degree {n}, C 0.316" for n in range(1, count + 1)]
    assert bar.get_ylabel() == "probability: inner"
    for axis in axes:
        assert (axis.get_xlim(), axis.get_ylim()) == ((-2, 2), (-2, 2))


def test_decision_map_draws_every_point_of_both_classes():
    test_points, labels = points()
    axes = plots.decision_map(panels(1, "probability"), ("outer", "inner")).axes[0]
    for number, name in enumerate(("outer", "inner")):
        np.testing.assert_array_equal(lines(axes)[f"test, {name}"].get_xydata(), test_points[labels == number])
    assert lines(axes)["test, outer"].get_marker() != lines(axes)["test, inner"].get_marker()


def boundary(axes):
    (contour,) = [item for item in axes.collections if hasattr(item, "levels")]
    return contour.get_paths()[0].vertices


def test_decision_map_draws_probabilities_and_their_boundary():
    panel = panels(1, "probability")[0]
    axes = plots.decision_map([panel], ("outer", "inner")).axes[0]
    np.testing.assert_array_equal(axes.collections[0].get_array(), panel["probability"])
    x, y = boundary(axes).T
    np.testing.assert_allclose(x**2 + y**2 - 0.2 * x, 0.5, atol=0.02)


def test_a_map_of_one_class_has_no_boundary(recwarn):
    panel = panels(1, "probability")[0] | {"probability": np.full((41, 41), 0.2)}
    figure = plots.decision_map([panel], ("outer", "inner"))
    figure.canvas.draw()
    assert len(figure.axes[0].collections) == 1
    assert not recwarn.list


def test_svm_panels_titles_signs_and_boundary():
    panel = panels(1, "decision")[0]
    figure = plots.svm_panels([panel] * 4, classes=("outer", "inner"))
    assert len(figure.axes) == 5
    axes = figure.axes[3]
    assert axes.get_title() == "poly degree 1, C 0.316: test 95.5 %"
    shade = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.sign(shade), np.sign(panel["decision"]))
    assert (shade.min(), shade.max()) == (-1, 1)
    x, y = boundary(axes).T
    np.testing.assert_allclose(x**2 + y**2 - 0.2 * x, 0.5, atol=0.02)


def test_svm_panels_of_a_constant_machine():
    panel = panels(1, "decision")[0] | {"decision": np.zeros((41, 41))}
    axes = plots.svm_panels([panel]).axes[0]
    assert np.all(axes.collections[0].get_array() == 0)


@pytest.mark.parametrize(
    "change",
    [
        {"grid_x": GRID[:-1]},
        {"points": np.zeros((200, 3))},
        {"points": np.zeros((199, 2))},
        {"labels": np.full(200, 2)},
        {"value": np.full((41, 41), np.nan)},
        {"value": np.zeros((41, 40))},
    ],
)
def test_panels_that_do_not_fit(change):
    for key, draw in (
        ("probability", lambda bad: plots.decision_map([bad], ("outer", "inner"))),
        ("decision", lambda bad: plots.svm_panels([bad])),
    ):
        renamed = {key if name == "value" else name: value for name, value in change.items()}
        with pytest.raises(ValueError):
            draw(panels(1, key)[0] | renamed)


def test_maps_refuse_wrong_numbers_and_probabilities():
    good = panels(1, "probability")[0]
    for bad, classes in (([], "ab"), ([good] * 5, "ab"), ([good], "abc")):
        with pytest.raises(ValueError, match="1 to 4 panels"):
            plots.decision_map(bad, classes)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        plots.decision_map([good | {"probability": 2 * good["probability"]}], "ab")
    with pytest.raises(ValueError, match="lacks points"):
        plots.decision_map([{key: value for key, value in good.items() if key != "points"}], "ab")


# Matrices and images


def test_confusion_matrix_shows_percents_of_the_row():
    figure = plots.confusion_matrix([[30, 10], [0, 5]], ("outer", "inner"), "Circles, rbf")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[75, 25], [0, 100]])
    assert [text.get_text() for text in axes.texts] == ["75", "25", "", "100"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["outer", "inner"]


def test_confusion_matrix_prints_counts_when_asked():
    figure = plots.confusion_matrix([[30, 10], [0, 5]], ("outer", "inner"), "Circles, rbf", counts=True)
    assert [text.get_text() for text in figure.axes[0].texts] == ["30", "10", "", "5"]


def test_confusion_matrix_of_a_class_without_examples():
    figure = plots.confusion_matrix([[0, 0], [1, 3]], ("a", "b"), "t")
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[0, 0], [25, 75]])


@pytest.mark.parametrize(("n", "named"), [(12, 12), (40, 40), (102, 34)])
def test_confusion_matrix_names_as_many_classes_as_fit(n, named):
    axes = plots.confusion_matrix(counts(n), [f"class {i}" for i in range(n)], "t").axes[0]
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == named
    assert len(axes.texts) == (144 if n == 12 else 0)


def test_long_class_names_are_cut():
    axes = plots.confusion_matrix(counts(2), ["x" * 40, "y" * 20], "t").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x" * 19 + "…", "y" * 20]


@pytest.mark.parametrize(
    ("matrix", "classes"),
    [(np.eye(3), "ab"), (np.ones((2, 3)), "ab"), (np.zeros((0, 0)), ""), ([[1, -1], [0, 1]], "ab"), ([[np.nan]], "a")],
)
def test_confusion_matrix_refuses(matrix, classes):
    with pytest.raises(ValueError):
        plots.confusion_matrix(matrix, classes, "t")


def test_image_grid_shows_each_image_under_its_caption():
    images, captions = mistakes(7)
    figure = plots.image_grid(images, captions, 3, "CIFAR-10: worst mistakes")
    filled = [axes for axes in figure.axes if axes.images]
    assert (len(figure.axes), len(filled)) == (9, 7)
    for axes, image, caption in zip(filled, images, captions, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
        # A caption may be wrapped, but not between a number and its percent sign.
        assert axes.get_title().replace("\n", " ").replace("\xa0", " ") == caption
        assert not axes.get_title().endswith("\n%")


def test_image_grid_clips_floats_and_shows_grey():
    images = np.array([-10.0, 0.4, 127.6, 300.0]).reshape(1, 2, 2, 1)
    axes = plots.image_grid(images, ["one"], 1, "t").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0, 0], [128, 255]])
    assert axes.images[0].get_clim() == (0, 255)
    assert axes.images[0].get_cmap().name == "gray"


def test_large_images_are_averaged_down():
    images = np.zeros((10, 300, 200, 3), dtype=np.uint8)
    images[:, ::2] = 100
    shown = plots.image_grid(images, [""] * 10, 5, "t").axes[0].images[0].get_array()
    assert 10 * shown.shape[0] * shown.shape[1] <= plots.images.MAX_PIXELS
    assert shown.shape[0] / shown.shape[1] == pytest.approx(1.5, abs=0.05)
    assert shown.mean() == pytest.approx(50, abs=1)


@pytest.mark.parametrize(
    ("shape", "captions", "columns"),
    [((2, 8, 8), 2, 1), ((2, 8, 8, 2), 2, 1), ((2, 8, 8, 3), 1, 1), ((0, 8, 8, 3), 0, 1), ((2, 8, 8, 3), 2, 0)],
)
def test_image_grid_refuses(shape, captions, columns):
    with pytest.raises(ValueError):
        plots.image_grid(np.zeros(shape), ["caption"] * captions, columns, "t")


def test_image_grid_refuses_nan():
    with pytest.raises(ValueError, match="finite"):
        plots.image_grid(np.full((1, 2, 2, 1), np.nan), ["one"], 1, "t")


def test_augmentation_grid_puts_the_original_first():
    originals, augmented = pictures(2, 32, 32, 3), 255 - pictures(2, 3, 28, 28, 3)
    figure = plots.augmentation_grid(originals, augmented, "CIFAR-10, crop and flip")
    axes = np.reshape(figure.axes, (2, 4))
    assert [axis.get_title() for axis in axes[0]] == ["original", "version 1", "version 2", "version 3"]
    for row in range(2):
        np.testing.assert_array_equal(axes[row, 0].images[0].get_array(), originals[row])
        for version in range(3):
            np.testing.assert_array_equal(axes[row, version + 1].images[0].get_array(), augmented[row, version])


@pytest.mark.parametrize(
    ("originals", "augmented"),
    [
        ((2, 8, 8, 3), (3, 2, 8, 8, 3)),
        ((2, 8, 8, 3), (2, 8, 8, 3)),
        ((2, 8, 8, 3), (2, 0, 8, 8, 3)),
        ((8, 8, 3), (1, 2, 8, 8, 3)),
    ],
)
def test_augmentation_grid_refuses(originals, augmented):
    with pytest.raises(ValueError):
        plots.augmentation_grid(np.zeros(originals), np.zeros(augmented), "t")
