"""Studies: one setting of the perceptron over several values, each over several seeds (part 2.1, theory 10 and 11)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Study:
    """One setting over its values.

    Attributes:
        field: Of `MlpConfig`; `method` for how steps are taken.
        values: What it is set to.
        question: Which the study answers.
        label: Of the axis.
    """

    name: str
    field: str
    values: tuple[float | str, ...]
    question: str
    label: str


STUDIES = {
    study.name: study
    for study in (
        Study(
            "learning-rate",
            "lr",
            (0.003, 0.01, 0.03, 0.07, 0.2, 0.5, 1.0, 2.0, 5.0),
            "T11, 2.1",
            "learning rate η",
        ),
        Study("batch-size", "batch_size", (1, 5, 10, 20, 50, 200), "T10, 2.1", "batch size"),
        Study("init", "init_std", (0.0, 0.01, 0.1, 0.3, 1.0, 3.0), "2.1", "standard deviation of the initial weights"),
        Study("hidden", "hidden_units", (1, 2, 3, 4, 6, 10, 30, 100), "T4", "hidden units n_h"),
        Study("lbfgs", "method", ("SGD", "L-BFGS"), "28", "method"),
    )
}
