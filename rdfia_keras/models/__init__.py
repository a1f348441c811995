"""The maths and the layers: what is trained, apart from how."""
