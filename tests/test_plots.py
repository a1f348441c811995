"""Every kind of figure: what its chart says, what is drawn, whether it can be read, and how it is saved."""

import io
import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from rdfia_keras import plots
from rdfia_keras.plots import charts, drawing, png
from rdfia_keras.result import percent

CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GRID = np.linspace(-2, 2, 41)


def history(epochs, top=0.8):
    """Rows whose test accuracy is best at the last epoch but one, and then falls."""
    rows = []
    for epoch in range(1, epochs + 1):
        reached, loss = top * (1 - 0.7 * np.exp(-epoch / 5)), 2 * np.exp(-epoch / 8)
        row = {"epoch": epoch, "train_loss": loss, "train_accuracy": min(1.0, reached + 0.1)}
        rows.append(row | {"test_loss": loss + 0.3, "test_accuracy": reached})
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
    panel = {"accuracy": 0.955, "grid_x": grid, "grid_y": grid, key: values, "points": test_points, "labels": labels}
    return [{**panel, "title": f"poly degree {number}, C 0.316"} for number in range(1, count + 1)]


def sweep_rows(*kernels):
    def row(number, kernel, degree, C):
        test = 0.9 - 0.02 * abs(np.log10(C)) - 0.01 * number
        return {"kernel": kernel, "C": C, "degree": degree, "train_accuracy": 0.97, "test_accuracy": test}

    return [row(n, *kernel, C) for n, kernel in enumerate(kernels) for C in (1000.0, 0.1, 0.001, 1.0)]


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

    def measure(values):
        return {"mean": values.mean(), "std": values.std(ddof=1) if seeds > 1 else None, "values": values.tolist()}

    rows = []
    for i, label in enumerate(labels):
        row = {"label": str(label), "n": seeds, "published": 0.6 if i == 0 else None}
        row |= {
            "final": measure(rng.uniform(0.5, 0.6, seeds) + 0.01 * i),
            "best": measure(rng.uniform(0.7, 0.8, seeds)),
        }
        rows.append(row | {"curves": rng.uniform(0.3, 0.9, (seeds, epochs, 4))})
    return rows


def heat_maps(count):
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8)), (-0.5, 31.5, 31.5, -0.5)


LONG_TITLE = "CIFAR-10, batch-norm: normalise, crop and flip, dropout 0.5, learning rate 0.1 × 0.95 an epoch, batch 128"
ALL_KERNELS = (("poly", 2), ("rbf", None), ("poly", 3), ("linear", None), ("sigmoid", None), ("linearsvc", None))
FOUR = ("manual", "tape", "layers", "optimizer")
SCORES = [{"class": name, "recall": 0.5 + 0.04 * i, "precision": 0.9 - 0.05 * i} for i, name in enumerate(CIFAR)]
BINS = [{"low": i / 10, "high": (i + 1) / 10, "count": 9 * i, "confidence": 0.9, "accuracy": 0.8} for i in range(10)]
SCORE_GRID = np.random.default_rng(0).dirichlet(np.ones(10), (5, 5))
LAYERS = [{"layer": f"conv{i}", "side": 5 * i, "begin": 16 - 2 * i} for i in range(1, 6)]
COSTS = [{"layers": n, "backprop": 1e-4 * n, "naive": 1e-3 * n**2} for n in (1, 2, 4, 8, 16, 32)]

