"""The registry: declared names only, each once, in the declared order."""

import pytest

from rdfia_keras.registry import Registry


@pytest.fixture
def shapes() -> Registry[object]:
    return Registry("shape", ("square", "circle", "disc"), declared_in="config.SHAPES")


def test_register_returns_the_object_itself(shapes):
    def square():
        pass

    assert shapes.register("square")(square) is square
    assert shapes["square"] is square


def test_iteration_follows_the_declared_order(shapes):
    for name in ("disc", "square"):
        shapes.register(name)(object())
    assert list(shapes) == ["square", "disc"]
    assert len(shapes) == 2
    assert shapes.missing() == ("circle",)
    assert "disc" in shapes
    assert "circle" not in shapes
    assert shapes.get("circle") is None


def test_an_undeclared_name_is_refused_with_the_place_to_add_it(shapes):
    with pytest.raises(ValueError, match=r"'cube' is no declared shape: add it to config\.SHAPES"):
        shapes.register("cube")
    assert len(shapes) == 0


def test_a_second_object_of_the_same_name_is_refused(shapes):
    first = object()
    shapes.register("disc")(first)
    shapes.register("disc")(first)
    with pytest.raises(ValueError, match="the shape 'disc' is registered twice"):
        shapes.register("disc")(object())
    assert shapes["disc"] is first


def test_two_names_may_share_an_object(shapes):
    item = object()
    for name in shapes.names:
        shapes.register(name)(item)
    assert shapes.missing() == ()


def test_an_unknown_name_lists_the_choices(shapes):
    with pytest.raises(KeyError, match="no shape is called 'cube'; choose from square, circle, disc"):
        shapes["cube"]


def test_a_declared_name_without_an_object_says_so(shapes):
    with pytest.raises(KeyError, match=r"config\.SHAPES declares the shape 'disc', but nothing registers it"):
        shapes["disc"]
