"""The playground by clicks, in a browser without network."""

import json

import numpy as np
import pytest
from waiting import wait

from rdfia_keras.commands.playground import playground
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import load_vectors, one_hot
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.training.callbacks import epoch_order
from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, fit, init

SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return playground(MlpConfig(), RunOptions(out=tmp_path_factory.mktemp("page"))).paths[0]


def part(page, section, name):
    return page.locator(f'[data-section="{section}"] [data-part="{name}"]')


def numbers(page):
    """The table under the curves: (epochs + 1, 4)."""
    if part(page, "compare", "numbers").get_attribute("open") is None:
        page.locator('[data-section="compare"] summary').click()
        wait(page, "document.querySelector('[data-part=numbers-table]').rows.length > 1")
    rows = part(page, "compare", "numbers-table").locator("tbody tr")
    texts = rows.evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.dataset.value))"
    )
    return np.array(texts, dtype=float)


def train_to_the_end(page):
    part(page, "guess", "reveal").click()
    wait(page, "document.querySelector('[data-part=where]').textContent.startsWith('epoch 150')")


def test_trained_by_clicks_it_follows_python(path, open_page):
    """From two seeds; its modules alone are held against Python's from five in tests/test_playground.py."""
    data = load_vectors("circles")
    page = open_page(path)
    for seed in (0, 4):
        page.locator('[name="seed"]').fill(str(seed))
        page.locator('[name="seed"]').press("Enter")
        train_to_the_end(page)
        shown = numbers(page)
        config = MlpConfig(seed=seed).resolve()
        state = State(init(config, data))
        history = list(fit("manual", config, data, state, False, CompiledEpochs()))
        expected = [[row[name] for name in SCORES] for row in history]
        np.testing.assert_allclose(shown[1:], expected, rtol=0, atol=1e-12)
    assert part(page, "bar", "note").text_content() == ""
    assert part(page, "repeat", "command").text_content() == "rdfia mlp --seed 4"


def test_a_weights_gradient_is_the_one_by_hand_and_the_step_takes_it(path, open_page):
    data = load_vectors("circles")
    params, batch = init(MlpConfig(), data), epoch_order(0, 0, 200)[:10]
    x, y = data.train.x[batch], one_hot(data.train.y[batch], 2)
    h = np.tanh(x @ params["W_h"].T)
    e = np.exp(h @ params["W_y"].T)
    g_y = (e / e.sum(axis=1, keepdims=True) - y) / 10
    g_h = g_y @ params["W_y"] * (1 - h**2)
    expected = {
        "W_h[3,1]": (g_h.T @ x)[3, 1],
        "b_h[2]": g_h.sum(axis=0)[2],
        "W_y[1,4]": (g_y.T @ h)[1, 4],
        "b_y[0]": g_y.sum(axis=0)[0],
    }
    page = open_page(path)
    for name, gradient in expected.items():
        page.locator(f'[data-weight="{name}"]').click()
        cell = page.locator('[data-part="gradient"]')
        assert float(cell.get_attribute("data-value")) == pytest.approx(gradient, abs=1e-15)
        assert part(page, "step", "sum-table").locator("tbody tr").count() == 10
    part(page, "step", "take").click()
    assert "step 1 / 20" in part(page, "bar", "where").text_content()
    moved = float(page.locator('[data-weight="W_h[3,1]"]').get_attribute("data-value"))
    assert moved == pytest.approx(params["W_h"][3, 1] - 0.07 * expected["W_h[3,1]"], abs=1e-15)


def test_next_and_back_walk_the_stages_by_clicks_and_by_keys(path, open_page):
    page = open_page(path)
    page.locator('[data-section="step"] .pg-train').nth(5).click(force=True)
    assert "Training example" in part(page, "step", "example").text_content()
    formula = part(page, "step", "formula")
    seen = []
    for _ in range(9):
        part(page, "step", "next").click()
        seen.append(formula.text_content())
    assert part(page, "step", "next").is_disabled() and len(set(seen)) == 9
    assert [word in text for word, text in zip(("tanh", "eta"), (seen[1], seen[8]), strict=True)] == [True, True]
    page.locator("h1").click()
    page.keyboard.press("b")
    assert formula.text_content() == seen[7]
    page.keyboard.press("n")
    page.keyboard.press(".")
    assert "step 1 / 20" in part(page, "bar", "where").text_content()
    page.keyboard.press("e")
    assert part(page, "bar", "where").text_content() == "epoch 1 / 150"
    page.keyboard.press(" ")
    wait(page, "document.querySelector('[data-part=where]').textContent.startsWith('epoch 4')")
    page.keyboard.press(" ")
    page.keyboard.press("r")
    assert part(page, "bar", "where").text_content() == "epoch 0 / 150"