FIGURES = {
    "implementations": lambda: plots.implementations({name: validated(150) for name in FOUR}, "Circles, n_h 10"),
    "curves": lambda: plots.learning_curves(validated(100), LONG_TITLE, 0.85),
    "curves-diverged": lambda: plots.learning_curves(diverged(), "CIFAR-10, normalise", 0.758),
    "map-1": lambda: plots.decision_map(panels(1, "probability"), ("outer", "inner")),
    "map-4": lambda: plots.decision_map(panels(4, "probability"), ("outer", "inner"), title="Circles"),
    "svm": lambda: plots.svm_panels(panels(4, "decision", np.linspace(-2, 2, 201)), title="Circles"),
    "sweep": lambda: plots.svm_sweep(sweep_rows(*ALL_KERNELS), "Circles", {("poly", 2): 0.955}),
    "confusion-10": lambda: plots.confusion_matrix(counts(10), CIFAR, "CIFAR-10"),
    "confusion-40": lambda: plots.confusion_matrix(
        counts(40), [f"flowering {name} {i}" for i, name in enumerate(CIFAR * 4)], "Flowers"
    ),
    "images-1": lambda: plots.image_grid(*mistakes(1), 5, "CIFAR-10: a mistake"),
    "images-20": lambda: plots.image_grid(*mistakes(20), 5, "CIFAR-10: worst mistakes"),
    "augmentation": lambda: plots.augmentation_grid(
        pictures(2, 32, 32, 3), pictures(2, 8, 28, 28, 3), "CIFAR-10, crop 28 × 28 and flip"
    ),
    "runs": lambda: plots.runs_side_by_side(
        {f"cnn/{'augment-' * 3 * i}{i}": diverged() for i in range(10)}, LONG_TITLE
    ),
    "notice": lambda: plots.notice(LONG_TITLE, "The training diverged in its first epoch: there is no curve to draw."),
    "comparison": lambda: plots.comparison(ladder(), "ladder on CIFAR-10: best test accuracy, ours and published"),
    "points": lambda: plots.sweep_points(seeds_of(2, 10, 50, 200), "hidden units on circles, 5 seeds"),
    "means": lambda: plots.sweep_curves(seeds_of(2, 10, 50, 200), "hidden units on circles, 5 seeds"),
    "receptive-fields": lambda: plots.receptive_fields(pictures(32, 32, 3), LAYERS),
    "score-maps": lambda: plots.score_maps(pictures(64, 64, 3), SCORE_GRID, CIFAR, "CIFAR-10, baseline, on a mosaic"),
    "backprop-cost": lambda: plots.backprop_cost(COSTS),
    "predictions": lambda: plots.prediction_rows(*mistakes(3), [[("cat", 0.9), ("dog", 0.1)]] * 3, heat_maps(3), "cnn"),
    "attribution": lambda: plots.attribution_grid(
        *mistakes(3), {"Grad-CAM": heat_maps(3), "occlusion": heat_maps(3)}, "CIFAR-10, baseline: worst mistakes"
    ),
    "filters": lambda: plots.filter_grid(np.random.default_rng(0).normal(size=(5, 5, 3, 20)), "baseline: conv1"),
    "classes": lambda: plots.class_scores(SCORES, "CIFAR-10, baseline"),
    "reliability": lambda: plots.reliability(BINS, 0.1234, "CIFAR-10, baseline"),
    "robustness": lambda: plots.robustness({"blur": [(0, 0.8), (2, 0.3)], "shift": [(0, 0.8), (4, 0.6)]}, "baseline"),
    "class": lambda: plots.class_bars([("softmax", 9, 2, 1), ("train_epoch", 4, 4, 4)]),
}


def shown_ticks(axis):
    """The tick labels that are drawn: matplotlib keeps others, outside the view, on the far side or switched off."""
    low, high = sorted(axis.get_view_interval())
    margin = 1e-9 * (high - low)
    ticks = [tick for tick in axis.get_major_ticks() if low - margin <= tick.get_loc() <= high + margin]
    return [label for tick in ticks for label in (tick.label1, tick.label2) if label.get_visible() and axis.axes.axison]


def texts(figure):
    """Every text that a reader sees."""
    every = set(figure.findobj(Text))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        ticks = axis.get_major_ticks() + axis.get_minor_ticks()
        every -= {label for tick in ticks for label in (tick.label1, tick.label2)}
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
            x_a, x_b = (text.get_transform().transform(text.get_position())[0] for text in (a, b))
            apart = abs(x_a - x_b) * np.sin(np.pi / 4) >= a.get_fontsize() * figure.dpi / 72
        else:
            width = min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0)
            height = min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0)
            apart = width < 0.5 or height < 0.5
        if not apart:
            pairs.append((a.get_text(), b.get_text()))
    return pairs


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def named(chart):
    return {series.name: series for series in chart.series}


