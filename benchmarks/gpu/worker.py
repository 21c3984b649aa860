"""One variant of a training step, in a process of its own.

    worker.py VARIANT

Gets ready, says so, and is blocked until it is asked for something (see `processes.py`). It neither computes
nor spins while another variant is measured. What it can be asked for, a JSON object a line:
    {"steps": N}   seconds of a step, over N of them
    {"trace": N}   what the GPU does in N steps
An empty line, or the end of the input, ends the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from settings import Settings
from texts import TEXT, held_out
from tracing import Trace
from variants import Variant

WARM = 4
"""Steps until a variant is ready: for compilation, caches and the allocator."""

AGAIN = 2
"""Steps before each measurement: at rest, a variant returns its free memory to the GPU."""

MANY = 10**6
"""Steps: more than will be asked for."""


class Device:
    """What a worker needs of its framework's device.

    Args:
        engine: of this project.
        gpu: whether PyTorch's GPU is in use; TensorFlow's steps end by handing over their loss.
    """

    def __init__(self, engine: Any, gpu: bool) -> None:
        self._engine = engine
        self._cuda = None
        if gpu and engine.name == "torch":
            import torch

            self._cuda = torch.cuda

    def wait(self) -> None:
        """Return once all that was launched is done."""
        if self._cuda is not None:
            self._cuda.synchronize()

    def release(self) -> None:
        """Return the allocator's free memory to the GPU, for other processes."""
        if self._cuda is not None:
            self._cuda.empty_cache()

    def count_memory_anew(self) -> None:
        """Forget the peak so far."""
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats()

    @property
    def peak_gb(self) -> float | None:
        """The most memory that arrays took, in 10^9 bytes; None on a CPU."""
        memory = self._engine.device_memory()
        return memory / 1e3 if memory is not None else None


class Rounds:
    """The worker's side of the rounds: `step_done` is to be called after every step.

    Args:
        device: where the steps are computed.
        is_large: whether to get ready only while no other large variant does.
        lock: a file that large variants lock.
    """

    def __init__(self, device: Device, is_large: bool, lock: str) -> None:
        self.facts: dict[str, Any] = {}
        self._device = device
        self._lock = os.open(lock, os.O_CREAT | os.O_RDWR) if is_large else None
        self._warm = WARM
        self._again = self._due = self._done = 0
        self._trace: Trace | None = None
        self._begun = 0.0
        # Libraries print to stderr from here on; stdout is for the program that asks.
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def begin(self) -> None:
        """Steps are about to begin: a large variant waits for its turn."""
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def awaits(self, step: int) -> bool:
        """Whether `step_done` waits for the device after a step of this project."""
        return self._warm > 0 or self._again > 0 or self._done + 1 == self._due

    def __call__(self, step: Any) -> None:
        """See `step_done`."""
        self.step_done()

    def step_done(self) -> None:
        """A step has been launched. Returns when the next one is wanted; ends the process if none is."""
        if self._warm > 0:
            self._warm -= 1
            if self._warm == 1:
                self._device.wait()
                self._begun = time.perf_counter()
            elif self._warm == 0:
                self._device.wait()
                seconds = time.perf_counter() - self._begun
                self._device.count_memory_anew()
                self._answer(ready=True, seconds=seconds, **self.facts)
        elif self._again > 0:
            self._again -= 1
            if self._again == 0:
                self._start()
        else:
            self._done += 1
            if self._done == self._due:
                self._finish()

    def _start(self) -> None:
        self._device.wait()
        if self._trace is not None:
            self._trace.start()
        # The profiler's own start is over by now.
        self._begun = time.perf_counter()

    def _finish(self) -> None:
        self._device.wait()
        seconds = (time.perf_counter() - self._begun) / self._due
        if self._trace is not None:
            found = self._trace.stop(self._due)
            self._trace = None
            self._answer(profiled_ms=seconds * 1e3, **found)
        else:
            self._answer(seconds=seconds, peak_gb=self._device.peak_gb)

    def _answer(self, **facts: Any) -> None:
        """Say something, and wait for what is wanted next."""
        self._device.release()
        if self._lock is not None:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        print(json.dumps(facts), file=self._out, flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            # Nothing more is wanted of a loop that is a framework's own.
            os._exit(0)
        asked = json.loads(line)
        self._trace = Trace() if "trace" in asked else None
        self._due, self._done, self._again = int(asked.get("trace") or asked["steps"]), 0, AGAIN


def allows_tf32(variant: Variant) -> bool:
    """Whether the variant is the recipe, which knows TF32 as PyTorch's own setting only."""
    return variant.owner == "recipe" and variant.precision == "tf32"


def trainer_of(variant: Variant, settings: Settings, engine: Any, scratch: str) -> Any:
    """A trainer with the variant's model, batches and precision."""
    from mlm_core import Config

    size, _ = variant.sizes(tiny=settings.tiny)
    return engine.trainer(
        Config(
            dataset=str(settings.work / TEXT), model=str(settings.work / variant.directory()),
            from_scratch=True, max_steps=MANY, batch_size=size.batch, block_size=size.block,
            precision="float32" if allows_tf32(variant) else variant.precision,
            compile=variant.owner == "mlm" and "compile" in variant.options, save_steps=MANY, quiet=True,
            test_size=held_out(settings), device=settings.device, output_dir=f"{scratch}/run",
        )
    )  # fmt: skip


def train(variant: Variant, trainer: Any, engine: Any, rounds: Rounds) -> None:
    """Train for as long as steps are wanted."""
    if variant.owner == "recipe":
        rounds.facts = {"head": "dense"}
        rounds.begin()
        engine.train_hf_recipe(trainer.setup, lambda _: rounds.step_done())
        return
    # Builds the model and chooses its head.
    trainer.specs()
    head = getattr(trainer.network.model, "sparse_head", None)
    deep = head is not None and head.place is not None
    rounds.facts = {"head": "deep" if deep else trainer.network.head}
    if variant.owner == "mlm":
        rounds.begin()
        trainer.train(on_step=rounds)
        return
    from bare import BareStep

    rounds.begin()
    step = BareStep(trainer, variant.options)
    rounds.facts |= step.facts
    run_steps(step, rounds)


def run_steps(step: Callable[[], None], rounds: Rounds) -> None:
    """Do a bare step again and again."""
    while True:
        step()
        rounds.step_done()


def main(variant: Variant, settings: Settings) -> None:
    """Set up, train, answer."""
    # TensorFlow would take all of the GPU's memory, where other variants are, too.
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    from mlm_core import load_engine

    engine = load_engine(variant.engine)
    if allows_tf32(variant):
        import torch

        torch.set_float32_matmul_precision("high")
    rounds = Rounds(Device(engine, settings.gpu), variant.is_large, str(settings.work / "large.lock"))
    with tempfile.TemporaryDirectory(dir=settings.work) as scratch:
        train(variant, trainer_of(variant, settings, engine, scratch), engine, rounds)


if __name__ == "__main__":
    main(Variant.parse(sys.argv[1]), Settings.from_environment())
