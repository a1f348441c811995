"""What an experiment is: a named config and what the report says of it. Registered where it is declared."""

from dataclasses import dataclass, field, replace
from typing import Any

from rdfia_keras.config import Config


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is known of an experiment beside our own runs.

    Attributes:
        figure: Of the report.
        question: Of the report: a number of its parts 3 to 5, `T11` of its theory, `2.1` and `2.2` of those parts.
        published: Test accuracy in the report, as a fraction: the best one, or the one at the end of the training.
        published_at_end: Whether `published` is the one at the end.
        comment: What the report says of it in words, where it gives no number.
    """

    figure: int | None = None
    question: str = ""
    published: float | None = None
    published_at_end: bool = False
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A named config, and what it is compared with.

    Attributes:
        name: Of its runs' folders.
        config: With every default filled in.
        reference: What the report says of it.
        base: Name of the experiment that this one changes in one respect.
    """

    name: str
    config: Config
    reference: Reference = field(default_factory=Reference)
    base: str | None = None

    @property
    def section(self) -> str:
        """The section that runs it."""
        return self.config.section


REGISTRY: dict[str, Experiment] = {}


def declare(name: str, config: Config, base: str | None = None, **reference: Any) -> Experiment:
    """Register an experiment under its name.

    Args:
        config: What it runs.
        base: Name of the experiment that it changes in one respect.
        reference: Fields of `Reference`.

    Raises:
        ValueError: When another experiment has this name or these settings.
    """
    experiment = Experiment(name=name, config=config.resolve(), base=base, reference=Reference(**reference))
    for other in REGISTRY.values():
        if other.name == name or same_identity(other.config, experiment.config):
            raise ValueError(f"the experiment {name} is already registered, as {other.name}")
    REGISTRY[name] = experiment
    return experiment


def on(base: Experiment, name: str, changes: dict[str, Any], **reference: Any) -> Experiment:
    """Register `base` with some settings changed: `on(AUGMENT, "step", {"schedule": "step"}, figure=19)`."""
    return declare(name, replace(base.config, **changes), base=base.name, **reference)


def same_identity(one: Config, other: Config) -> bool:
    """Whether two configs belong to one experiment: they differ at most in seed, epochs, precision and the like."""
    return type(one) is type(other) and one.identity() == other.identity()
