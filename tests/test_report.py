"""What the report page is made from: records, whole and damaged, as data, charts and one file."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from stored_runs import change, edit, store

from rdfia_keras.analysis.seeds import reference_statistics
from rdfia_keras.commands.report import report
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import FIGURES, LADDER, MODERN_LADDER, REGISTRY
from rdfia_keras.experiments.registry import MODERN_FAST
from rdfia_keras.plots import charts
from rdfia_keras.runs import checkpoint as checkpoints
from rdfia_keras.runs.files import finite
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_store
from rdfia_keras.web.report.answers import answers, answers_to, to_html
from rdfia_keras.web.report.plotly_charts import to_plotly
from rdfia_keras.web.report.weights import PARAMETERS, read_weights
from rdfia_keras.web.shared.document import script_json

EVIL = '</script><script>alert("x")</script>'


def made(out) -> tuple[str, dict]:
    """The page of a results folder, and the data in it."""
    html = report(RunOptions(out=out)).paths[0].read_text(encoding="utf-8")
    return html, json.loads(re.search(r'id="report-data">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the reference results alone, and its data."""
    return made(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def own_page(tmp_path_factory):
    """The page of a results folder with a run that was resumed and inspected, a damaged inspection, and two seeds."""
    out = tmp_path_factory.mktemp("own")
    inspected, damaged = (store(out, REGISTRY[name], 0.7) for name in ("baseline", "normalize"))
    resumed = [{"after_epoch": 15, "keras": "3.9", "threads": 1}]
    edit(inspected / "metrics.json", environment={"threads": 1, "resumed": resumed})
    facts = {
        "model": "model.keras",
        "accuracy": 0.7,
        "mean_confidence": 0.8,
        "expected_calibration_error": 0.1234,
        "classes": [{"class": "<b>cat</b>", "recall": 0.5}],
        "blur": [{"sigma": 1.5, "accuracy": 0.6}],
        "shift": [{"pixels": 4, "accuracy": 0.55}],
    }
    (inspected / "inspection.json").write_text(json.dumps(facts))
    (damaged / "inspection.json").write_text('{"model": ')
    store(out, REGISTRY["augment"], best=0.79)
    store(out, change(REGISTRY["augment"], seed=1), best=0.83, name="augment-seed-1")
    store(out, REGISTRY["dropout"], best=0.99, quick=True)
    return made(out)


def chart_of(data: dict, figure: str, quantity: str = "accuracy") -> dict:
    return next(
        one for key, one in data["charts"].items() if key.startswith(f"figure-{figure}-") and quantity in one["title"]
    )


# --- one file ---------------------------------------------------------------------------------------------------------


def test_it_is_at_most_10_mb_and_its_policy_allows_its_own_scripts_only(page):
    html, _ = page
    assert len(html.encode()) < 10_000_000
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    script_src = policy.split("; ")[1]
    scripts = re.findall(r'<script type="(?:text/plain" id="plotly|module)">(.*?)</script>', html, re.DOTALL)
    assert len(scripts) == 2 == script_src.count("sha256-")
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in script_src
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html.replace(scripts[0], ""))


def test_json_in_a_script_ends_nothing_and_has_no_nan():
    text = script_json(finite({"name": EVIL + "<!-- & \u2028", "loss": float("nan"), "best": float("inf")}))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"name": EVIL + "<!-- & \u2028", "loss": None, "best": None}
    with pytest.raises(ValueError):
        script_json(float("nan"))


def test_runs_on_other_data_have_a_heading_of_their_own(tmp_path):
    store(tmp_path, change(REGISTRY["circles"], implementation="all"), digest="d" * 16)
    html, _ = made(tmp_path)
    (listed,) = re.findall(r'<section id="other-data".*?</section>', html, re.DOTALL)
    assert "<code>circles</code>: left out, for it is on other data" in listed and 'id="troubles"' not in html


# --- the reference ----------------------------------------------------------------------------------------------------


