"""What there is: every experiment, study and explanation, with its figure, question and command."""

from rdfia_keras.experiments import FIGURES, LADDER, REGISTRY, STUDIES, CnnExperiment, Experiment

# Topic of `rdfia explain`, question, what it shows.
EXPLANATIONS = (
    ("conv", "1", "output size and weights of a convolution, against a fully-connected layer"),
    ("dense-as-conv", "4, 5, 6", "the convnet made fully convolutional, on a larger image"),
    ("receptive-field", "7", "what one neuron of each layer sees"),
    ("layers", "8, 9, 10, 11", "output and weights of every layer"),
    ("bow-svm", "12", "parameters of visual words with SVMs"),
    ("start", "17", "loss and accuracy before the first step"),
    ("whitening", "21", "what ZCA and PCA make of images"),
    ("dropout", "33", "dropout in training and in test"),
    ("loss", "T14", "the simplified loss and the naive one"),
    ("backprop-cost", "T12", "gradients one by one and by backprop"),
)


def entries() -> list[dict]:
    """A row for each, in the order of the report."""
    rows = [_experiment(experiment) for experiment in REGISTRY.values()]
    rows += [
        _row(f"study-{study.name}", "mlp", question=study.question, command=f"rdfia study {study.name}")
        for study in STUDIES.values()
    ]
    rows += [
        _row(topic, "explain", question=question, shows=what, command=f"rdfia explain {topic}")
        for topic, question, what in EXPLANATIONS
    ]
    return rows


def _experiment(experiment: Experiment) -> dict:
    figures = [number for number, figure in FIGURES.items() if experiment.name in dict(figure.panels)]
    section = experiment.section
    if isinstance(experiment, CnnExperiment):
        part_5 = experiment in LADDER[1:] or (experiment.question or 0) >= 19
        section = "improve" if part_5 else "cnn"
        command = f"rdfia improve {experiment.name}"
    else:
        command = f"rdfia figure {figures[0]}"
    return _row(
        experiment.name,
        section,
        figures=figures,
        question=str(experiment.question or ""),
        published=experiment.published,
        reported=experiment.reported,
        epochs=getattr(experiment, "epochs", None),
        dataset=experiment.dataset,
        command=command,
    )


def _row(name: str, section: str, **rest) -> dict:
    empty = {"figures": [], "question": "", "published": None, "reported": "", "epochs": None}
    empty |= {"dataset": "", "shows": ""}
    return {"name": name, "section": section, **empty, **rest}
