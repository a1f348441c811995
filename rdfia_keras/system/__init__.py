"""The process around a run: Keras's back end, native logs, signals, the terminal. Imports no back end by itself."""