def test_every_figure_of_the_report_has_its_charts_its_answers_and_its_command(page):
    html, data = page
    assert 'id="troubles"' not in html
    articles = re.findall(r'<article id="(figure-\w+)" .*?</article>', html, re.DOTALL)
    assert articles == [f"figure-{key}" for key in FIGURES]
    for key, figure in FIGURES.items():
        drawn = [name for name in data["charts"] if name.startswith(f"figure-{key}-")]
        kernels = {"kernels": 4, "sweep": 1, "implementations": 2}
        assert len(drawn) == kernels.get(figure.kind, 2 * len(figure.panels)), key
        assert all(f'data-chart="{name}"' in html for name in drawn)
        article = re.search(rf'<article id="figure-{key}" .*?</article>', html, re.DOTALL)[0]
        assert f"rdfia figure {key} --train" in article and "our answer" in article


def test_a_figure_has_the_runs_own_numbers_and_the_published_line(page):
    _, data = page
    run = next(run for run in reference_store().runs("cnn") if run.folder.name == "baseline")
    chart = chart_of(data, "7")
    train, test, published, best = chart["traces"]
    assert test["y"] == [round(100 * row["test_accuracy"], 2) for row in run.history()]
    assert train["x0"] == train["dx"] == 1 and published["y"] == [70, 70]
    assert best["name"] == "best test 72.0 % (epoch 29)" and best["x"] == [29]
    assert "highest 72.0 % in epoch 29" in chart["alt"] and "published 70.0 %" in chart["alt"]


def test_the_ladder_has_published_and_reference_of_every_rung(page):
    _, data = page
    chart = data["charts"]["ladder-chart"]
    best, last, published = chart["traces"]
    assert published["x"] == [rung.name for rung in LADDER]
    assert published["y"] == [70, 75.8, 80, 81, 82, 85]
    assert best["y"] == [pytest.approx(100 * reference_statistics(rung, "best").mean, abs=0.01) for rung in LADDER]
    spread = reference_statistics(LADDER[0], "final").std
    assert last["error_y"]["array"][0] == pytest.approx(100 * spread, abs=0.01)
    assert [guess["reference"] for guess in data["ladder"]] == best["y"]
    second = data["charts"]["second-ladder-chart"]["traces"][0]
    values = dict(zip(second["x"], second["y"], strict=True))
    assert list(values) == [step.name for step in MODERN_LADDER]
    assert values["modern-fast"] == pytest.approx(100 * reference_statistics(MODERN_FAST, "best").mean, abs=0.01)


def test_sweeps_show_every_seed(page):
    _, data = page
    chart = data["charts"]["sweep-reference-learning-rate-chart"]
    assert len(chart["traces"][0]["y"]) == 9 * 20
    content = json.loads((REFERENCE_FOLDER / "sweeps" / "learning-rate" / "sweep.json").read_text())
    means = [round(100 * row["final"]["mean"], 2) for row in content["rows"]]
    assert chart["traces"][1]["y"] == means and chart["table"]["rows"][3][0] == "0.07"


def test_the_shipped_weights_are_those_of_the_shipped_runs():
    """From them the page computes the decision map of each epoch."""
    found = sorted(REFERENCE_FOLDER.glob("mlp/*/weights.npz"))
    assert len(found) == 4
    for path in found:
        record = json.loads((path.parent / "metrics.json").read_text())
        with np.load(path) as arrays:
            last = {name: arrays[name][-1] for name in PARAMETERS}
            assert arrays["epochs"].tolist() == list(range(record["epochs"] + 1))
        assert checkpoints.digest(last) == record["details"]["weights_digest"]["manual"]


def test_a_run_shows_first_what_differs_from_its_base(page):
    _, data = page
    run = next(run for run in data["runs"] if run["run"] == "reference/cnn/dropout")
    assert run["base"] == "schedule"
    assert run["changed"] == [["dropout_rate", "0.5", "0"]]
    provenance = dict(run["provenance"])
    assert {"tensorflow", "keras", "device", "data digest"} <= set(provenance)
    assert "resumed" not in provenance
    assert len(run["charts"]) == 2 and run["figures"] == ["22"]
    pictured = {one["run"]: len(one["pictures"]) for one in data["runs"] if one["pictures"]}
    assert pictured == {"reference/cnn/batch-norm-seed-3": 2}


# --- your own runs ----------------------------------------------------------------------------------------------------


