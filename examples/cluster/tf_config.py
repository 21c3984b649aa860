"""Prints TF_CONFIG for one worker, for a shell to evaluate: python tf_config.py INDEX PORT HOST [HOST ...].

The workers of one host get ports that follow each other.
"""

import json
import shlex
import sys
from collections import Counter


def tf_config(index: int, port: int, hosts: list[str]) -> str:
    """The value of TF_CONFIG of the worker with this number; one host for each worker."""
    seen: Counter[str] = Counter()
    workers = []
    for host in hosts:
        workers.append(f"{host}:{port + seen[host]}")
        seen[host] += 1
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


if __name__ == "__main__":
    print(f"export TF_CONFIG={shlex.quote(tf_config(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))}")