def test_two_networks_differ_in_the_one_thing_changed(path, open_page):
    page = open_page(path)
    part(page, "compare", "what").select_option("batch_size")
    part(page, "compare", "value").fill("50")
    part(page, "compare", "value").press("Enter")
    for _ in range(3):
        part(page, "bar", "epoch").click()
    assert part(page, "compare", "title-b").text_content() == "B: batch size = 50"
    assert part(page, "compare", "scores-a").text_content() != part(page, "compare", "scores-b").text_content()
    assert page.locator('[data-section="compare"] .pg-curve[d^="M"]').count() == 8, "four curves and their legend"
    part(page, "compare", "value").fill("0")
    part(page, "compare", "value").press("Enter")
    assert "must be a whole number from 1" in part(page, "compare", "error").text_content()


def test_a_removed_unit_changes_the_map_and_the_answer(path, open_page):
    page = open_page(path, "#epoch=40")
    wait(page, "document.querySelector('[data-part=where]').textContent.startsWith('epoch 40')")
    picture = "document.querySelector('[data-section=units] canvas').toDataURL()"
    before, answer = page.evaluate(picture), part(page, "units", "answer")
    assert "all 10" in answer.text_content()
    page.locator('[data-section="units"] svg [data-unit="3"] .pg-unit-target').dispatch_event("click")
    assert "9 of 10" in answer.text_content() and page.evaluate(picture) != before
    page.locator('[data-section="units"] button[data-unit="3"]').click()
    assert "all 10" in answer.text_content() and page.evaluate(picture) == before
    part(page, "units", "all").click()
    assert "0 of 10 hidden units: test accuracy 50.0 %" in answer.text_content()