def test_your_run_takes_the_figure_and_its_place_in_the_ladder(own_page):
    html, data = own_page
    names = [trace["name"] for trace in chart_of(data, "12")["traces"]]
    assert names[:4] == ["train", "test", "reference, test", "published 80.0 %"]
    assert "Yours: 79.00 % in epoch 49" in html and "Yours: 99" not in html
    yours = next(trace for trace in data["charts"]["ladder-chart"]["traces"] if trace["name"] == "yours, best epoch")
    assert yours["y"] == [70, 70, 81, None, None, None] and yours["error_y"]["array"][2] == 2.83


def test_a_run_that_was_resumed_elsewhere_says_after_which_epoch(own_page):
    _, data = own_page
    (run,) = (run for run in data["runs"] if run["run"] == "cnn/baseline")
    provenance = dict(run["provenance"])
    assert (provenance["threads"], provenance["resumed"]) == ("1", "after epoch 15 with keras 3.9, threads 1")


def test_untrusted_and_damaged_records_are_shown_as_text_and_listed(tmp_path):
    """Names of folders and classes, a truncated record, a history without numbers, a damaged sweep."""
    good = store(tmp_path, REGISTRY["baseline"])
    evil = good.with_name("<img src=x onerror=alert(1)>")
    good.rename(evil)
    edit(evil / "metrics.json", dataset={"name": EVIL, "counts": {"train": 3}})
    cut = store(tmp_path, REGISTRY["normalize"])
    (cut / "metrics.json").write_text((cut / "metrics.json").read_text()[:200])
    empty = store(tmp_path, REGISTRY["augment"])
    (empty / "history.csv").write_text("epoch,lr\n1,no")
    nan = store(tmp_path, REGISTRY["schedule"])
    text = (nan / "history.csv").read_text().splitlines()
    text[2] = re.sub(r"^2,0.1,[^,]*", "2,0.1,nan", text[2])
    (nan / "history.csv").write_text("\n".join(text))
    (tmp_path / "sweeps" / "mine").mkdir(parents=True)
    (tmp_path / "sweeps" / "mine" / "sweep.json").write_text('{"rows": [{"n": 1}]')
    html, data = made(tmp_path)
    listed = re.search(r'<section id="troubles".*?</section>', html, re.DOTALL)[0]
    for name in ("cnn/normalize", "cnn/augment", "sweeps/mine"):
        assert f"<code>{name}</code>" in listed
    assert html.count("</script>") == 4 and "<img src=x" not in html
    runs = {run["run"]: run for run in data["runs"]}
    assert dict(runs["cnn/<img src=x onerror=alert(1)>"]["provenance"])["data"] == EVIL
    assert runs["cnn/normalize"]["status"] == "unreadable" and runs["cnn/augment"]["charts"] == []
    loss = runs["cnn/schedule"]["charts"][0]
    assert loss["traces"][0]["y"][:3] == [2.0, None, 0.66667]
    assert [trace["name"] for trace in chart_of(data, "12")["traces"]][2] == "published 80.0 %", "the reference's"


def test_what_rdfia_inspect_found_is_shown_and_a_damaged_file_listed(own_page):
    text, data = own_page
    by_name = {run["run"]: run for run in data["runs"]}
    assert ["expected calibration error", "12.34 %"] in by_name["cnn/baseline"]["inspection"]
    assert ["recall of <b>cat</b>", "50.00 %"] in by_name["cnn/baseline"]["inspection"] and "<b>cat" not in text
    assert by_name["cnn/normalize"]["inspection"] == []
    assert "<code>cnn/normalize</code>" in re.search(r'<section id="troubles".*?</section>', text, re.DOTALL)[0]


def test_whatever_a_record_holds_the_page_is_made(tmp_path):
    """Each member of a record replaced by what it never is: the run is shown as far as it goes, or listed."""
    names = json.loads((store(tmp_path, REGISTRY["baseline"], best=0.75) / "metrics.json").read_text())
    for n, name in enumerate(names):
        for m, value in enumerate(("x", None, [1], {"a": 1}, -1e999)):
            folder = store(tmp_path, REGISTRY["baseline"], name=f"{n}-{m}", quick=True)
            record = json.loads((folder / "metrics.json").read_text())
            (folder / "metrics.json").write_text(json.dumps({**record, name: value}))
    html, data = made(tmp_path)
    assert sum(run["run"].startswith("cnn/") for run in data["runs"]) == 1 + 5 * len(names)
    assert "Yours: 75.00 % in epoch 29" in html


