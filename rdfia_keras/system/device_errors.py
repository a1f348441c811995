"""Errors that a back end raises when a computation fails on its device, shortened to one sentence."""

import re
from collections.abc import Collection
from dataclasses import dataclass

LONGEST = 200
# The bases of what TensorFlow and JAX raise, by name: neither need be installed.
_RAISED_BY_DEVICES = {"OpError", "JaxRuntimeError", "XlaRuntimeError"}
_MEMORY = re.compile(r"RESOURCE_EXHAUSTED|\bOOM\b|out of memory|failed to allocate", re.IGNORECASE)
# Files are written through TensorFlow as well, by the TensorBoard callback.
_FILES = re.compile(r"No space left on device|Permission denied|No such file|Read-only file system")
_NODE = re.compile(r"\{\{node ([^}]+)\}\}|Detected at node (\S+)")
# In TensorFlow's message: where it stood in the code, and headings.
_AROUND = re.compile(
    r'^(Graph execution error:|Detected at |File "|<stack traces unavailable|The op is created|'
    r"\[\[|Hint:|\d+ root error|$)"
)
_MARKS = re.compile(
    r"( compatible with node )?\{\{[^}]*\}\} ?| when trying to compile graph \S+|\s*\[Op:[^\]]*\].*|^\(\d+\)\s*|"
    r"^([A-Z_]+: |Error dispatching computation: )+"
)


@dataclass(frozen=True)
class DeviceError:
    """A failed computation.

    Attributes:
        message: The back end's own message, in one line.
        out_of_memory: Whether memory was short.
        nodes: The places in the graph, such as `cifar/conv1/Conv2D`; empty on JAX, which does not name them.
    """

    message: str
    out_of_memory: bool
    nodes: tuple[str, ...]

    def layer(self, names: Collection[str]) -> str | None:
        """Return which of a model's layers, by name, failed; None if the message names none of them."""
        # In a graph, the second scope of a name is numbered.
        scopes = (
            re.sub(r"_\d+$", "", part) if part not in names else part for node in self.nodes for part in node.split("/")
        )
        return next((scope for scope in scopes if scope in names), None)


def device_error(error: BaseException) -> DeviceError | None:
    """Return what failed, where `error` was raised by a computation of TensorFlow or JAX; None for other errors."""
    text = str(error)
    if _RAISED_BY_DEVICES.isdisjoint(cls.__name__ for cls in type(error).__mro__) or _FILES.search(text):
        return None
    lines = [line.strip() for line in text.splitlines()]
    informative = [line for line in lines if not _AROUND.match(line)] or lines or [""]
    message = _MARKS.sub("", informative[0]).strip() or type(error).__name__
    nodes = tuple(first or second for first, second in _NODE.findall(text))
    out_of_memory = type(error).__name__ == "ResourceExhaustedError" or bool(_MEMORY.search(text))
    shortened = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
    return DeviceError(shortened, out_of_memory, nodes)
