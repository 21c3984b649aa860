"""Options of where and how a run computes, what it keeps and what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Which device and framework do the work, and what is saved and printed."""

    backend: str | None = option(
        None,
        "torch or tf",
        affects="rounding",
        default_text="$MLM_BACKEND, else the one installed, else torch",
    )
    device: Device = option(
        "auto", "auto: the GPU if there is one, else the CPU", affects="rounding", per_start=True
    )
    precision: Literal["float32", "tf32", "bf16", "fp16", "auto"] = option(
        "float32",
        "tf32: matrix products with 10 bits after the point, on an NVIDIA GPU; bf16, fp16: in 16 bits, "
        "weights and sums in float32; auto: bf16 where the processor or GPU has instructions for it",
    )
    mlm_head: Literal["sparse", "dense"] = option(
        "sparse",
        "sparse: predict at the masked positions only, where the model allows it; dense: at every position",
        affects="rounding",
    )
    compile: bool = option(
        False,
        "compile the training step (torch.compile and a CUDA graph; XLA); takes about a minute at the start",
        affects="rounding",
    )
    threads: int | None = option(
        None,
        "processor threads",
        affects="rounding",
        minimum=1,
        maximum=1024,
        default_text="one per core, which the ranks of a machine share",
    )
    shard: bool = option(
        False,
        "with several ranks, give each a share of every parameter, gradient and moment (PyTorch's FSDP2)",
        affects="rounding",
    )
    rank_timeout: int = option(
        600,
        "seconds to wait for another rank that does not start or does not answer",
        affects="nothing",
        minimum=1,
        maximum=10**7,
        per_start=True,
    )
    output_dir: str | None = option(
        None, "directory of the run", affects="nothing", default_text="a new one under runs/", per_start=True
    )
    save_steps: int | None = option(
        None, "steps between checkpoints", fallback=500, affects="nothing", minimum=1
    )
    keep_checkpoints: int = option(2, "number of newest checkpoints to keep", affects="nothing", minimum=1)
    resume: bool = option(
        False,
        "resume from the newest complete checkpoint in --output-dir; start the run if there is none",
        affects="nothing",
        per_start=True,
    )
    allow_change: str | None = option(
        None,
        "options that may differ from the run that --resume continues, for example learning-rate,epochs",
        affects="nothing",
        metavar="NAMES",
        per_start=True,
    )
    overwrite: bool = option(False, "replace an existing run", affects="nothing", per_start=True)
    logging_steps: int = option(
        50, "steps between log lines where no terminal shows a progress bar", affects="nothing", minimum=1
    )
    verify_batches: bool | None = option(
        None,
        "record a digest of what the model receives at every step",
        affects="nothing",
        default_text="on for a CPU without --compile",
        per_start=True,
    )
    quiet: bool = option(False, "print only errors and the outcome", affects="nothing", per_start=True)
    verbose: bool = option(False, "also print versions, counts and names", affects="nothing", per_start=True)
