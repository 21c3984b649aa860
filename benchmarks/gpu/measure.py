"""Correctness and speed on a GPU: one program, facts line by line.

    python benchmarks/gpu/measure.py

Needs PyTorch, this project and pytest; `run.sh` takes what is missing from a folder of wheels. Nothing is
fetched. What is found is appended to OUT/facts.jsonl at once; a part that overruns is cut, and the others go
on. `table.py` makes the documentation's tables of it.

    OUT=DIRECTORY   in place of benchmarks/results/gpu-NAME-DATE
    LIMIT=575       seconds for everything
    PARTS='card correctness steps trace ceilings'
                    or 'tensorflow', in a call of its own: that engine's contract suite and steps
    ROUNDS=4        in which each variant of a step is measured
    TESTS=...       in place of those of the contract suite that compute on the GPU within two minutes
    DEVICE=cpu TINY=1   tries the program without a GPU
"""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from contract import Contract
from facts import Facts
from outcome import write_step, write_trace
from peak import gpu_name
from processes import Worker, run_rounds, workers
from repeat import RUNS, write_comparison
from settings import ALONE, PARTS, ROOT, SETUP, Deadline, Settings
from variants import TRACED, Variant, ceiling_groups, step_groups, tensorflow_groups

HERE = Path(__file__).parent
PACKAGES = (
    "mlm", "torch", "tensorflow", "transformers", "accelerate", "datasets", "evaluate", "huggingface_hub",
    "tokenizers", "numpy", "pyarrow", "triton", "pytest", "pytest-xdist",
)  # fmt: skip
SECONDS = PARTS | ALONE
EARLY = 2
"""Groups of steps that get ready while the contract suite runs, during which nothing is timed."""


class Measurement:
    """All parts, one after the other.

    Args:
        settings: what is wanted.
        deadline: of everything.
    """

    def __init__(self, settings: Settings, deadline: Deadline) -> None:
        self.settings = settings
        self.facts = Facts(settings.out)
        self._deadline = deadline
        self._begun = time.perf_counter()
        self._card = "cpu"

    def run(self) -> None:
        """Measure."""
        settings = self.settings
        self._say_plan()
        self._write_machine()
        self._call("texts.py", self._deadline.left)
        if "card" in settings.parts:
            self._part("card", lambda deadline: self._call("card.py", deadline.left))
        groups = dict(step_groups(settings)) if {"steps", "trace"} & set(settings.parts) else {}
        with ExitStack() as stack:
            early = {name: groups.pop(name) for name in list(groups)[:EARLY]}
            # On a CPU nothing could get ready beside the tests.
            started = (
                {name: self._start(group, stack) for name, group in early.items()} if settings.gpu else {}
            )
            if "correctness" in settings.parts:
                self._part("correctness", self._correctness)
            for name, group in early.items():
                self._part("steps", partial(self._rounds, started.get(name), group), name)
        for name, group in groups.items():
            self._part("steps", partial(self._rounds, None, group), name)
        if "ceilings" in settings.parts:
            for name, group in ceiling_groups(settings).items():
                self._part("ceilings", partial(self._rounds, None, group), name)
        if "tensorflow" in settings.parts:
            self._part("tensorflow", self._tensorflow)
        self._say("done")

    # ---------------------------------------------------------------- parts

    def _correctness(self, deadline: Deadline) -> None:
        contract = Contract("torch", self.settings)
        # Each run in a process of its own; on a CPU that would only take longer.
        shares = [[run] for run in RUNS] if self.settings.gpu else [list(RUNS)]
        logs = self.settings.work / "repeat.log"
        with logs.open("w", encoding="utf-8") as log, ExitStack() as stack:
            stack.callback(contract.end)
            runs = [
                subprocess.Popen(_python("repeat.py", *share), stderr=log, stdout=log) for share in shares
            ]
            for process in runs:
                stack.callback(process.wait)
                stack.callback(process.kill)
            self.facts.write("contract", **contract.outcome(deadline))
            for process in runs:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=deadline.left)
        write_comparison(self.settings, self.facts)

    def _rounds(self, started: list[Worker] | None, group: Sequence[Variant], deadline: Deadline) -> None:
        with ExitStack() as stack:
            ready = started if started is not None else self._start(group, stack)
            run_rounds(ready, self.settings.rounds, deadline)
            for variant, worker in zip(group, ready, strict=True):
                write_step(variant, worker, self.settings, self.facts, self._card)
            if "trace" in self.settings.parts:
                for variant, worker in zip(group, ready, strict=True):
                    if variant in TRACED and worker.rounds and not deadline.over:
                        write_trace(variant, worker, self.settings, self.facts, deadline)
            for worker in ready:
                # Their memory is wanted by the next group.
                worker.end()

    def _tensorflow(self, deadline: Deadline) -> None:
        problem = _tensorflow_problem(self.settings.device)
        if problem is not None:
            self.facts.write("contract", engine="tf", problem=problem)
            return
        contract = Contract("tf", self.settings)
        try:
            self.facts.write("contract", **contract.outcome(deadline))
        finally:
            contract.end()
        for group in tensorflow_groups(self.settings).values():
            if not deadline.over:
                self._rounds(None, group, deadline)

    # ---------------------------------------------------------------- facts

    def _write_machine(self) -> None:
        from mlm_core.system.machine import cores, processor_name
        from mlm_core.system.versions import installed_versions

        settings = self.settings
        card: dict[str, Any] = {"card": "cpu"}
        if settings.gpu:
            # Not by PyTorch, which would hold memory on it from then on.
            query = "--query-gpu=driver_version,memory.total,power.limit"
            self._card = gpu_name() or ""
            card = {"card": self._card, "driver": _printed("nvidia-smi", query, "--format=csv,noheader")}
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.facts.write(
            "run", date=now, commit=_printed("git", "-C", str(ROOT), "rev-parse", "HEAD"), **card,
            processor=processor_name(), cores=cores(), parts=settings.parts, rounds=settings.rounds,
            tiny=settings.tiny,
        )  # fmt: skip
        self.facts.write("versions", **installed_versions(PACKAGES))

    # ---------------------------------------------------------------- running

    def _part(self, name: str, run: Callable[[Deadline], None], title: str = "") -> None:
        """Run a part until it has taken twice what it should; what goes wrong does not stop the others."""
        if self._deadline.left < 5:
            self.facts.write("part", name=name, title=title, problem="cut: out of time")
            return
        self._say(f"{name} {title}")
        begun = time.perf_counter()
        deadline = Deadline(max(2.0 * SECONDS[name], 60), self._deadline)
        try:
            run(deadline)
            problem = {"problem": "cut: out of time"} if deadline.over else {}
        except Exception as error:
            problem = {"problem": f"{type(error).__name__}: {error}"[:300]}
        seconds = round(time.perf_counter() - begun, 1)
        self.facts.write("part", name=name, title=title, seconds=seconds, **problem)

    def _start(self, group: Sequence[Variant], stack: ExitStack) -> list[Worker]:
        commands: Mapping[str, Sequence[str]] = {
            str(variant): _python("worker.py", str(variant)) for variant in group
        }
        return stack.enter_context(workers(commands, self.settings.work))

    def _call(self, program: str, seconds: float) -> None:
        """Run one of the programs beside this one.

        Raises:
            subprocess.SubprocessError: it failed, or took too long.
        """
        subprocess.run(_python(program), check=True, timeout=min(seconds, self._deadline.left))

    def _say(self, text: str) -> None:
        print(f"+ [{time.perf_counter() - self._begun:.0f} s] {text}", flush=True)

    def _say_plan(self) -> None:
        settings = self.settings
        wanted = {part: SECONDS[part] for part in settings.parts}
        listed = ", ".join(f"{part} {seconds} s" for part, seconds in wanted.items())
        total = SETUP + sum(wanted.values())
        self._say(f"{listed}; with the setup {total} s of {settings.limit:.0f} s on an H200")