# --- all kinds --------------------------------------------------------------------------------------------------------


def test_overlapping_finds_what_overlaps():
    figure = Figure(figsize=(2, 2))
    FigureCanvasAgg(figure)
    figure.text(0.1, 0.5, "one text")
    figure.text(0.2, 0.5, "another")
    figure.text(0.1, 0.9, "free")
    assert [set(pair) for pair in overlapping(figure)] == [{"one text", "another"}]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_small_and_legible(name, tmp_path):
    """With the mark of a smoke test, the fullest form: a red first line."""
    figure = FIGURES[name]()
    title = figure.get_suptitle()
    # That of the file: what is measured below is then what was drawn.
    figure.dpi = png.DPIS[0]
    plots.save(figure, tmp_path / "saved.png", smoke_test=True)
    saved = (tmp_path / "saved.png").read_bytes()
    assert saved.startswith(b"\x89PNG") and 3_000 < len(saved) < png.MAX_BYTES
    assert not any(chunk in saved for chunk in (b"tIME", b"tEXt", b"iTXt", b"zTXt"))
    assert [path.name for path in tmp_path.iterdir()] == ["saved.png"]
    assert figure.get_suptitle() == f"{png.SMOKE_TEST_MARK}\n{title}".rstrip("\n")
    red = to_rgb(figure._suptitle.get_color())
    assert red[0] > 2 * max(red[1:])
    assert overlapping(figure) == []
    width, height = figure.canvas.get_width_height()
    for text in texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, text.get_text()
    assert min(text.get_fontsize() for text in texts(figure)) >= 8 and figure.get_figwidth() <= 10


def test_equal_figures_are_equal_files_unless_one_is_of_a_smoke_test(tmp_path):
    figures = [FIGURES["images-1"]() for _ in range(2)]
    for number, figure in enumerate(figures):
        plots.save(figure, tmp_path / f"{number}.png")
        assert png.SMOKE_TEST_MARK not in words(figure)
    unmarked = (tmp_path / "0.png").read_bytes()
    assert (tmp_path / "1.png").read_bytes() == unmarked
    plots.save(figures[0], tmp_path / "0.png", smoke_test=True)
    assert (tmp_path / "0.png").read_bytes() != unmarked


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
    assert (tmp_path / "noise.png").stat().st_size < png.MAX_BYTES


def test_a_figure_that_cannot_be_rendered_leaves_the_old_file(tmp_path):
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    figure = plots.learning_curves(history(2), "folder $x_1 and $y")
    figure.canvas.draw()
    assert not figure._suptitle.get_parse_math(), "a dollar in a title is a dollar"
    figure.axes[0].set_title(r"$\nonsense$")
    with pytest.raises(ValueError):
        plots.save(figure, path)
    assert path.read_bytes() == b"old"


# --- curves -----------------------------------------------------------------------------------------------------------


