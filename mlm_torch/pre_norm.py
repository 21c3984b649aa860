"""Where a sparse head may begin within a layer, pre-norm layers included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Call = tuple[torch.nn.Module, torch.Tensor]
"""A module, and the hidden states that a forward pass calls it with."""


@dataclass(frozen=True)
class PreNorm:
    """The end of a pre-norm layer's attention.

    The residual goes around the norm and the attention: `h = h + attention(norm(h))`. No module receives
    both summands, so the layer's own input is gathered as well as the attention's output; only the norm
    receives every position.

    Attributes:
        layer: the layer.
        norm: its first module that receives the layer's hidden states.
        attention: its module that mixes the positions.
    """

    layer: torch.nn.Module
    norm: torch.nn.Module
    attention: torch.nn.Module


def places_within(layer: torch.nn.Module, calls: Sequence[Call]) -> list[torch.nn.Module | PreNorm]:
    """Candidates for the place where a sparse head begins, in the order in which a pass reaches them.

    Args:
        layer: an encoder's layer.
        calls: those of the layer and of the modules within it, in order.
    """
    modules = [module for module, _ in calls]
    ends = _ends_of_children(layer, modules, _norm(layer, calls))
    places: list[torch.nn.Module | PreNorm] = []
    for index, module in enumerate(modules):
        places.append(module)
        if index in ends:
            places.append(ends[index])
    return places


def _norm(layer: torch.nn.Module, calls: Sequence[Call]) -> torch.nn.Module | None:
    """The first module in the layer that receives the layer's hidden states themselves, nothing computed."""
    if not calls or calls[0][0] is not layer:
        return None
    return next((module for module, hidden in calls[1:] if hidden is calls[0][1]), None)


def _ends_of_children(
    layer: torch.nn.Module, modules: Sequence[torch.nn.Module], norm: torch.nn.Module | None
) -> dict[int, PreNorm]:
    """The end of each child of the layer as a place, by the call that it follows in the list."""
    if norm is None:
        return {}
    ends = {}
    for child in layer.children():
        # The child itself may be called by keywords, which are not among the calls.
        parts = set(child.modules())
        of_child = [index for index, module in enumerate(modules) if module in parts]
        if of_child:
            # The next module with parameters is as good a place and a simpler one, if it receives all that
            # is needed.
            later = range(of_child[-1] + 1, len(modules))
            follows = next((index for index in later if any(True for _ in modules[index].parameters())), -1)
            ends[follows] = PreNorm(layer, norm, child)
    return ends
