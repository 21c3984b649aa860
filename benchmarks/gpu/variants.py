"""The variants of a training step, and which are measured in rounds with each other."""

from __future__ import annotations

from dataclasses import dataclass

from settings import Settings
from shapes import Shape, Size, shape_of, size_of

OWNERS = {
    "recipe": "the Hugging Face recipe: stock Trainer, collator and model class",
    "mlm": "this project: plan, digests, sums and records included",
    "bare": "this project's model in a plain loop on one batch: what the step could be",
}

OPTIONS = {
    "compile": "torch.compile: `mlm --compile`; of a bare step the whole forward pass",
    "graph": "a bare step recorded once as a CUDA graph, and replayed",
    "padded": "the vocabulary rounded up to a multiple of 64",
    "cudnn": "attention by cuDNN",
    "dropout": "dropout of 0.1 where the published config has none",
}


@dataclass(frozen=True)
class Variant:
    """One way to do a training step.

    Attributes:
        owner: one of `OWNERS`.
        engine: "torch" or "tf".
        size: a name in `shapes.SIZES`.
        precision: of matrix products: "float32", "tf32" (weights float32) or "bf16".
        options: some of `OPTIONS`.
    """

    owner: str
    engine: str
    size: str
    precision: str
    options: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Variant:
        """The variant of OWNER:ENGINE:SIZE:PRECISION[:OPTION ...]."""
        owner, engine, size, precision, *options = text.split(":")
        unknown = [option for option in options if option not in OPTIONS]
        if owner not in OWNERS or unknown or precision not in ("float32", "tf32", "bf16"):
            raise ValueError(f"{text}: no such variant")
        return cls(owner, engine, size, precision, tuple(options))

    def __str__(self) -> str:
        return ":".join((self.owner, self.engine, self.size, self.precision, *self.options))

    @property
    def is_large(self) -> bool:
        """Whether two such steps at once may not fit into a GPU's memory.

        A compiled one does not count: it has its processors busy for most of the time until it is ready.
        """
        size = size_of(self.size)
        return size.batch * size.block >= 2**15 and "compile" not in self.options

    def sizes(self, *, tiny: bool) -> tuple[Size, Shape]:
        """Its batches and its model."""
        size = size_of(self.size, tiny=tiny)
        return size, shape_of(size, tiny=tiny, padded="padded" in self.options)

    def directory(self) -> str:
        """The name of its model's directory."""
        parts = [size_of(self.size).model, *(part for part in ("padded", "dropout") if part in self.options)]
        return "-".join(parts)


def _variants(*texts: str) -> list[Variant]:
    return [Variant.parse(text) for text in texts]


def _all_precisions(size: str) -> list[Variant]:
    owners, precisions = ("recipe", "mlm"), ("float32", "tf32", "bf16")
    found = [f"{owner}:torch:{size}:{precision}" for precision in precisions for owner in owners]
    return _variants(*found, f"mlm:torch:{size}:bf16:compile")


STEPS = {
    "16 blocks of 128 tokens": _all_precisions("16x128"),
    "256 blocks of 128 tokens": _all_precisions("256x128"),
    "1024 blocks of 128 tokens, BERT-base and ModernBERT-base": _variants(
        "mlm:torch:1024x128:bf16", "recipe:torch:1024x128:bf16", "mlm:torch:bert:bf16",
        "recipe:torch:bert:bf16", "mlm:torch:modern:bf16", "recipe:torch:modern:bf16",
    ),
}  # fmt: skip
"""Groups that are ready at the same time. An H100 of 80 GB has room for all of one group: at rest, a variant
holds its weights and moments, 2 to 3 GB; only the one at work holds its activations.
"""

CEILINGS = {
    "bare steps, 128 tokens": _variants(
        "bare:torch:16x128:bf16", "bare:torch:16x128:bf16:graph", "bare:torch:16x128:bf16:compile",
        "bare:torch:16x128:bf16:compile:graph", "bare:torch:16x128:bf16:padded:compile:graph",
        "bare:torch:256x128:bf16", "bare:torch:256x128:bf16:padded", "bare:torch:256x128:bf16:padded:compile",
        "bare:torch:256x128:bf16:padded:compile:graph", "bare:torch:256x128:tf32:padded:compile",
    ),
    "bare steps, 512 tokens": _variants(
        "bare:torch:bert:bf16", "bare:torch:bert:bf16:padded", "bare:torch:bert:bf16:padded:compile",
        "bare:torch:bert:bf16:padded:cudnn", "bare:torch:modern:bf16", "bare:torch:modern:bf16:compile",
        # Without dropout a graph's noise could not be looked at.
        "bare:torch:modern-small:bf16:compile:graph:dropout",
    ),
}  # fmt: skip
"""Bare steps, in groups likewise."""

TENSORFLOW = {
    f"TensorFlow, {size}": _variants(
        f"recipe:tf:{size}:float32", f"mlm:tf:{size}:float32", f"mlm:tf:{size}:bf16"
    )
    for size in ("16x128", "256x128")
}
"""TensorFlow's steps, in groups likewise; it never returns memory, so the peaks of a group add up."""

TRACED = _variants(
    "recipe:torch:16x128:bf16", "mlm:torch:16x128:bf16", "recipe:torch:256x128:bf16",
    "mlm:torch:256x128:bf16", "mlm:torch:1024x128:bf16", "mlm:torch:bert:bf16", "mlm:torch:modern:bf16",
)  # fmt: skip
"""Those that are traced once they have been measured."""

TINY = {
    "16 blocks of 128 tokens": _variants("recipe:torch:16x128:float32", "mlm:torch:16x128:bf16"),
    "bare steps, 512 tokens": _variants("bare:torch:modern-small:bf16:graph:dropout"),
    "TensorFlow, 16x128": _variants("mlm:tf:16x128:bf16"),
}
"""What is measured of each group when the program itself is tried; nothing of the groups not named here."""


def step_groups(settings: Settings) -> dict[str, list[Variant]]:
    """PyTorch's groups; where only traces are wanted, the variants that are traced."""
    groups = _chosen(STEPS, settings)
    if "steps" in settings.parts:
        return groups
    kept = {name: [variant for variant in group if variant in TRACED] for name, group in groups.items()}
    return {name: group for name, group in kept.items() if group}


def ceiling_groups(settings: Settings) -> dict[str, list[Variant]]:
    """The groups of bare steps."""
    return _chosen(CEILINGS, settings)


def tensorflow_groups(settings: Settings) -> dict[str, list[Variant]]:
    """TensorFlow's groups."""
    return _chosen(TENSORFLOW, settings)


def _chosen(groups: dict[str, list[Variant]], settings: Settings) -> dict[str, list[Variant]]:
    if not settings.tiny:
        return groups
    return {name: TINY[name] for name in groups if name in TINY}