def test_a_guess_is_drawn_revealed_and_scrubbed(path, open_page):
    page = open_page(path)
    chart = part(page, "guess", "chart").locator("svg[role=img]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 120)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 40, steps=5)
    page.mouse.up()
    assert part(page, "guess", "scrub").is_disabled()
    train_to_the_end(page)
    assert "Your guess was off by" in part(page, "guess", "verdict").text_content()
    part(page, "guess", "scrub").fill("20")
    assert part(page, "bar", "where").text_content() == "epoch 20 / 150"


def test_a_mistake_is_switched_on_and_off(path, open_page):
    page = open_page(path)
    lamp, sentence = part(page, "switches", "lamp"), part(page, "switches", "sentence")
    assert not lamp.is_visible(), "the section is closed"
    part(page, "switches", "details").locator("summary").click()
    page.locator('[data-mistake="grad_h_tilde.no-slope"]').click()
    assert lamp.get_attribute("data-state") == "red" and "not that of the loss" in lamp.text_content()
    expected = next(one.sentence for one in EXERCISES["grad_h_tilde"].mistakes if one.name == "no-slope")
    assert sentence.text_content() == f"grad_h_tilde: {expected}"
    part(page, "switches", "train").click()
    wait(page, "document.querySelector('[data-part=where]').textContent.startsWith('epoch 150')")
    assert page.locator('[data-section="switches"] .pg-b[d^="M"]').count() == 2, "the curve and its legend"
    assert part(page, "switches", "scores").text_content() != part(page, "bar", "scores").text_content()
    wait(page, "location.hash.includes('mistake=grad_h_tilde.no-slope')")
    again = open_page(path, page.evaluate("location.hash"))
    assert part(again, "switches", "lamp").get_attribute("data-state") == "red"
    page.locator('[data-mistake="sgd_step.uphill"]').click()
    assert (
        lamp.get_attribute("data-state") == "green" and "Green: the gradient is that of the loss" in lamp.text_content()
    )
    page.locator('[data-mistake="sgd_step.uphill"]').click()
    assert not lamp.is_visible() and "Everything is right" in sentence.text_content()
    wait(page, "!location.hash.includes('mistake')")


def test_points_drawn_with_the_mouse_are_trained_on(path, open_page):
    page = open_page(path)
    svg = part(page, "controls", "map").locator("svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    part(page, "controls", "source").select_option("drawn")
    for n in range(8):
        page.locator(f'[name="pg-class"][value="{n % 2}"]').check()
        svg.click(position={"x": (0.2 + 0.6 * (n % 2)) * box["width"], "y": (0.1 + 0.1 * n) * box["height"]})
    assert "6 training points (filled), 2 test points" in part(page, "controls", "counts").text_content()
    assert part(page, "repeat", "command").text_content() == "rdfia mlp --dataset points.csv"
    train_to_the_end(page)
    assert "test 100.0 %" in part(page, "bar", "scores").text_content()
    with page.expect_download() as download:
        part(page, "controls", "save-points").click()
    text = download.value.path().read_text()
    assert text.count("train") == 6 and text.count("test") == 2
    wait(page, "location.hash.includes('epoch=150')")
    again = open_page(path, page.evaluate("location.hash"))
    assert "6 training points (filled), 2 test points" in part(again, "controls", "counts").text_content()


def test_saved_points_and_weights_give_python_the_same_curve(path, open_page, tmp_path):
    """Pasted points, trained for an epoch, saved; the command that the page shows goes on as the page does."""
    rng = np.random.default_rng(5)
    rows = [
        f"{x:.3f},{y:.3f},{'ab'[int(x > y)]},{'test' if n % 3 == 0 else 'train'}"
        for n, (x, y) in enumerate(rng.normal(size=(40, 2)))
    ]
    page = open_page(path)
    part(page, "controls", "csv").fill("x1,x2,class,split\n1,2,a\n")
    part(page, "controls", "paste").click()
    assert "Line 2 has 3 columns" in part(page, "controls", "csv-error").text_content()
    part(page, "controls", "csv").fill("\n".join(["x1,x2,class,split", *rows]))
    part(page, "controls", "paste").click()
    assert part(page, "controls", "csv-error").text_content() == ""
    part(page, "bar", "epoch").click()
    for button, name in (("save-points", "points.csv"), ("save-weights", "weights.json")):
        with page.expect_download() as download:
            part(page, "controls" if name == "points.csv" else "repeat", button).click()
        download.value.save_as(tmp_path / name)
    part(page, "repeat", "load-weights").set_input_files(tmp_path / "weights.json")
    wait(page, "document.querySelector('[data-part=initial]').textContent.includes('loaded')")
    assert part(page, "repeat", "command").text_content() == "rdfia mlp --dataset points.csv --init weights.json"
    train_to_the_end(page)
    config = MlpConfig(dataset=str(tmp_path / "points.csv"), init=str(tmp_path / "weights.json")).resolve()
    data = load_vectors(config.dataset)
    state = State(init(config, data))
    history = list(fit("manual", config, data, state, False, CompiledEpochs()))
    expected = [[row[name] for name in SCORES] for row in history]
    np.testing.assert_allclose(numbers(page)[1:], expected, rtol=0, atol=1e-12)
    (tmp_path / "weights.json").write_text(json.dumps({"W_h": []}))
    part(page, "repeat", "load-weights").set_input_files(tmp_path / "weights.json")
    wait(page, "document.querySelector('[data-part=weights-error]').textContent.includes('nothing else')")


def test_the_first_screen_has_settings_map_legend_and_curves(path, open_page):
    page = open_page(path, "#epoch=3", height=800)
    for name in ("play", "map", "legend", "chart"):
        box = page.locator(f'[data-part="{name}"]').first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 800, name
    assert page.locator('[name="epochs"]').bounding_box()["y"] < 760
    assert part(page, "controls", "map").locator(".pg-boundary").get_attribute("d").startswith("M")
    part(page, "controls", "map").hover()
    assert (
        "x = (0.0" in (said := part(page, "controls", "map").locator(".pg-at").text_content()) and "y_hat = (" in said
    )
    part(page, "controls", "chart").locator("svg[role=img]").hover(position={"x": 62, "y": 60})
    assert "epoch 0" in part(page, "controls", "chart").text_content()
    page.locator('[data-part="projector"]').click()
    shown = "[...document.querySelectorAll('h1, h2, p, label')].filter(one => one.checkVisibility()).length"
    assert page.evaluate(shown) == 0 and part(page, "controls", "map").bounding_box()["height"] > 500


def test_the_focus_is_never_behind_the_bar(path, open_page):
    page = open_page(path, height=800)
    hidden = """(() => { const on = document.activeElement, box = on.getBoundingClientRect();
        const bar = document.querySelector('.pg-bar').getBoundingClientRect();
        const inBar = on.closest(".pg-bar");
        return !inBar && box.top < bar.bottom - 1 && box.bottom > bar.top ? on.outerHTML : ""; })()"""
    play = None
    for key in ["Tab"] * 75 + ["Shift+Tab"] * 70:
        page.keyboard.press(key)
        assert page.evaluate(hidden) == ""
        play = play or page.evaluate("document.activeElement.dataset.part === 'play'")
    assert play


@pytest.mark.parametrize("rows", [40, 1500])
def test_pasted_points_outlive_a_reload_and_an_undo(path, open_page, rows):
    """40 points are in the link; 1,500 are too many, and a link says so where there are none."""
    text = "\n".join(f"{n % 7},{n / 8}".replace(".", ",").replace(",", ";", 1) + f";{(-1) ** n}" for n in range(rows))
    page = open_page(path)
    part(page, "controls", "csv").fill(text)
    part(page, "controls", "paste").click()
    counts = part(page, "controls", "counts").text_content()
    assert counts.startswith(f"{rows * 4 // 5} training points") and part(page, "controls", "undo").is_disabled()
    wait(page, f"location.hash.includes('count={rows}')")
    address = page.evaluate("location.hash")
    page.reload()
    wait(page, f"document.body.textContent.includes({json.dumps(counts)})")
    assert part(page, "controls", "counts").text_content() == counts
    other = open_page(path, address)
    assert (part(other, "controls", "counts").text_content() == counts) == (rows == 40)
    assert ("cannot hold" in part(other, "controls", "link-error").text_content()) == (rows == 1500)
    if rows == 40:
        other = open_page(path, address[:-30])
        assert "cut short" in part(other, "controls", "link-error").text_content()


def test_shapes_are_drawn_from_the_seed_and_points_by_keys(path, open_page):
    page = open_page(path, "#source=xor&noise=0")
    assert "noise" in part(page, "controls", "noise-label").text_content()
    first = "document.querySelector('[data-section=controls] .pg-train').getAttribute('transform')"
    places = {page.evaluate(first)}
    for shape in ("spiral", "moons"):
        part(page, "controls", "source").select_option(shape)
        places.add(page.evaluate(first))
    page.locator('[name="seed"]').fill("5")
    page.locator('[name="seed"]').press("Enter")
    places.add(page.evaluate(first))
    assert len(places) == 4 and "200 training points" in part(page, "controls", "counts").text_content()
    part(page, "controls", "draw").click()
    for key in ("0", "ArrowUp", "1", "ArrowRight", "0", "ArrowRight", "1"):
        page.keyboard.press(key)
    assert "3 training points (filled), 1 test points" in part(page, "controls", "counts").text_content()


def test_the_figure_with_another_rate_is_compared_with_the_usual_one(path, open_page):
    page = open_page(path)
    page.locator('[data-part="presets"] button').nth(1).click()
    assert part(page, "compare", "title-a").text_content() == "A: eta = 2"
    assert part(page, "compare", "title-b").text_content() == "B: eta = 0.07"


def test_where_rounding_decides_it_says_so(path, open_page):
    page = open_page(path, "#lr=5")
    train_to_the_end(page)
    wait(page, "document.querySelector('[data-part=note]').textContent.includes('rounding decides')")


def test_the_address_keeps_what_is_on_screen(path, open_page):
    page = open_page(path)
    page.locator('[data-part="presets"] button').nth(1).click()
    page.locator('[name="hidden_units"]').fill("4")
    page.locator('[name="hidden_units"]').press("Enter")
    page.locator('[name="lr"]').fill("-1")
    page.locator('[name="lr"]').press("Enter")
    assert "eta (learning rate) must be a number above 0" in part(page, "controls", "settings-error").text_content()
    page.locator('[data-part="projector"]').click()
    part(page, "bar", "epoch").click()
    wait(page, "location.hash.includes('epoch=1')")
    address = page.evaluate("location.hash")
    assert set(address.strip("#").split("&")) == {"lr=2", "hidden-units=4", "epoch=1", "projector=1"}
    again = open_page(path, address)
    assert part(again, "repeat", "command").text_content() == "rdfia mlp --lr 2 --hidden-units 4"
    assert part(again, "bar", "where").text_content() == "epoch 1 / 150"
    assert again.locator(".playground.pg-projector").count() == 1


@pytest.mark.parametrize(
    ("width", "scheme", "more"),
    [
        (380, "light", "&mistake=forward.relu"),
        (380, "dark", "&projector=1"),
        (1280, "dark", ""),
        (1280, "light", "&projector=1"),
    ],
)
def test_nothing_is_wider_than_the_screen(path, open_page, width, scheme, more):
    page = open_page(path, f"#epoch=3{more}", width=width, color_scheme=scheme)
    assert part(page, "switches", "lamp").is_visible() == ("mistake" in more)
    if "projector" not in more:  # It hides the numbers.
        page.locator('[data-weight="W_h[0,0]"]').click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate(
        "(style => [style.color, style.backgroundColor])(getComputedStyle(document.querySelector('.playground')))"
    )
    assert ink != paper and (paper == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(path, open_page, serious_violations, scheme):
    page = open_page(path, "#epoch=3", color_scheme=scheme)
    page.locator('[data-weight="W_h[0,0]"]').click()
    assert serious_violations(page) == []
