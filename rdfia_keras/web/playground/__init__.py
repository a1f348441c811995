"""The playground: a perceptron that trains in the browser."""
