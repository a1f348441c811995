"""The command in this process, what one types for settings, and the config that a command makes of it."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import typer
from typer.testing import CliRunner

from rdfia_keras.commands._app import app
from rdfia_keras.commands._options import Command
from rdfia_keras.config import Config, flag, settings
from rdfia_keras.result import Result


def invoke(*words, stdin: str | None = None) -> SimpleNamespace:
    """Run `rdfia WORDS` here, which spares the seconds that TensorFlow takes to start; as a process, with its texts."""
    done = CliRunner().invoke(app, list(map(str, words)), input=stdin)
    return SimpleNamespace(returncode=done.exit_code, stdout=done.stdout, stderr=done.stderr)


def argv(kind: Any, values: Mapping[str, Any]) -> list[str]:
    """Return the options for some settings of a config or of `RunOptions`."""
    words = []
    for name, value in values.items():
        setting = settings(kind)[name]
        option = flag(name, setting)
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option.removeprefix('--')}")
        elif isinstance(value, tuple):
            words += [word for item in value for word in (option, item)]
        else:
            words += [*([setting.switch.flag] if setting.switch else ()), option, str(value)]
    return words


def config_of(kind: type[Config], *words: str) -> Config:
    """Return the config that a command with these options gets."""
    probe = typer.Typer()
    Command(lambda config: Result(data=config.to_dict()), "probe", kind, (), ()).register(probe)
    done = CliRunner().invoke(probe, [*words, "--json"])
    assert done.exit_code == 0, done.stderr
    return kind.from_dict(json.loads(done.stdout))
