"""The measured models and batches, and the arithmetic of a training step."""

from __future__ import annotations

from dataclasses import dataclass, replace

PADDED_TO = 64
"""A vocabulary that is a multiple of this keeps its matmul aligned for tensor cores."""


@dataclass(frozen=True)
class Shape:
    """A model's size, without its weights.

    Attributes:
        kind: `model_type` of its config.
        hidden, inner, layers, heads, vocabulary: its sizes.
        projections: matrices of hidden x inner in a layer: 2, or 3 where the activation is gated.
        window: keys that a token attends to in a local layer; 0: all layers are global.
        global_every: where there is a window, one layer in so many is global.
    """

    kind: str
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    projections: int = 2
    window: int = 0
    global_every: int = 1

    def padded(self) -> Shape:
        """The same with its vocabulary rounded up to a multiple of `PADDED_TO`."""
        return replace(self, vocabulary=-(-self.vocabulary // PADDED_TO) * PADDED_TO)

    def keys(self, layer: int, block: int) -> int:
        """Keys that a token of a block attends to in a layer."""
        is_global = not self.window or layer % self.global_every == 0
        # The window is symmetric, with the token itself in its middle.
        return block if is_global else min(block, self.window + 1)

    def flops_per_token(self, block: int, masked: int, *, dense: bool = False) -> float:
        """Floating-point operations of a training step for each token of a batch.

        Two for each weight of a matmul, and twice as many in the backward pass (Kaplan et al. 2020,
        "Scaling Laws for Neural Language Models", section 2.1); attention's own two products, scores and
        mixing, are added. Recomputation does not count (Chowdhery et al. 2022, "PaLM", appendix B).

        Args:
            block: tokens in a block.
            masked: masked positions in a block.
            dense: everything at all positions, as the recipe does it; else the head, and the last layer after
                its attention at the masked positions only, as this project does it.
        """
        width = self.hidden
        attention = sum(3 * width**2 + 2 * self.keys(layer, block) * width for layer in range(self.layers))
        after = width**2 + self.projections * width * self.inner
        output = width**2 + width * self.vocabulary
        share = 1.0 if dense else masked / block
        at_all = attention + (self.layers - 1) * after
        return 3 * 2 * (at_all + share * (after + output))


_GATED = {"projections": 3, "window": 128, "global_every": 3}
MODELS = {
    "distil": Shape("roberta", 768, 3072, 6, 12, 50265),
    "bert": Shape("bert", 768, 3072, 12, 12, 30522),
    "modern": Shape("modernbert", 768, 1152, 22, 12, 50368, **_GATED),
}
"""The sizes of DistilRoBERTa, BERT-base and ModernBERT-base, from their published configs."""

TINY_MODELS = {
    name: replace(shape, hidden=48, inner=96, layers=2, heads=4, vocabulary=3001)
    for name, shape in MODELS.items()
}


@dataclass(frozen=True)
class Size:
    """A model, and the batches it is trained on.

    Attributes:
        model: a name in `MODELS`.
        batch: blocks in a batch.
        block: tokens in a block.
        title: as it is called in a table.
    """

    model: str
    batch: int
    block: int
    title: str

    @property
    def masked(self) -> int:
        """Masked positions in a block: 15%, rounded up."""
        return -(-self.block * 15 // 100)


SIZES = {
    "16x128": Size("distil", 16, 128, "16 x 128"),
    "256x128": Size("distil", 256, 128, "256 x 128"),
    "1024x128": Size("distil", 1024, 128, "1024 x 128"),
    "bert": Size("bert", 64, 512, "BERT-base, 64 x 512"),
    "modern": Size("modern", 64, 512, "ModernBERT-base, 64 x 512"),
    "modern-small": Size("modern", 16, 512, "ModernBERT-base, 16 x 512"),
}


def shape_of(size: Size, *, tiny: bool = False, padded: bool = False) -> Shape:
    """The shape of a size's model."""
    shape = (TINY_MODELS if tiny else MODELS)[size.model]
    return shape.padded() if padded else shape


def size_of(name: str, *, tiny: bool = False) -> Size:
    """A size by its name; a tiny one has small batches."""
    size = SIZES[name]
    return replace(size, batch=max(2, size.batch // 128), block=size.block // 4) if tiny else size
