"""Grade the submissions of a class: each in a process that cannot harm anybody, judged in another."""
