"""Timings of this package beside the same work in PyTorch, NumPy, torchvision and plain Keras: `make bench`."""
