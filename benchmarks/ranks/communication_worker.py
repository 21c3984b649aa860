"""Times the sum of many float32 numbers over ranks: python communication_worker.py BACKEND RANKS NUMBERS.

Prints the median of seconds. The first call starts the ranks.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from mlm_core import Config, load_engine
from mlm_core.ranks.launch import launched
from mlm_core.ranks.processes import free_ports, rank_environment

TIMES = 5


def main() -> None:
    """Start the ranks, or be one."""
    backend, count, numbers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if launched().count == 1:
        ports = free_ports(count + 1)
        ranks = [
            subprocess.Popen([sys.executable, *sys.argv], env=os.environ | rank_environment(number, ports))
            for number in range(count)
        ]
        sys.exit(max(rank.wait() for rank in ranks))
    engine = load_engine(backend)
    engine.join(Config())
    add_up = {"torch": torch_sum, "tf": tensorflow_sum}[backend](numbers)
    add_up()
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        add_up()
        seconds.append(time.perf_counter() - begun)
    if engine.ranks.first:
        print(statistics.median(seconds))


def torch_sum(numbers: int) -> Callable[[], None]:
    """A function that adds up float32 numbers over the ranks."""
    import torch

    values = torch.ones(numbers, device="cuda" if torch.cuda.is_available() else "cpu")

    def add_up() -> None:
        torch.distributed.all_reduce(values)
        if values.is_cuda:
            torch.cuda.synchronize()

    return add_up


def tensorflow_sum(numbers: int) -> Callable[[], None]:
    """The same in TensorFlow."""
    import tensorflow as tf

    from mlm_tf.replicas import add_up as over_replicas
    from mlm_tf.replicas import strategy_for

    strategy = strategy_for("auto")

    @tf.function
    def summed() -> tf.Tensor:
        return strategy.run(lambda: over_replicas(tf.ones([numbers]))[0])

    def add_up() -> None:
        for replica in strategy.experimental_local_results(summed()):
            replica.numpy()

    return add_up


if __name__ == "__main__":
    main()
