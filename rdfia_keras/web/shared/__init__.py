"""The parts of both pages: the HTML file, colours, elements, the map of the plane and the perceptron."""
