"""Run `rdfia cnn` once for each seed, two commands at a time: what one does by hand instead of `rdfia sweep --ray`.

python -m benchmarks.side_by_side SEEDS [OPTIONS of rdfia cnn]
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


def main() -> None:
    seeds, *options = sys.argv[1:]
    command = [sys.executable, "-m", "rdfia_keras", "cnn", *options]

    def train(seed: int) -> None:
        log = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*command, "--seed", str(seed)], env=os.environ | ONE_THREAD, check=True, **log)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(train, range(int(seeds))))


if __name__ == "__main__":
    main()
