"""Run `rdfia` as `python -m rdfia_keras`."""

from rdfia_keras.commands._app import main

main()