def test_a_history_is_described_and_drawn():
    rows = history(30)
    loss, accuracy = charts.run_curves(rows, "CIFAR-10", published=0.7)
    assert (loss.title, accuracy.title, accuracy.y.label) == ("CIFAR-10: loss", "CIFAR-10: accuracy", "accuracy (%)")
    best = 100 * rows[28]["test_accuracy"]
    *_, published, star = accuracy.series
    assert (star.name, star.x, star.y) == (f"best test {best:.1f} % (epoch 29)", [29], [pytest.approx(best)])
    assert (published.name, published.y) == ("published 70.0 %", [70, 70]) and len(loss.series) == 2
    assert f"highest {best:.1f} % in epoch 29" in accuracy.summary and "published 70.0 %" in accuracy.summary
    figure = plots.learning_curves(rows, "CIFAR-10, baseline", published=0.7)
    for chart, axes, quantity, scale in zip((loss, accuracy), figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", chart.y.label)
        for split in ("train", "test"):
            np.testing.assert_allclose(named(chart)[split].y, [scale * row[f"{split}_{quantity}"] for row in rows])
            np.testing.assert_array_equal(lines(axes)[split].get_xdata(), np.arange(1, 31))
            np.testing.assert_allclose(lines(axes)[split].get_ydata(), named(chart)[split].y)
    drawn = lines(figure.axes[1])
    assert (drawn[star.name].get_xdata()[0], list(drawn["published 70.0 %"].get_ydata())) == (29, [70, 70])
    assert "published 70.0 %" in [text.get_text() for text in figure.axes[1].get_legend().get_texts()]


def test_the_validation_set_and_what_it_selects_are_described():
    rows = validated(30)
    loss, accuracy = charts.run_curves(rows)
    assert named(loss)["validation"].y == [row["validation_loss"] for row in rows]
    assert len({series.line for series in accuracy.series[:3]}) == 3
    selected = 100 * rows[0]["test_accuracy"]
    assert named(accuracy)[f"selected test {selected:.1f} % (epoch 1)"].x == [1]
    assert "validation" not in named(charts.run_curves(history(3))[1])


@pytest.mark.parametrize("published", [0.02, 0.99])
def test_published_value_is_in_view(published):
    low, high = plots.learning_curves(history(3, top=0.5), "CIFAR-10", published).axes[1].get_ylim()
    assert low < 100 * published < high <= 101


def test_few_epochs_are_marked_points_and_many_are_lines():
    figure = plots.learning_curves(history(1), "CIFAR-10")
    figure.canvas.draw()
    for axes in figure.axes:
        assert lines(axes)["train"].get_marker() == "o"
        assert [label.get_text() for label in shown_ticks(axes.xaxis)] == ["1"]
    assert {series.marker for series in charts.run_curves(history(100))[0].series} == {""}


def test_divergence_leaves_a_gap_and_is_marked():
    loss, accuracy = charts.run_curves(diverged())
    assert [y is None for y in named(loss)["test"].y] == [False] * 7 + [True] * 3
    assert named(loss)["first not finite: epoch 8"].x == [8, 8]
    assert loss.y.kind == "log" and accuracy.series[-1].x == [6]
    figure = plots.learning_curves(diverged(), "CIFAR-10")
    figure.canvas.draw()
    axes = figure.axes[0]
    np.testing.assert_array_equal(np.isnan(lines(axes)["test"].get_ydata()), [False] * 7 + [True] * 3)
    assert axes.get_yscale() == "log" and "1000" in [label.get_text() for label in shown_ticks(axes.yaxis)]
    assert lines(axes)["first not finite: epoch 8"].get_xdata()[0] == 8


def test_a_history_of_nothing_but_nan_can_be_drawn(tmp_path):
    rows = [{key: None if key == "test_loss" else float("nan") for key in history(1)[0]} | {"epoch": 1}]
    assert next(chart.summary for chart in charts.run_curves(rows)) == "the test loss is never a number"
    figure = plots.learning_curves(rows, "CIFAR-10")
    plots.save(figure, tmp_path / "curves.png")
    assert "best" not in words(figure) and "first not finite: epoch 1" in words(figure)


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "train_loss": 1.0}]])
def test_an_incomplete_history_is_refused(rows):
    with pytest.raises(ValueError, match="history"):
        charts.run_curves(rows)


def test_implementations_draws_a_loss_above_an_accuracy_for_each_in_one_range():
    histories = {"manual": history(5, top=0.9), "tape": history(7, top=0.2)}
    figure = plots.implementations(histories, "Circles, n_h 10, eta 0.07")
    assert [axes.get_title() for axes in figure.axes] == ["manual", "tape", "", ""]
    for axes, rows in zip(figure.axes[2:], histories.values(), strict=True):
        np.testing.assert_allclose(lines(axes)["test"].get_ydata(), [100 * row["test_accuracy"] for row in rows])
    train = lines(figure.axes[1])["train"].get_ydata()
    np.testing.assert_allclose(train, [row["train_loss"] for row in histories["tape"]])
    low, high = figure.axes[2].get_ylim()
    every = np.concatenate([line.get_ydata() for axes in figure.axes[2:] for line in axes.get_lines()])
    assert low <= every.min() and every.max() <= high


