"""The options of a run, one small dataclass for each group.

A field that is None was not given: the run then uses what the model recommends, else the field's `fallback`.
`affects` says what a change of the option changes: the result ("result"), only its last bits ("rounding"),
or neither ("nothing").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlm_core.config.options import option

MAX_SEED = 2**32 - 1
"""The largest seed that numpy, PyTorch and TensorFlow all take."""

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the text comes from and how it becomes blocks."""

    dataset: str | None = option(
        None,
        "file, directory, glob or Hub dataset with the text; python:reference: Python's language reference; "
        "python:library: docstrings and comments of Python's library",
        default_text="python:reference",
    )
    dataset_config: str | None = option(None, "configuration of a dataset on the Hub")
    dataset_revision: str | None = option(None, "branch, tag or commit of a dataset on the Hub")
    split: str | None = option(
        None,
        "rows to use, for example train[:5000]",
        default_text="train, evaluated on the dataset's validation or test split",
    )
    text_column: str | None = option(
        None,
        "column with the text; a dot leads into nested columns, for example answers.text",
        metavar="COLUMN",
        default_text="text, else the only candidate",
    )
    test_size: float | None = option(
        None,
        "share of the documents to hold out for evaluation",
        fallback=0.2,
        above=0.0,
        maximum=0.9,
        default_text="the dataset's own validation or test split, else 0.2",
    )
    block_size: int | None = option(None, "tokens in a block", fallback=128, minimum=8, maximum=2**20)
    last_block: Literal["drop", "pad"] = option(
        "drop", "drop: leave out the tokens after the last full block; pad: fill the last block with padding"
    )
    document_borders: Literal["special-tokens", "separator"] = option(
        "special-tokens",
        "special-tokens: put the tokenizer's special tokens around each document; separator: put one "
        "separator after it",
    )
    num_proc: int | None = option(
        None,
        "processes that tokenize",
        affects="nothing",
        minimum=1,
        maximum=1024,
        default_text="1 for fast tokenizers, which use every core; one per core for slow ones",
    )


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Which tokens are masked, and what replaces them."""

    mlm_probability: float = option(0.15, "share of the maskable tokens to mask", above=0.0, maximum=1.0)
    masking: Literal["exact", "independent"] = option(
        "exact", "exact: mask the same share of every block; independent: draw for each token separately"
    )
    mask_replace_prob: float = option(
        0.8, "share of the masked tokens replaced by the mask token", minimum=0.0, maximum=1.0
    )
    random_replace_prob: float = option(
        0.1,
        "share of the masked tokens replaced by a random ordinary token",
        minimum=0.0,
        maximum=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which model is trained."""

    model: str | None = option(
        None, "model directory or name on the Hub", default_text="starter, a small RoBERTa bundled with mlm"
    )
    model_revision: str | None = option(None, "branch, tag or commit of a model on the Hub")
    allow_pickle: bool = option(
        False,
        "read pytorch_model.bin, as data only, where there is no model.safetensors; needs --backend torch",
        affects="nothing",
    )
    trust_remote_code: bool = option(
        False,
        "run the code in the model's repository, at the commit given by --model-revision; needs "
        "--backend torch",
        affects="nothing",
    )
    from_scratch: bool = option(
        False,
        "use the model's architecture and tokenizer, but not its weights; without --model: a small RoBERTa "
        "whose tokenizer is learned from the text",
    )
    dropout: float | None = option(
        None,
        "rate of every dropout layer of the model",
        minimum=0.0,
        maximum=0.99,
        default_text="the model's own rates",
    )


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How batches become updates."""

    epochs: int | None = option(None, "passes over the training blocks", fallback=3, minimum=1, maximum=10**6)
    max_steps: int | None = option(
        None, "total optimizer steps; overrides --epochs", minimum=1, maximum=10**7
    )
    batch_size: int | None = option(None, "blocks in a micro-batch", fallback=16, minimum=1, maximum=2**16)
    gradient_accumulation_steps: int = option(
        1, "micro-batches in an optimizer step", minimum=1, maximum=2**16
    )
    learning_rate: float | None = option(None, "peak learning rate", fallback=2e-5, minimum=0.0, maximum=1e30)
    lr_scheduler: Literal["linear", "cosine", "constant"] = option(
        "linear", "how the learning rate changes after the warm-up"
    )
    warmup_steps: int | None = option(
        None, "steps over which the learning rate rises from 0 to its peak", fallback=0, minimum=0
    )
    weight_decay: float = option(
        0.01, "decoupled weight decay of matrices and embeddings", minimum=0.0, maximum=1e6
    )
    max_grad_norm: float = option(
        1.0, "clip gradients to this global norm; 0: do not clip", minimum=0.0, maximum=1e30
    )
    load_best_model_at_end: bool = option(
        False, "end with the weights of the best evaluation instead of the last step"
    )
    seed: int = option(42, "seed of every random choice", minimum=0, maximum=MAX_SEED)


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Which device and framework do the work, and what is saved and printed."""

    backend: str | None = option(
        None,
        "torch or tf",
        affects="rounding",
        default_text="$MLM_BACKEND, else the one installed, else torch",
    )
    device: Device = option("auto", "auto: the GPU if there is one, else the CPU", affects="rounding")
    precision: Literal["float32", "bf16", "fp16", "auto"] = option(
        "float32",
        "bf16, fp16: matrix products in 16 bits, weights and sums in float32; auto: bf16 where the "
        "processor or GPU has instructions for it",
    )
    mlm_head: Literal["sparse", "dense"] = option(
        "sparse",
        "sparse: predict at the masked positions only, where the model allows it; dense: at every position",
        affects="rounding",
    )
    compile: bool = option(
        False,
        "compile the training step (torch.compile, XLA); takes about a minute at the start",
        affects="rounding",
    )
    threads: int | None = option(
        None, "processor threads", affects="rounding", minimum=1, maximum=1024, default_text="one per core"
    )
    output_dir: str | None = option(
        None, "directory of the run", affects="nothing", default_text="a new one under runs/"
    )
    save_steps: int | None = option(
        None, "steps between checkpoints", fallback=500, affects="nothing", minimum=1
    )
    keep_checkpoints: int = option(2, "number of newest checkpoints to keep", affects="nothing", minimum=1)
    resume: bool = option(
        False, "resume from the newest complete checkpoint in --output-dir", affects="nothing"
    )
    allow_change: str | None = option(
        None,
        "options that may differ from the run that --resume continues, for example learning-rate,epochs",
        affects="nothing",
        metavar="NAMES",
    )
    overwrite: bool = option(False, "replace an existing run", affects="nothing")
    logging_steps: int = option(
        50, "steps between log lines where no terminal shows a progress bar", affects="nothing", minimum=1
    )
    verify_batches: bool | None = option(
        None,
        "record a digest of what the model receives at every step; --no-verify-batches turns it off",
        affects="nothing",
        default_text="on for a CPU without --compile",
    )
    quiet: bool = option(False, "print only errors and the outcome", affects="nothing")
    verbose: bool = option(False, "also print versions, counts and names", affects="nothing")


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Whether and where the model is published."""

    push_to_hub: bool = option(False, "publish the trained model on the Hub", affects="nothing")
    hub_model_id: str | None = option(
        None,
        "repository on the Hub, for example ORG/NAME",
        affects="nothing",
        metavar="ORG/NAME",
        default_text="the name of the output directory, in your account",
    )
    hub_private: bool = option(
        True,
        "make a new repository private; --hub-public makes it public",
        affects="nothing",
        opposite="--hub-public",
    )
    hub_strategy: Literal["end", "epoch", "checkpoint"] = option(
        "end",
        "end: publish the trained model; epoch, checkpoint: also publish after every epoch or checkpoint",
        affects="nothing",
    )
    also_h5: bool = option(
        False,
        "also write tf_model.h5, for TensorFlow users without this package; needs --backend tf",
        affects="nothing",
    )
