"""python -m rdfia_keras"""

from rdfia_keras.cli import main

main()
