"""What a process of its own would forget is forgotten here after each test."""

import keras
import pytest


@pytest.fixture(autouse=True)
def no_graphs_left():
    yield
    keras.backend.clear_session()
