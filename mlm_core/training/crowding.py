"""More threads or processes than the machine has cores."""

from __future__ import annotations

from mlm_core.config.config import Config
from mlm_core.progress import Progress
from mlm_core.ranks.launch import launched
from mlm_core.system.machine import cores
from mlm_core.visible import quantity


def warn_of_crowding(config: Config, progress: Progress) -> None:
    """Warn of more threads, or processes that tokenize, than cores; they work all the same, but slowly."""
    ranks, here = launched().local_count, cores()
    if config.threads is not None and config.threads * ranks > here:
        each = f" in each of {quantity(ranks, 'rank')}" if ranks > 1 else ""
        progress.warn(
            f"{quantity(config.threads, 'thread')}{each} on {quantity(here, 'core')}: they wait for each "
            f"other, which is slower; --threads {max(1, here // ranks)} suits this machine"
        )
    if config.num_proc is not None and config.num_proc > here:
        progress.warn(
            f"--num-proc {config.num_proc:,} on {quantity(here, 'core')}: the processes wait for each other, "
            f"and each takes memory; --num-proc {here} suits this machine"
        )
