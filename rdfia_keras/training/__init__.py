"""Training: Keras `fit` with callbacks, on any back end; the perceptron's compiled epochs apart."""
