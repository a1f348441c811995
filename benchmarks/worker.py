"""One contender in a process of its own: `python -m benchmarks.worker GROUP MATCH CONTENDER`.

It says `ready` and its facts when it is set up, then times its work once for each line on stdin, and answers each with
a line of JSON: seconds and units.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
WARM_UPS = 2  # tracing, compiling, caches
LONG = 10.0  # seconds after which one warm-up is enough


def main() -> None:
    from benchmarks.groups import GROUPS

    group, match, contender = sys.argv[1:]
    contenders = next(known for known in GROUPS[group].matches if known.name == match).contenders
    work = contenders[contender]()
    begin = time.perf_counter()
    for _ in range(WARM_UPS):
        if time.perf_counter() - begin < LONG:
            work.run()
    print("ready", json.dumps(dict(work.facts)), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        own = work.run()
        seconds = own if isinstance(own, float) else time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "units": work.units}), flush=True)
    # The convnet's `fit` waits in a thread for its next epoch.
    os._exit(0)


if __name__ == "__main__":
    main()
