"""Every command of the documentation: how `make commands` executes it, or why it is only parsed."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from rdfia_keras.runs.store import REFERENCE_FOLDER

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    REFERENCE_FOLDER / "questions.md",
]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
# In backquotes, or at the start of a line of a code block; with the environment variables before it.
COMMAND = r"(?:^|`)((?:[A-Z][A-Z_0-9]*=\S+ )*)(?:\.venv/bin/)?(rdfia (?:[a-z-]+|--\w+)[^`\n#]*)"

# Not executed, with the reason. A command's bare name that lacks an argument is a mention, and need not stand here.
PARSED_ONLY = {
    "rdfia cnn --dataset digits --quick --device gpu": "needs a GPU",
    "rdfia cnn --device gpu --precision mixed_bfloat16": "needs a GPU",
    "NVIDIA_TF32_OVERRIDE=0 rdfia cnn --device gpu": "needs a GPU",
    "KERAS_BACKEND=jax JAX_DEFAULT_MATMUL_PRECISION=float32 rdfia cnn --device gpu": "needs a GPU",
    "KERAS_BACKEND=jax rdfia cnn ...": "needs a process of its own: test_convnet_training.py has one with JAX",
    "rdfia sweep ladder --seeds 3 --address HOST:6379": "needs a cluster: tests/faults/test_cluster_faults.py has one",
    "RAY_AUTH_MODE=token rdfia sweep ladder --seeds 3 --address HOST:6379": "needs a cluster",
    "rdfia sweep ladder --seeds 3 --ray": "starts Ray, as tests/faults/test_cluster_faults.py does",
    "rdfia sweep circles --set lr=0.03,0.07,0.2 --ray": "starts Ray, as tests/faults/test_cluster_faults.py does",
    "rdfia improve --bonus": "trains 40 networks: tests/commands/test_improve.py has it with their records",
    "rdfia improve --modern": "trains 10 networks: tests/commands/test_improve.py has it with their records",
    "rdfia ablate modern-fast": "trains 15 networks, three seeds each",
    "rdfia cnn --tensorboard": "needs TensorBoard, an extra of its own",
    "rdfia --install-completion": "changes the files of a shell",
    "rdfia predict digits five.png": "needs a picture: tests/commands/test_attribution.py has one",
    "rdfia verify reference/mlp/circles --epochs 5 --data-dir DIR": "needs the course's circles: tests/test_verify.py",
    "rdfia learn check homework/mlp.py --watch": "ends with Ctrl-C: tests/test_learn_commands.py ends it",
    "rdfia learn check --watch": "ends with Ctrl-C: tests/test_learn_commands.py ends it",
}
# What other tests run; running it once more would show nothing.
RUN_ELSEWHERE = {
    "rdfia ablate normalize --dataset digits --quick": "tests/commands/test_improve.py",
    "rdfia demo --quick": "tests/commands/test_installed_wheel.py",
    "rdfia explain start --dataset my-pictures/ --seeds 1 --json": "tests/test_surroundings.py",
    "rdfia figure 2 --quick --train": "tests/commands/test_figures_train.py",
    "rdfia improve": "tests/commands/test_improve.py",
    "rdfia improve adam --epochs 1 --precision mixed_bfloat16 --quick": "tests/commands/test_improve.py",
    "rdfia improve --modern --dataset digits --quick": "tests/commands/test_improve.py",
    "rdfia improve adam blur --dataset FOLDER": "tests/commands/test_improve.py",
    "rdfia inspect cnn/augment": "tests/commands/test_attribution.py",
    "rdfia learn": "tests/test_learn_commands.py",
    "rdfia learn check mlp.py --only softmax --json": "tests/test_learn_commands.py",
    "rdfia learn hint softmax --shapes": "tests/test_learn_commands.py",
    "rdfia learn play --quick": "tests/commands/test_learn_at_work.py",
    "rdfia learn run mlp.py --quick --epochs 3 --lr 50 --seed 1": "tests/commands/test_learn_at_work.py",
    "rdfia learn solution softmax": "tests/test_learn_commands.py",
    "rdfia learn start mlp svm here --notebook": "tests/test_learn_commands.py",
    "rdfia predict cnn/augment pictures/ --top 3 --json": "tests/commands/test_attribution.py",
    "rdfia resume cnn/augment --epochs 2": "tests/test_resume.py",
    "rdfia sweep circles --set lr=1000000,0.07 --set epochs=3 --seeds 2": "tests/test_sweep.py",
}
# What stands in the documentation for something of the reader's own.
PLACEHOLDERS = {
    "FILE.csv": "points.csv",
    "[RUN]": "RUN",
    "FIELD=V1,V2": "dropout_rate=0,0.5",
    "NAME...": "dropout",
    "DIR": "data",
    "FOLDER": "data",
}
# Whole trainings in the documentation; a test needs a taste of them.
SHORT = {"--epochs": 2, "--seeds": 2}
TRAINING = ("mlp", "svm", "cnn", "improve", "sweep", "demo")


def commands() -> list[str]:
    """Every command as it is written; those of extending.md are in tests/commands/test_extending.py."""
    texts = [text for name, text in TEXTS.items() if name != "extending.md"]
    found = {"".join(parts).strip() for text in texts for parts in re.findall(COMMAND, text, flags=re.MULTILINE)}
    return sorted(found)


def words(command: str) -> list[str]:
    """The arguments of a command, with files, runs and numbers in place of placeholders; < FILE is left out."""
    for placeholder, value in PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    command = command.rpartition("rdfia ")[2].partition(" < ")[0].replace("...", "")
    name = command.split()[0]
    run = "mlp/circles" if name == "mlp" else "cnn/augment"
    values = {"N": "2", "NUMBER": "7", "RUN": run, "NAME": "softmax" if name == "learn" else "adam"}
    return [values.get(word, word) for word in shlex.split(command)]


def executable(command: str) -> list[str]:
    """The arguments with which a command is executed: little training, on few examples."""
    arguments = words(command)
    if arguments[0] == "cnn" or arguments[:2] in (["explain", "whitening"], ["sweep", "cnn"]):
        # Of MNIST the workspace has few images.
        arguments = [re.sub(r"^(dataset=)?digits$", r"\1mnist", word) for word in arguments]
    if arguments[:2] == ["sweep", "cnn"]:
        arguments += ["--set", "network=dense"]
    for option, most in SHORT.items():
        if option in arguments:
            at = arguments.index(option) + 1
            arguments[at] = str(min(int(arguments[at]), most))
    if arguments[0] == "sweep" and "--seeds" not in arguments:
        arguments += ["--seeds", "1"]
    if arguments[0] == "mlp" and not {"--implementation", "--lbfgs", "--check-gradients", "--help"} & set(arguments):
        # The four of them are trained by the tests of trainings.
        arguments += ["--implementation", "manual"]
    if arguments[0] == "cnn" and not {"--network", "--batch-norm", "--help"} & set(arguments):
        arguments += ["--network", "dense"]
    trains = arguments[0] in TRAINING or "--train" in arguments or arguments[:2] == ["learn", "run"]
    is_quick = {"--quick", "--dry-run", "--help"} & set(arguments)
    return [*arguments, "--quick"] if trains and not is_quick else arguments


def shown_by(command: str) -> set[tuple[str, ...]]:
    """What executing a command shows: that it works without, with one and with more names, and with each option."""
    name, *rest = words(command)
    if name in ("explain", "learn") and rest:
        name, *rest = f"{name} {rest[0]}", *rest[1:]
    options = [word.partition("=")[0] for word in rest if word.startswith("--")]
    before = ["", *rest]
    names = [word for i, word in enumerate(rest) if not word.startswith("-") and not before[i].startswith("--")]
    return {(name, f"{min(len(names), 2)} names"), *((name, option) for option in options)}


def a_selection(commands: list[str], run_elsewhere: Iterable[str]) -> list[str]:
    """Choose commands that show all that the whole list does, those with most options first, and keep their order.

    What is left out is run elsewhere, or differs from them in values or in which options it combines; test_docs.py
    parses it.
    """
    chosen, shown = set[str](), {fact for command in run_elsewhere for fact in shown_by(command)}
    for command in sorted(commands, key=lambda command: (-len(shown_by(command)), command)):
        if not shown_by(command) <= shown:
            chosen.add(command)
            shown |= shown_by(command)
    return [command for command in commands if command in chosen]
