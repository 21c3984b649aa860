"""Every option of a run, one small dataclass per concern.

A field that is None was not given: the model's own recommendation is used if it has one, else the
fallback shown by `--help`. `affects` says what a change of the option changes: the result ("plan"),
the last bits of it ("rounding") or neither ("nothing").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

from mlm_core.config.option_names import flag_of, unknown_option
from mlm_core.config.options import Option, check, option, options_of
from mlm_core.errors import RequestError

MAX_SEED = 2**32 - 1
"""The largest seed that numpy, PyTorch and TensorFlow all take."""

T = TypeVar("T")

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the text comes from and how it becomes blocks."""

    dataset: str | None = option(
        None,
        "file, directory, glob or name on the Hub with the text; python:reference, the default, and "
        "python:library are what Python says of itself",
    )
    dataset_config: str | None = option(None, "configuration of a dataset on the Hub")
    dataset_revision: str | None = option(None, "branch, tag or commit of a dataset on the Hub")
    split: str | None = option(
        None,
        "rows to use, as train[:5000]; default: train, evaluated on the dataset's validation or test split",
    )
    text_column: str | None = option(
        None, "column with the text, nested as in answers.text; default: text, or the only candidate"
    )
    test_size: float | None = option(
        None,
        "share of the documents held out for evaluation, in the place of the dataset's own split",
        fallback=0.2,
        above=0.0,
        maximum=0.9,
    )
    block_size: int | None = option(None, "tokens in a block", fallback=128, minimum=8, maximum=2**20)
    last_block: Literal["drop", "pad"] = option(
        "drop", "drop: leave out the tokens after the last full block; pad: fill that block up"
    )
    document_borders: Literal["special-tokens", "separator"] = option(
        "special-tokens", "special-tokens: the tokenizer's own around each document; separator: one after it"
    )
    num_proc: int | None = option(
        None,
        "processes that tokenise; default: one, as fast tokenizers use every core; slow ones: one a core",
        affects="nothing",
        minimum=1,
        maximum=1024,
    )


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Which tokens are hidden from the model, and behind what."""

    mlm_probability: float = option(
        0.15, "share of the maskable tokens that is masked", above=0.0, maximum=1.0
    )
    masking: Literal["exact", "independent"] = option(
        "exact", "exact: the same share of every row; independent: each token by itself"
    )
    mask_replace_prob: float = option(
        0.8, "share of the masked tokens replaced by the mask token", minimum=0.0, maximum=1.0
    )
    random_replace_prob: float = option(
        0.1, "share of the masked tokens replaced by a random word", minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which model is trained."""

    model: str | None = option(
        None, "model directory or Hub name; default: starter, a small RoBERTa that comes along"
    )
    model_revision: str | None = option(None, "branch, tag or commit of a model on the Hub")
    allow_pickle: bool = option(
        False,
        "read pytorch_model.bin where there is no model.safetensors, as data alone; needs --backend torch",
        affects="nothing",
    )
    trust_remote_code: bool = option(
        False,
        "run the code that comes with a model, of the commit that --model-revision names; needs "
        "--backend torch",
        affects="nothing",
    )
    from_scratch: bool = option(
        False,
        "take a model's architecture and tokenizer, not its weights; without --model: a small RoBERTa "
        "whose tokenizer is learned from the text",
    )
    dropout: float | None = option(
        None, "every dropout rate of the model; default: the model's own", minimum=0.0, maximum=0.99
    )


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How batches become updates."""

    epochs: int | None = option(None, "passes over the training blocks", fallback=3, minimum=1, maximum=10**6)
    max_steps: int | None = option(
        None, "optimizer steps in all; overrides --epochs", minimum=1, maximum=10**7
    )
    batch_size: int | None = option(None, "blocks in a micro-batch", fallback=16, minimum=1, maximum=2**16)
    gradient_accumulation_steps: int = option(
        1, "micro-batches in an optimizer step", minimum=1, maximum=2**16
    )
    learning_rate: float | None = option(None, "peak learning rate", fallback=2e-5, minimum=0.0, maximum=1e30)
    lr_scheduler: Literal["linear", "cosine", "constant"] = option(
        "linear", "how the learning rate falls after the warm-up"
    )
    warmup_steps: int | None = option(
        None, "steps over which the learning rate rises from 0", fallback=0, minimum=0
    )
    weight_decay: float = option(
        0.01, "decoupled weight decay of matrices and embeddings", minimum=0.0, maximum=1e6
    )
    max_grad_norm: float = option(
        1.0, "gradients are scaled down to this global norm; 0: never", minimum=0.0, maximum=1e30
    )
    load_best_model_at_end: bool = option(
        False, "end with the weights of the best evaluation, not with the last ones"
    )
    seed: int = option(42, "keys every random choice", minimum=0, maximum=MAX_SEED)


@dataclass(frozen=True, kw_only=True)
class RuntimeConfig:
    """Where and how fast the work is done, and what is shown of it."""

    backend: str | None = option(
        None, "torch or tf; default: $MLM_BACKEND, else the one installed, else torch", affects="rounding"
    )
    device: Device = option("auto", "auto: the GPU where there is one", affects="rounding")
    precision: Literal["float32", "bf16", "fp16", "auto"] = option(
        "float32",
        "bf16, fp16: products in 16 bits, weights and sums in float32; auto: bf16 where it is fast",
    )
    mlm_head: Literal["sparse", "dense"] = option(
        "sparse",
        "sparse: predictions at the masked positions alone, where the model allows it; dense: at all",
        affects="rounding",
    )
    compile: bool = option(
        False, "compile the model (torch.compile, XLA), which takes a minute at the start", affects="rounding"
    )
    threads: int | None = option(
        None, "processor threads; default: all", affects="rounding", minimum=1, maximum=1024
    )
    output_dir: str | None = option(
        None, "the run's directory; default: a new one under runs/", affects="nothing"
    )
    save_steps: int | None = option(
        None, "steps between checkpoints", fallback=500, affects="nothing", minimum=1
    )
    keep_checkpoints: int = option(2, "newest checkpoints that are kept", affects="nothing", minimum=1)
    resume: bool = option(
        False, "go on from the newest complete checkpoint in --output-dir", affects="nothing"
    )
    allow_change: str | None = option(
        None, "options that --resume may find changed, as learning-rate,epochs", affects="nothing"
    )
    overwrite: bool = option(False, "replace a run that is already there", affects="nothing")
    logging_steps: int = option(
        50, "steps between lines where there is no terminal for a progress bar", affects="nothing", minimum=1
    )
    verify_batches: bool | None = option(
        None, "digest what the model receives at every step; default: on a CPU", affects="nothing"
    )
    quiet: bool = option(False, "show errors and the outcome only", affects="nothing")
    verbose: bool = option(False, "show versions, counts and names as well", affects="nothing")


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Whether and where the model is published."""

    push_to_hub: bool = option(False, "publish the trained model on the Hub", affects="nothing")
    hub_model_id: str | None = option(
        None,
        "repository on the Hub, as ORG/NAME; default: yours, called as the output directory",
        affects="nothing",
    )
    hub_private: bool = option(
        True,
        "who may read a repository that is made for it: its owners, or with --hub-public anyone",
        affects="nothing",
        opposite="--hub-public",
    )
    hub_strategy: Literal["end", "epoch", "checkpoint"] = option(
        "end",
        "end: publish the trained model; epoch, checkpoint: what there is after each of these, too",
        affects="nothing",
    )
    also_h5: bool = option(
        False,
        "write tf_model.h5 as well, for users of TensorFlow without this package; needs --backend tf",
        affects="nothing",
    )