def test_runs_side_by_side_have_a_colour_each():
    histories = {"_cnn/a": history(5), "cnn/$b$": history(7, top=0.4), "c": history(6)}
    figure = plots.runs_side_by_side(histories, "3 runs on cifar10")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*(f"{name}, test" for name in histories), "train"]
    colours = [line.get_color() for line in legend.get_lines()][:3]
    assert len(set(colours)) == 3
    for axes, quantity, scale in zip(figure.axes, ("loss", "accuracy"), (1, 100), strict=True):
        assert quantity in axes.get_ylabel() and len(axes.get_lines()) == 6
        for i, (rows, colour) in enumerate(zip(histories.values(), colours, strict=True)):
            for line, split in zip(axes.get_lines()[2 * i : 2 * i + 2], ("test", "train"), strict=True):
                assert line.get_color() == colour and line.get_linestyle() == {"test": "-", "train": "--"}[split]
                np.testing.assert_allclose(line.get_ydata(), [scale * row[f"{split}_{quantity}"] for row in rows])


# --- a setting, and a row for each experiment -------------------------------------------------------------------------


def test_accuracy_against_c_is_sorted_in_the_homeworks_colours_with_its_best():
    chart = charts.cost_chart(sweep_rows(("poly", 2), ("rbf", None)), {("rbf", None): 0.95})
    assert named(chart)["rbf, test"].x == [0.001, 0.1, 1.0, 1000.0]
    assert named(chart)["rbf, test"].y == pytest.approx([83, 87, 89, 83])
    assert named(chart)["rbf, train"].y == pytest.approx([97] * 4) and named(chart)["rbf, train"].line == "dash"
    assert named(chart)["rbf, published 95.0 %"].y == [95, 95]
    assert named(chart)["poly degree 2: best test 90.0 % at C 1"].x == [1]
    figure = plots.svm_sweep(sweep_rows(("poly", 2), ("rbf", None)), "Circles: figure 5")
    figure.canvas.draw()
    (axes,) = figure.axes
    red, blue = (to_rgb(lines(axes)[f"{name}, test"].get_color()) for name in ("poly degree 2", "rbf"))
    assert red[0] > 2 * max(red[1:]) and blue[2] > 1.5 * max(blue[:2])
    assert axes.get_xscale() == "log"
    assert {"0.001", "0.1", "1000"} <= {label.get_text() for label in shown_ticks(axes.xaxis)}
    assert "poly degree 2: best test 90.0 % at C 1" in words(figure).replace("\xa0", " ")


def test_comparison_draws_yours_beside_the_other_values():
    figure = plots.comparison(ladder(), "ladder")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["baseline", "normalize (figure 7)"]
    first = [line.get_xdata()[0] for line in axes.get_lines()]
    assert first[:2] == pytest.approx([np.nan, np.nan], nan_ok=True) and first[2] == 68
    names = {"without the change", "published", "reference, best epoch", "yours, best epoch"}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == names
    (axes,) = plots.comparison([{**ladder()[1], "best": None}], "ladder").axes
    assert "yours, best epoch" not in axes.get_legend_handles_labels()[1]
    assert [text.get_text() for text in axes.texts] == ["best", "71.0 %"]


@pytest.mark.parametrize(("low", "high"), [(9.8, 10.3), (99.9, 100.1), (0, 0.1), (40, 90), (-5, 105)])
def test_an_axis_in_percent_is_long_enough_and_within_its_bounds(low, high):
    bottom, top = drawing._percent_limits(low, high)
    assert -1 <= bottom <= max(low, -1) and min(high, 101) <= top <= 101 and top - bottom >= 4.99


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.63845, "63.8 %"), (0.6345, "63.5 %"), (0.6355, "63.6 %"), (1, "100.0 %")]
)
def test_halves_of_a_percentage_go_up(fraction, text):
    assert percent(fraction) == text


