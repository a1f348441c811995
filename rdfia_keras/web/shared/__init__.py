"""What both pages are made of: the one file, the colours, elements, the map of the plane and the perceptron."""
