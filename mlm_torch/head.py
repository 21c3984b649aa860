"""The sparse head: the masked-LM head and the end of the last layer, only at the masked positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from mlm_core.model.sparse_head import MaskedPass
from mlm_torch.pre_norm import Call, PreNorm, places_within


class SparseHead(MaskedPass):
    """Passes only the hidden states of the masked positions to a model's head.

    The head begins with the first module outside the encoder that is called after the encoder has returned.
    """

    # Of a pre-norm layer, while it runs.
    _every: torch.Tensor | None = None
    _positions: torch.Tensor | None = None

    def __init__(self, entry: torch.nn.Module) -> None:
        self._gather_at(entry)

    @classmethod
    def of(cls, model: Any, batch: Mapping[str, torch.Tensor], *, deep: bool = True) -> Self:
        """Find the head of a model by forward passes on a batch.

        Args:
            model: a slot model.
            batch: a batch like those of training, with two rows or more.
            deep: begin within the last layer if the model allows it.

        Raises:
            ValueError: no module is called after the encoder.
        """
        entry = _entry(model, batch)
        if entry is None:
            raise ValueError("no head was found after its encoder")
        head = cls(entry)
        if deep:
            head.begin_earlier(model, _last_layer(model, batch), lambda: _logits(model, batch))
        return head

    def _gather_at(self, place: torch.nn.Module | PreNorm) -> Callable[[], None]:
        if isinstance(place, torch.nn.Module):
            return place.register_forward_pre_hook(self._gather, with_kwargs=True).remove
        hooks = (
            place.layer.register_forward_pre_hook(self._enter_layer),
            place.norm.register_forward_pre_hook(self._enter_norm),
            place.attention.register_forward_hook(self._leave_attention),
        )

        def undo() -> None:
            for hook in hooks:
                hook.remove()

        return undo

    def _gather(
        self, module: torch.nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        positions = self.take()
        if positions is None:
            return None
        shape = arguments[0].shape[:2]

        def gathered(argument: Any) -> Any:
            # Tensors that are added to the hidden states must be gathered as well.
            like = isinstance(argument, torch.Tensor) and argument.dim() == 3 and argument.shape[:2] == shape
            return gather_slots(argument, positions) if like else argument

        return tuple(map(gathered, arguments)), {name: gathered(value) for name, value in options.items()}

    def _enter_layer(self, module: torch.nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # Assigned in each pass: an earlier one may have ended with an exception in between.
        self._positions = self.take()
        self._every = None if self._positions is None else arguments[0]
        return _with_first(arguments, self._positions)

    def _enter_norm(self, module: torch.nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        every, self._every = self._every, None
        return None if every is None else (every, *arguments[1:])

    def _leave_attention(self, module: torch.nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
        positions, self._positions = self._positions, None
        if isinstance(output, torch.Tensor):
            return None if positions is None else gather_slots(output, positions)
        return _with_first(output, positions)


def _with_first(values: tuple[Any, ...], positions: torch.Tensor | None) -> tuple[Any, ...] | None:
    """The values, the first of them gathered; None: no positions."""
    return None if positions is None else (gather_slots(values[0], positions), *values[1:])


def gather_slots(hidden: torch.Tensor, masked_positions: torch.Tensor) -> torch.Tensor:
    """Rows `[batch, slots, width]` of `[batch, length, width]` at `[batch, slots]` positions."""
    batch, length, width = hidden.shape
    starts = torch.arange(batch, device=hidden.device)[:, None] * length
    rows = hidden.reshape(batch * length, width).index_select(0, (starts + masked_positions).flatten())
    return rows.reshape(batch, -1, width)


def _logits(model: Any, batch: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
    with torch.no_grad():
        return model.eval()(**batch).logits.float().cpu().numpy()


def _entry(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.nn.Module | None:
    encoder = model.base_model
    returned: list[bool] = []
    hook = encoder.register_forward_hook(lambda *_: returned.append(True))
    outside = set(model.modules()) - set(encoder.modules()) - {model}
    try:
        called = _called(model, batch, outside, lambda: bool(returned))
    finally:
        hook.remove()
    return called[0][0] if called else None


def _last_layer(model: Any, batch: Mapping[str, torch.Tensor]) -> list[torch.nn.Module | PreNorm]:
    """The places within the encoder's last layer, in the order in which a pass reaches them."""
    lists = [part for part in model.base_model.modules() if isinstance(part, torch.nn.ModuleList)]
    longest: Any = max(lists, key=len, default=())
    if not len(longest):
        return []
    layer = longest[-1]
    return places_within(layer, _called(model, batch, set(layer.modules())))


def _called(
    model: Any,
    batch: Mapping[str, torch.Tensor],
    modules: set[torch.nn.Module],
    now: Callable[[], bool] = lambda: True,
) -> list[Call]:
    """The calls of these modules with hidden states in a forward pass."""
    called: list[Call] = []

    def note(module: torch.nn.Module, arguments: Sequence[Any]) -> None:
        if now() and arguments and isinstance(arguments[0], torch.Tensor):
            called.append((module, arguments[0]))

    hooks = [module.register_forward_pre_hook(note) for module in modules]
    try:
        with torch.no_grad():
            model.eval()(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return called
