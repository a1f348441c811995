"""Compare a result with the expected one, and say in a clause where they differ."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rdfia_keras.learn.worker import describe

# Relative to an entry, and to the largest entry of its array: float32 passes. Integers are compared exactly.
TOLERANCE = 2e-4


def difference(
    expected: Any, actual: Any, name: str = "the result", returns: Sequence[str] = (), values: bool = True
) -> str:
    """Return a difference of two results as a clause, an empty text where they agree.

    Of an array, it is the entry that differs most; of several results, that of the first one that differs.

    Args:
        expected: Arrays, numbers, texts; a dict or, where there are several results, a tuple of them.
        actual: Anything.
        name: What the clause calls it.
        returns: The names of several results.
        values: Whether the numbers count, too; without, only their names, shapes and types do.
    """
    if actual is None:
        return f"{name} is None" + (" (is a return missing?)" if name == "the result" else "")
    if isinstance(expected, dict):
        return _dict_difference(expected, actual, name, values)
    if returns:
        return _tuple_difference(expected, actual, returns, values)
    if isinstance(expected, str):
        text = actual if isinstance(actual, str) else describe(actual)
        return "" if text == expected else f"{name}: {text}; expected: {expected}"
    return _array_difference(np.asarray(expected), actual, name, values)


def _dict_difference(expected: Mapping[str, Any], actual: Any, name: str, values: bool) -> str:
    names = ", ".join(map(str, expected))
    if not isinstance(actual, Mapping):
        return f"{name} is {describe(actual)}; expected a dict with {names}"
    for key, value in expected.items():
        if key not in actual:
            return f"{name} has no key {key!r}; expected a dict with {names}"
        if clause := difference(value, actual[key], key, values=values):
            return clause
    more = [str(key) for key in actual if key not in expected]
    others = f" and {len(more) - 5} more" if len(more) > 5 else ""
    return f"{name} also has {', '.join(more[:5])}{others}; expected only {names}" if more else ""


def _tuple_difference(expected: tuple[Any, ...], actual: Any, returns: Sequence[str], values: bool) -> str:
    if not isinstance(actual, tuple | list) or len(actual) != len(expected):
        count = f"{len(actual)} values" if isinstance(actual, tuple | list) else describe(actual)
        return f"the result is {count}; expected {len(expected)} values: {', '.join(returns)}"
    for name, value, other in zip(returns, expected, actual, strict=True):
        if clause := difference(value, other, name, values=values):
            return clause
    return ""


def _array_difference(expected: np.ndarray, actual: Any, name: str, values: bool = True) -> str:
    try:
        array = np.asarray(actual)
    except Exception:
        return f"{name} is {describe(actual)}; expected {_kind(expected, 'an array')}"
    if array.dtype.kind not in "biufc":
        return f"{name} is {describe(actual)}; expected {_kind(expected, 'numbers')}"
    if array.shape != expected.shape:
        return f"{name} has shape {array.shape}; expected {expected.shape if expected.ndim else _kind(expected)}"
    if array.dtype.kind == "c":
        return f"{name} has complex numbers (dtype {array.dtype}); expected real ones"
    if array.dtype == np.float16:
        return f"{name} has dtype float16, which keeps only three digits; use float64"
    dtype = array.dtype
    close = np.equal if expected.dtype.kind in "biu" else _close
    with np.errstate(over="ignore"):
        expected, array = expected.astype(float), array.astype(float)
    bad = ~close(expected, array)
    if not values or not bad.any():
        return ""
    entry = _worst(expected, array, bad)
    place = f"{name.removeprefix('the ')}{list(entry)}" if entry else name
    clause = f"{place} is {number(array[entry])}; expected {number(expected[entry])}"
    if dtype.kind in "biu" and 0 < abs(array[entry] - expected[entry]) < 1:
        clause += f" (yours has dtype {dtype}, which keeps no fractions)"
    return clause


def _kind(expected: np.ndarray, several: str = "") -> str:
    """Return what is expected in words."""
    return f"{several} of shape {expected.shape}" if expected.ndim else "one number (shape ())"


def _worst(expected: np.ndarray, actual: np.ndarray, bad: np.ndarray) -> tuple[int, ...]:
    """Return the position of the entry that differs most among those that do; of equal ones, of the first."""
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(expected - actual), nan=np.inf, posinf=np.inf)
    return tuple(int(i) for i in np.unravel_index(np.where(bad, apart, -1).argmax(), bad.shape))


def _close(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    finite = np.isfinite(expected)
    scale = np.abs(expected[finite]).max() if finite.any() else 0.0
    with np.errstate(all="ignore"):
        near = np.abs(expected - actual) <= TOLERANCE * (np.abs(expected) + 0.1 * scale) + 1e-12
    # inf as the expected value would make the tolerance infinite.
    return (near & finite) | (expected == actual) | (np.isnan(expected) & np.isnan(actual))


def number(value: float) -> str:
    """Return a number for people."""
    if math.isnan(value):
        return "NaN"
    whole = math.isfinite(value) and value == round(value) and abs(value) < 1e15
    return str(round(value)) if whole else f"{value:.6g}"


def equal(first: Any, second: Any) -> bool:
    """Return whether two results are equal, whatever they are. An empty dict as the first stands for any dict."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        same_keys = not first or first.keys() == second.keys()
        return same_keys and all(equal(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    if first is None or second is None or isinstance(first, str) or isinstance(second, str):
        return type(first) is type(second) and first == second
    try:
        return not _array_difference(np.asarray(first), second, "")
    except Exception:
        return False