def test_many_configurations_have_no_bands_and_whole_names_in_the_legend():
    labels = [f"hidden units {number}, learning rate 0.07" for number in range(9)]
    figure = plots.sweep_curves(seeds_of(*labels), "nine")
    assert not figure.axes[0].collections
    assert [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()] == labels


def test_a_sweep_without_rows_is_refused():
    with pytest.raises(ValueError, match="no row"):
        plots.sweep_points([], "ladder")


def test_a_sweep_shows_every_run_mean_and_deviation():
    rows = seeds_of("lr 0.1", "lr 0.2")
    chart = charts.sweep_chart(rows, "lr")
    singles, means = named(chart)["single runs, last epoch"], named(chart)["last epoch"]
    assert singles.x == ["lr 0.1"] * 5 + ["lr 0.2"] * 5
    assert singles.y[:5] == pytest.approx([100 * value for value in rows[0]["final"]["values"]])
    assert means.errors == pytest.approx([100 * row["final"]["std"] for row in rows])
    assert named(chart)["published"].y == [60, None]
    (axes,) = plots.sweep_points(rows, "lr").axes
    notes = [f"{100 * row['final']['mean']:.1f} %  (n = 5)" for row in rows]
    assert [text.get_text() for text in axes.texts] == ["last, mean", *notes]
    loss, accuracy = plots.sweep_curves(rows, "lr").axes
    np.testing.assert_allclose(accuracy.get_lines()[1].get_ydata(), 100 * rows[1]["curves"][:, :, 3].mean(axis=0))
    np.testing.assert_allclose(loss.get_lines()[0].get_ydata(), rows[0]["curves"][:, :, 2].mean(axis=0))
    assert len(loss.collections) == 2
    assert len(plots.sweep_curves(seeds_of("one", seeds=1), "one run").axes[0].collections) == 0


def test_epochs_that_one_run_or_none_has_warn_of_nothing(recwarn):
    curves = np.full((2, 3, 4), 0.5)
    curves[0, 1:], curves[1, 2:] = np.nan, np.nan
    _, accuracy = charts.mean_curves([{"label": "lr 0.1", "curves": curves}])
    np.testing.assert_array_equal(accuracy.series[0].y, [50, 50, np.nan])
    assert not list(recwarn)


def test_of_too_many_configurations_the_best_are_drawn_and_the_title_says_so():
    figure = plots.sweep_points(seeds_of(*range(70)), "hidden units")
    (axes,) = figure.axes
    assert len(axes.get_yticklabels()) == 60 and "the best 60 of 70" in figure.get_suptitle().replace("\n", " ")


# --- maps -------------------------------------------------------------------------------------------------------------


def boundary(axes):
    (contour,) = [item for item in axes.collections if hasattr(item, "levels")]
    return contour.get_paths()[0].vertices


def test_a_maps_square_has_all_points():
    assert (plots.map_axis([[0.5, 0.1]])[[0, -1]] == [-2, 2]).all()
    assert plots.map_axis([[0.5, -4]]).max() == pytest.approx(4.4)


def test_decision_map_draws_probabilities_their_boundary_and_every_point():
    (panel,) = panels(1, "probability")
    figure = plots.decision_map([panel] * 3, ("outer", "inner"), title="Circles")
    *axes, bar = figure.axes
    assert [axis.get_title() for axis in axes] == [panel["title"]] * 3 and bar.get_ylabel() == "probability: inner"
    assert (axes[0].get_xlim(), axes[0].get_ylim()) == ((-2, 2), (-2, 2))
    np.testing.assert_array_equal(axes[0].collections[0].get_array(), panel["probability"])
    x, y = boundary(axes[0]).T
    np.testing.assert_allclose(x**2 + y**2 - 0.2 * x, 0.5, atol=0.02)
    for number, name in enumerate(("outer", "inner")):
        drawn = lines(axes[0])[f"test, {name}"]
        np.testing.assert_array_equal(drawn.get_xydata(), panel["points"][panel["labels"] == number])
    assert lines(axes[0])["test, outer"].get_marker() != drawn.get_marker()