def test_damaged_weights_are_told(tmp_path):
    folder = store(tmp_path, change(REGISTRY["circles"], implementation="all"))
    for content in (b"no archive", (REFERENCE_FOLDER / "mlp" / "circles" / "weights.npz").read_bytes()[:5000]):
        (folder / "weights.npz").write_bytes(content)
        with pytest.raises(RdfiaError, match="weights"):
            read_weights(folder)
    np.savez(folder / "weights.npz", W_h=np.zeros((2, 3, 5)), **{name: np.zeros(2) for name in ("b_h", "W_y", "b_y")})
    assert "<code>mlp/circles</code>: weights.npz" in made(tmp_path)[0]


def test_of_very_many_pictures_the_page_names_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr("rdfia_keras.web.report.sources.MAX_PICTURE_BYTES", 50)
    folder = store(tmp_path, REGISTRY["baseline"])
    for name in ("attention-map.png", "confusion.png", "curves.png", "mistakes.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n" + bytes(40))
    (folder / "augmented.png").write_text("no picture")
    _, data = made(tmp_path)
    first, second, third = data["runs"][0]["pictures"]
    assert first["uri"].startswith("data:image/png;base64,iVBORw") and second["uri"] is None
    assert second["file"].endswith("mistakes.png") and third["alt"] == "attention map"


# --- charts and answers -----------------------------------------------------------------------------------------------


def chart(*series, x="epoch", kind="whole", y="percent") -> charts.Chart:
    return charts.Chart("", "", charts.Axis(x, kind), charts.Axis("y", y), series)


def test_very_long_trainings_are_thinned():
    rows = [{"epoch": n, "test_loss": float(n)} for n in range(1, 1001)]
    (trace,) = to_plotly(chart(charts.curve(rows, "test_loss", "test", "test", "solid"), y="number"))["traces"]
    assert trace["x"][:2] == [3, 6] and trace["x"][-1] == 999 and len(trace["y"]) == 333


def test_what_is_no_number_is_left_out():
    row = {"epoch": 1, "train_loss": float("nan"), "test_loss": float("inf"), "train_accuracy": 0.5}
    loss, accuracy = map(to_plotly, charts.run_curves([{**row, "test_accuracy": float("nan")}]))
    assert loss["traces"][0]["y"] == [None] and accuracy["traces"][0]["y"] == [50]


def test_rows_lie_along_either_axis():
    series = charts.Series("a", ["p", "q"], [60, None], "series-0", marker="bar", errors=[14.142, None])
    for horizontal, across in ((False, "y"), (True, "x")):
        drawn = to_plotly(chart(series, x="value", kind="rows"), horizontal)
        assert drawn["traces"][0][across] == [60, None]
        assert drawn["traces"][0][f"error_{across}"]["array"] == [14.14, None]
        assert drawn["table"] == {"columns": ["value", "a"], "rows": [["p", "60.00 ± 14.14 %"], ["q", "-"]]}


def test_panels_of_a_figure_share_their_range(page):
    _, data = page
    ranges = [one["layout"]["yaxis"]["range"] for name, one in data["charts"].items() if name.startswith("figure-3-")]
    assert len(ranges) == 6 and ranges[0] == ranges[2] == ranges[4] and ranges[1] == ranges[3] == ranges[5]


def test_all_answers_are_read():
    assert len(answers()) == 17 + 2 + 34
    assert [one.question for one in answers_to("12", ("22",))] == ["22", "26"]
    assert [one.question for one in answers_to("7", ("15",))] == ["15", "18"]


def test_links_of_an_answer_keep_their_words_alone_and_tables_are_tables():
    assert to_html("a [e](f.md) <b>") == "<p>a e &lt;b&gt;</p>\n"
    assert "<table>" in answers()["28"].html and "| " not in answers()["28"].html
