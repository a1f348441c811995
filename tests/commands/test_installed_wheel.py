"""The built wheel, installed outside the checkout: it has all that the commands need."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """An environment of its own with the wheel; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "rdfia_keras", source / "rdfia_keras", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(source)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def run(installed: Path, cwd: Path, *command: str) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RDFIA_DATA")}
    program = str(installed / "bin" / command[0])
    done = subprocess.run([program, *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_the_reference_and_the_mark_of_its_types(installed):
    (wheel,) = installed.parent.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "rdfia_keras/py.typed" in names and "rdfia_keras/reference/svm/kernels/panels.npz" in names
    assert sum(name.endswith("metrics.json") for name in names) >= 34
    assert not any(name.startswith(("tests/", "benchmarks/", "results/")) for name in names)


def test_it_is_the_wheel_that_runs(installed, tmp_path):
    where = run(installed, tmp_path, "python", "-c", "import rdfia_keras; print(rdfia_keras.__file__)")
    assert Path(where.strip()).is_relative_to(installed)


def test_a_figure_is_drawn_from_the_reference_in_an_empty_folder(installed, tmp_path):
    lines = run(installed, tmp_path, "rdfia", "figure", "7").splitlines()
    assert "71.99 %" in lines[1] and lines[-1] == "results/figures/figure-07.png"
    assert (tmp_path / "results" / "figures" / "figure-07.png").stat().st_size > 5000
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["figures"]


def test_the_report_page_has_its_parts(installed, tmp_path):
    assert run(installed, tmp_path, "rdfia", "report") == "results/report.html\n"
    text = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert "Question 34: our answer" in text and "function mountReport" in text and "report/report" not in text


def test_the_demo_runs(installed, tmp_path):
    lines = run(installed, tmp_path, "rdfia", "demo", "--quick").splitlines()
    assert lines[0].startswith("QUICK")
    assert lines[-3:] == ["results/mlp/circles", "results/svm/kernels", "results/cnn/digits-augment-dropout"]