def test_a_map_of_one_class_has_no_boundary(recwarn):
    panel = panels(1, "probability")[0] | {"probability": np.full((41, 41), 0.2)}
    figure = plots.decision_map([panel], ("outer", "inner"))
    figure.canvas.draw()
    assert len(figure.axes[0].collections) == 1
    assert not recwarn.list


def test_svm_panels_titles_signs_and_boundary():
    panel = panels(1, "decision")[0]
    axes = plots.svm_panels([panel] * 4, classes=("outer", "inner")).axes[3]
    assert axes.get_title() == "poly degree 1, C 0.316: test 95.5 %"
    shade = axes.collections[0].get_array()
    np.testing.assert_array_equal(np.sign(shade), np.sign(panel["decision"]))
    assert (shade.min(), shade.max()) == (-1, 1)
    x, y = boundary(axes).T
    np.testing.assert_allclose(x**2 + y**2 - 0.2 * x, 0.5, atol=0.02)
    constant = plots.svm_panels([panel | {"decision": np.zeros((41, 41))}]).axes[0]
    assert np.all(constant.collections[0].get_array() == 0)


# --- matrices and images ----------------------------------------------------------------------------------------------


def test_confusion_matrix_shows_percents_of_the_row():
    figure = plots.confusion_matrix([[30, 10], [0, 5]], ("outer", "inner"), "Circles, rbf")
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[75, 25], [0, 100]])
    assert [text.get_text() for text in axes.texts] == ["75", "25", "", "100"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["outer", "inner"]
    without_examples = plots.confusion_matrix([[0, 0], [1, 3]], ("a", "b"), "t").axes[0]
    np.testing.assert_allclose(without_examples.images[0].get_array(), [[0, 0], [25, 75]])


@pytest.mark.parametrize(("n", "names"), [(12, 12), (40, 40), (102, 34)])
def test_confusion_matrix_names_as_many_classes_as_fit(n, names):
    axes = plots.confusion_matrix(counts(n), [f"class {i}" for i in range(n - 1)] + ["x" * 40], "t").axes[0]
    assert len(axes.get_xticklabels()) == len(axes.get_yticklabels()) == names
    assert len(axes.texts) == (144 if n == 12 else 0)
    assert max(len(label.get_text()) for label in axes.get_yticklabels()) <= 20


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
    shown = plots.image_grid(images, ["one"], 1, "t").axes[0].images[0]
    np.testing.assert_array_equal(shown.get_array(), [[0, 0], [128, 255]])
    assert shown.get_clim() == (0, 255) and shown.get_cmap().name == "gray"


def test_large_images_are_averaged_down():
    images = np.zeros((10, 300, 200, 3), dtype=np.uint8)
    images[:, ::2] = 100
    shown = plots.image_grid(images, [""] * 10, 5, "t").axes[0].images[0].get_array()
    assert 10 * shown.shape[0] * shown.shape[1] <= plots.images.MAX_PIXELS
    assert shown.shape[0] / shown.shape[1] == pytest.approx(1.5, abs=0.05)
    assert shown.mean() == pytest.approx(50, abs=1)


def test_augmentation_grid_puts_the_original_first():
    originals, augmented = pictures(2, 32, 32, 3), 255 - pictures(2, 3, 28, 28, 3)
    figure = plots.augmentation_grid(originals, augmented, "CIFAR-10, crop and flip")
    axes = np.reshape(figure.axes, (2, 4))
    assert [axis.get_title() for axis in axes[0]] == ["original", "version 1", "version 2", "version 3"]
    for row in range(2):
        np.testing.assert_array_equal(axes[row, 0].images[0].get_array(), originals[row])
        for version in range(3):
            np.testing.assert_array_equal(axes[row, version + 1].images[0].get_array(), augmented[row, version])
