"""Settings as text: `FIELD=VALUE`, and back."""

import hashlib
from typing import TYPE_CHECKING, Any

from rdfia_keras.config.setting import check_value, flag, label, settings, value_type
from rdfia_keras.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rdfia_keras.config.sections import Config

# Bytes of a folder's or file's name that is made of other names; file systems allow 255.
MAX_NAME = 100
# What people call a setting whose own name is not near.
OTHER_NAMES = {"learning_rate": "lr", "eta": "lr", "n_h": "hidden_units", "weight_std": "init_std"}


def parse_setting(config: "type[Config]", text: str) -> tuple[str, Any]:
    """Return a field and its value from `FIELD=VALUE`: `("lr", 0.1)` from `lr=0.1`.

    Raises:
        ConfigError: When it is no such text, no such field, or a value that the field does not take.
    """
    field, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} gives no value: write FIELD=VALUE, such as seed=1")
    name = parse_field(config, field)
    return name, parse_value(config, name, value)


def parse_field(config: "type[Config]", text: str) -> str:
    """Return the field that a text names by its name, its flag or its switch: `hidden_units`, `hidden`, `--dropout`.

    Raises:
        ConfigError: With the closest name when there is no such field.
    """
    names: dict[str, str] = {}
    for name, setting in settings(config).items():
        flags = (flag(name, setting), setting.switch.flag if setting.switch else name)
        names |= {_plain_name(alias): name for alias in (name, *flags)}
    text = text.strip()
    if (plain := _plain_name(text)) in names:
        return names[plain]
    hint = did_you_mean(OTHER_NAMES.get(plain, plain), settings(config))
    raise ConfigError(f"{config.section} has no setting {text!r}: {hint}", (text,))


def parse_value(config: "type[Config]", name: str, text: str) -> Any:
    """Return the value of a field from text, in the type of its annotation, checked by itself.

    A text is `true` or `false` for a bool, `crop+flip` for a tuple, and `none` where None or an empty tuple may stand.

    Raises:
        ConfigError: When the field does not take it.
    """
    setting, annotation = settings(config)[name], config.__dataclass_fields__[name].type
    kind, optional, many = value_type(annotation)
    text = text.strip()
    if not text:
        raise ConfigError(f"{label(config, name)} needs a value, as in {name}=VALUE", (name,))
    if text.lower() == "none" and (optional or many):
        return () if many else None
    return check_value(name, annotation, _parse(kind, text), setting)


def setting_text(value: Any) -> str:
    """Return a value as `parse_value` reads it."""
    if isinstance(value, tuple | list):
        return "+".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else str(value)


def short_name(text: str) -> str:
    """Return a name as it is, or if it is longer than `MAX_NAME` bytes its first words and a digest of all of it."""
    if len(text.encode()) <= MAX_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    start = text.encode()[: MAX_NAME - len(digest) - 1].decode(errors="ignore")
    return f"{start.rpartition('-')[0] or start}-{digest}"


def _plain_name(text: str) -> str:
    """Return a field or flag without dashes and capitals."""
    return text.strip().removeprefix("--").replace("-", "_").lower()


def _parse(kind: type, text: str) -> Any:
    """Return a text as a value; what is no such value stays as it is, for `check_value` to refuse."""
    return {"true": True, "false": False}.get(text.lower(), text) if kind is bool else parse_number(kind, text)


def parse_number(kind: type, text: Any) -> Any:
    """Return a text as a number; what is none stays as it is, for `check_value` to refuse."""
    try:
        return kind(text)
    except ValueError:
        return text