def _python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, str(HERE / program), *arguments]


def _printed(*command: str) -> str | None:
    """What a command prints; None: it is not there, or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _tensorflow_problem(device: str) -> str | None:
    """Why TensorFlow is not measured; None: it sees the device."""
    if find_spec("tensorflow") is None:
        return "TensorFlow is not installed"
    look = "import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices(sys.argv[1].upper()))"
    found = subprocess.run([sys.executable, "-c", look, device], capture_output=True)
    return None if found.returncode == 0 else f"TensorFlow sees no {device}"


def _default_out() -> str:
    name = (gpu_name() or "none").replace(" ", "-")
    return str(ROOT / "benchmarks" / "results" / f"gpu-{name}-{datetime.date.today().isoformat()}")


def _set_environment(work: str) -> None:
    """What this program's processes have in common."""
    os.environ |= {
        "WORK": work,
        "MLM_CACHE": f"{work}/cache",
        "TORCHINDUCTOR_CACHE_DIR": f"{work}/inductor",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # This checkout, whatever is installed.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    os.environ.setdefault("OUT", _default_out())
    # transformers' Trainer would split the recipe's batches over all GPUs.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0" if os.environ.get("DEVICE", "gpu") == "gpu" else "")
    # Processes that get ready side by side share the processor's cores, and do not spin when they wait.
    os.environ.setdefault("OMP_NUM_THREADS", str(min(4, os.cpu_count() or 1)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.path.insert(0, str(ROOT))


def main() -> None:
    """Measure in a directory that is gone afterwards."""
    deadline = Deadline(float(os.environ.get("LIMIT", "575")))
    # A terminated program ends the processes it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        _set_environment(work)
        settings = Settings.from_environment()
        if settings.gpu and gpu_name() is None:
            raise SystemExit("nvidia-smi names no GPU; DEVICE=cpu TINY=1 tries the program without")
        settings.out.mkdir(parents=True, exist_ok=True)
        Measurement(settings, deadline).run()


if __name__ == "__main__":
    main()
