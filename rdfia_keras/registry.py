"""Objects that register themselves, where they are defined, under a name that the configuration declares."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Mapping of declared names to the objects registered under them.

    Iteration follows the order of `names` and skips the names that nothing has registered yet.

    Args:
        kind: What the objects are, in the singular, for error messages: `"data set"`.
        names: The declared names.
        declared_in: The constant that declares them, for error messages: `"config.VECTOR_DATASETS"`.

    Example:

    >>> shapes = Registry("shape", ("square", "circle"), declared_in="config.SHAPES")
    >>> @shapes.register("circle")
    ... def area(size):
    ...     return 3.14 * size**2
    >>> list(shapes)
    ['circle']
    >>> shapes.missing()
    ('square',)
    """

    def __init__(self, kind: str, names: tuple[str, ...], declared_in: str) -> None:
        self.kind = kind
        self.names = names
        self.declared_in = declared_in
        self._objects: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that registers an object as `name` and gives it back unchanged.

        Raises:
            ValueError: If `name` is not declared, or another object is registered under it.
        """
        if name not in self.names:
            raise ValueError(f"{name!r} is no declared {self.kind}: add it to {self.declared_in}")

        def decorate(item: T) -> T:
            if self._objects.setdefault(name, item) is not item:
                raise ValueError(f"the {self.kind} {name!r} is registered twice: {self._objects[name]!r} and {item!r}")
            return item

        return decorate

    def missing(self) -> tuple[str, ...]:
        """Returns the declared names that nothing has registered."""
        return tuple(name for name in self.names if name not in self._objects)

    def __getitem__(self, name: str) -> T:
        if name in self._objects:
            return self._objects[name]
        if name in self.names:
            raise KeyError(f"{self.declared_in} declares the {self.kind} {name!r}, but nothing registers it")
        raise KeyError(f"no {self.kind} is called {name!r}; choose from {', '.join(self.names)}")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self._objects)

    def __len__(self) -> int:
        return len(self._objects)
