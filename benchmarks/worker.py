"""One contender in a process of its own: `worker.py GROUP NAME` times its work once for each line on stdin.

Answers each line with a line of JSON: seconds, units, and the process's peak resident memory in MB.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    from contenders import CONTENDERS

    function, arguments, *named = CONTENDERS[sys.argv[1]][sys.argv[2]]
    work, units = function(*arguments, **dict(*named))
    for _ in range(2):  # tracing, compiling, caches
        work()
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        work()
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "units": units, "peak_mb": round(peak)}), flush=True)
    # The convnet's `fit` waits in a thread for its next epoch.
    os._exit(0)


if __name__ == "__main__":
    main()
