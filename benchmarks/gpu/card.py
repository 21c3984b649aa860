"""The card's own limits: products at the models' shapes, attention, copies, launches, the update."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's own documentation has it
from facts import Facts
from settings import Settings
from shapes import MODELS, TINY_MODELS, Shape
from torch.nn.attention import SDPBackend, sdpa_kernel

HEADS, WIDTH = 12, 64
"""Of attention in all three models."""

BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION)


class Card:
    """Measures one thing after the other, and writes facts.

    Args:
        facts: where to.
        gpu: whether there is a GPU; else the CPU serves to try the program.
        tiny: whether everything is as small as can be.
    """

    def __init__(self, facts: Facts, *, gpu: bool, tiny: bool) -> None:
        self._facts = facts
        self._gpu = gpu
        self._tiny = tiny
        self._device = "cuda" if gpu else "cpu"
        self._shape = (TINY_MODELS if tiny else MODELS)["distil"]

    def measure(self) -> None:
        """Everything; what fails is written as such, and the rest goes on."""
        for part in (self.matmul, self.launch, self.copy, self.transfer, self.seed, self.update):
            with self._problems(part.__name__):
                part()
        for block, batch in [(32, 2)] if self._tiny else [(128, 256), (512, 64), (1024, 32)]:
            self.attention(batch, block)
        if self._gpu:
            self.special_attention(64, 512)

    def matmul(self) -> None:
        """Products of 16 and of 256 blocks in bf16: forward, gradient of input, gradient of weight."""
        for rows in (64,) if self._tiny else (16 * 128, 256 * 128):
            for m, k, n in _products(self._shape, rows, rows * 20 // 128):
                x, w, g = (self._random(*size) for size in ((m, k), (n, k), (m, n)))
                calls = (partial(F.linear, x, w), partial(torch.matmul, g, w), partial(torch.matmul, g.mT, x))
                tflops = [2e-12 * m * k * n / self._seconds(call) for call in calls]
                self._facts.write("matmul", shape=(m, k, n), tflops=tflops)

    def launch(self) -> None:
        """Microseconds from the start of a kernel that does next to nothing to that of the next one."""
        x = torch.zeros(2048, 8, device=self._device)
        self._facts.write("launch", us=self._seconds(lambda: x.add_(1), 2000) * 1e6)

    def copy(self) -> None:
        """Terabytes per second, read and written, in the device's memory."""
        size = 2**20 if self._tiny else 2**29
        y = torch.zeros(size, device=self._device, dtype=torch.uint8)
        self._facts.write("copy", tb_per_second=2e-12 * size / self._seconds(y.clone))

    def transfer(self) -> None:
        """Microseconds that a batch of 256 x 128 takes from the host to the device."""
        host = torch.zeros(256, 128, dtype=torch.int64)
        found = {"pageable": self._host_seconds(lambda: host.to(self._device)) * 1e6}
        if self._gpu:
            pinned = host.pin_memory()
            found["pinned"] = self._host_seconds(lambda: pinned.to(self._device, non_blocking=True)) * 1e6
        self._facts.write("transfer", us=found)

    def seed(self) -> None:
        """Microseconds of seeding the generators, as keyed dropout does."""
        self._facts.write("seed", us=self._host_seconds(lambda: torch.manual_seed(1)) * 1e6)

    def update(self) -> None:
        """Milliseconds of norm, clipping and AdamW at DistilRoBERTa's shape: this project's, PyTorch's."""
        from mlm_torch.optimizer import ClippedAdamW

        ours = [torch.nn.Parameter(self._random(*size).float()) for size in _parameters(self._shape)]
        theirs = [torch.nn.Parameter(part.detach().clone()) for part in ours]
        for part, other in zip(ours, theirs, strict=True):
            part.grad = torch.randn_like(part)
            other.grad = part.grad.clone()
        clipped = ClippedAdamW([{"params": ours}], max_grad_norm=1.0, lr=0.0)
        plain = torch.optim.AdamW(theirs, lr=0.0, fused=True)
        norm = torch.nn.utils.get_total_norm([part.grad for part in theirs])
        clipped.step()
        apart = float((clipped.grad_norm / norm - 1).abs())

        def update() -> None:
            torch.nn.utils.clip_grad_norm_(theirs, 1.0)
            plain.step()

        times = {"ours_ms": self._seconds(clipped.step) * 1e3, "torch_ms": self._seconds(update) * 1e3}
        self._facts.write("update", **times, norms_apart=apart)

    def attention(self, batch: int, block: int) -> None:
        """Milliseconds of attention by each backend, forward, and forward and backward."""
        for backend in BACKENDS:
            for dropout in (0.0, 0.1):
                named = {"backend": backend.name, "batch": batch, "block": block, "dropout": dropout}
                with self._problems("attention", **named), sdpa_kernel(backend):
                    q, k, v = self._heads(batch, HEADS, block, WIDTH)

                    def run(q: Any = q, k: Any = k, v: Any = v, dropout: float = dropout) -> Any:
                        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)

                    self._write_attention(run, v, **named)

    def special_attention(self, batch: int, block: int) -> None:
        """The same for blocks without padding in one row, and for a window of 64 tokens to either side."""
        named = {"batch": batch, "block": block, "dropout": 0.0}
        with self._problems("attention", backend="VARLEN", **named):
            from torch.nn.attention.varlen import varlen_attn

            q, k, v = self._heads(batch * block, HEADS, WIDTH)
            ends = torch.arange(0, batch * block + 1, block, device=self._device, dtype=torch.int32)
            self._write_attention(
                lambda: varlen_attn(q, k, v, ends, ends, block, block), v, backend="VARLEN", **named
            )
        with self._problems("attention", backend="FLEX_WINDOW_64", **named):
            from torch.nn.attention.flex_attention import create_block_mask, flex_attention

            q, k, v = self._heads(batch, HEADS, block, WIDTH)
            mask = create_block_mask(
                lambda b, h, i, j: (i - j).abs() <= 64, None, None, block, block, device=self._device
            )
            flex = torch.compile(flex_attention)
            self._write_attention(
                lambda: flex(q, k, v, block_mask=mask), v, backend="FLEX_WINDOW_64", **named
            )

    def _write_attention(self, run: Callable[[], torch.Tensor], like: torch.Tensor, **named: Any) -> None:
        forward = self._seconds(run) * 1e3
        both = self._seconds(lambda: run().backward(like)) * 1e3
        self._facts.write("attention", **named, forward_ms=forward, both_ms=both)

    @contextmanager
    def _problems(self, kind: str, **named: Any) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._facts.write(kind, **named, problem=f"{type(error).__name__}: {error}"[:200])

    def _random(self, *size: int) -> torch.Tensor:
        return torch.randn(*size, device=self._device, dtype=torch.bfloat16)

    def _heads(self, *size: int) -> list[torch.Tensor]:
        return [self._random(*size).requires_grad_() for _ in range(3)]

    def _seconds(self, call: Callable[[], Any], times: int = 20) -> float:
        """Of a call, on the device."""
        for _ in range(3):
            call()
        if not self._gpu:
            return self._host_seconds(call, 3)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(times):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / times / 1e3

    def _host_seconds(self, call: Callable[[], Any], times: int = 200) -> float:
        """Of a call, on the host, until the device is done with all of them."""
        begun = time.perf_counter()
        for _ in range(times):
            call()
        if self._gpu:
            torch.cuda.synchronize()
        return (time.perf_counter() - begun) / times


def _products(shape: Shape, tokens: int, masked: int) -> list[tuple[int, int, int]]:
    """Rows, inner size and columns of a forward pass' products, the padded vocabulary's in addition."""
    width, inner = shape.hidden, shape.inner
    layers = [
        (tokens, width, width),
        (tokens, width, 3 * width),
        (tokens, width, inner),
        (tokens, inner, width),
    ]
    return [*layers, *((masked, width, one.vocabulary) for one in (shape, shape.padded()))]


def _parameters(shape: Shape) -> list[tuple[int, ...]]:
    """Sizes of the parameters, but for small ones."""
    width, inner = shape.hidden, shape.inner
    layer = [*[(width, width), (width,)] * 4, (inner, width), (inner,), (width, inner), (width,)]
    return [(shape.vocabulary, width), *layer * shape.layers]


if __name__ == "__main__":
    given = Settings.from_environment()
    Card(Facts(given.out), gpu=given.gpu, tiny=given.tiny).measure()
