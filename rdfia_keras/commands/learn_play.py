"""`rdfia learn play`: the playground with the weights that a student's functions train."""

from dataclasses import replace

from rdfia_keras.commands._options import OpenPage, command
from rdfia_keras.commands.learn_run import (
    FOLDER,
    WITHOUT,
    MlpFile,
    divergence,
    function_lines,
    make_problem,
    shorten,
    write_weights,
)
from rdfia_keras.commands.playground import check_settings, playground
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.result import Result


@command(
    config=MlpConfig,
    without=WITHOUT,
    options=("out", "data_dir", "quick"),
    examples=("rdfia learn play --open",),
)
def play(config: MlpConfig, options: RunOptions, file: MlpFile = None, open_page: OpenPage = False) -> Result:
    """Write the playground with the weights that your functions train."""
    from rdfia_keras.data import load_vectors
    from rdfia_keras.learn.student import perceptron_file, train_file
    from rdfia_keras.runs.files import make_folder

    config = shorten(config, options)
    check_settings(config)
    data = load_vectors(config.dataset, options.data_dir)
    training, verdicts = train_file(perceptron_file(file), make_problem(config, data))
    folder = make_folder(options.out / FOLDER)
    weights = write_weights(training.weights, folder)
    page = playground(replace(config, init=str(weights)), replace(options, out=folder), open_page)
    trained = len(training.history)
    after = f"The page begins from your weights after {trained} epoch{'s' * (trained != 1)}."
    lines = [*function_lines(verdicts), *divergence(training), after]
    return replace(page, lines=lines, paths=[weights, *page.paths], quick=options.quick)