@dataclass(frozen=True, kw_only=True)
class Config(HubConfig, RuntimeConfig, OptimizationConfig, ModelConfig, MaskingConfig, DataConfig):
    """All options of a run, flat: `Config(dataset="posts.jsonl", learning_rate=3e-5)`.

    Raises:
        RequestError: a value has the wrong type, lies outside its limits or contradicts another.
    """

    def __new__(cls, *args: Any, **values: Any) -> Self:
        """Answers names of other trainers before Python itself refuses them."""
        for name in values:
            if name not in cls.options():
                raise unknown_option(name, (spec.flag for spec in cls.options().values()))
        config = super().__new__(cls)
        object.__setattr__(config, "_given", frozenset(values))
        return config

    def __post_init__(self) -> None:
        if hasattr(self.dataset, "features") or hasattr(self.dataset, "column_names"):
            raise RequestError(
                "is a dataset, not the name of one",
                code="invalid_type",
                option="dataset",
                fix="give it to trainer(config, dataset=...)",
            )
        for name, spec in self.options().items():
            object.__setattr__(self, name, check(spec, getattr(self, name)))
        if self.mask_replace_prob + self.random_replace_prob > 1.0 + 1e-9:
            raise RequestError(
                f"must be at most 1 together with --mask-replace-prob {self.mask_replace_prob}",
                code="out_of_range",
                option="--random-replace-prob",
                value=self.random_replace_prob,
            )
        if self.compile and self.verify_batches:
            raise RequestError(
                "cannot look into a compiled step",
                code="contradiction",
                option="--verify-batches",
                fix="leave out one of --verify-batches and --compile",
            )

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that were given, also of those given their default."""
        given: frozenset[str] = self._given  # type: ignore[attr-defined]
        return given

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Every option by name, in the order shown by `--help`."""
        return _OPTIONS

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A config from option names, as in a YAML file: dashes or underscores.

        Raises:
            RequestError: a name is no option, or a value is wrong.
        """
        return cls(**cls.named(values))

    @classmethod
    def named(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values under their Python names.

        Raises:
            RequestError: a name is no option, or stands there twice.
        """
        named: dict[str, Any] = {}
        for written, value in values.items():
            name = str(written).replace("-", "_")
            if name not in cls.options():
                raise unknown_option(str(written), (spec.flag for spec in cls.options().values()))
            if name in named:
                raise RequestError("is given twice", code="duplicate_option", option=flag_of(name))
            named[name] = value
        return named

    def to_dict(self) -> dict[str, Any]:
        """The options as plain JSON values."""
        return dataclasses.asdict(self)

    def resolved(self, recommended: Mapping[str, Any]) -> Self:
        """The config with every value decided: given, else recommended by the model, else the fallback."""
        undecided = {
            name: recommended.get(name, spec.fallback)
            for name, spec in self.options().items()
            if getattr(self, name) is None and (name in recommended or spec.fallback is not None)
        }
        # A number of epochs that the user gave is not overruled by a recommended number of steps.
        if self.epochs is not None and self.max_steps is None:
            undecided.pop("max_steps", None)
        return dataclasses.replace(self, **undecided)


def required(value: T | None) -> T:
    """A value that a resolved config cannot lack."""
    assert value is not None
    return value


_OPTIONS = dict(
    sorted(
        options_of(Config).items(),
        key=lambda item: [
            "DataConfig", "ModelConfig", "MaskingConfig", "OptimizationConfig", "RuntimeConfig", "HubConfig"
        ].index(item[1].group),
    )
)  # fmt: skip
