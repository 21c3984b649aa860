"""The model in several ranks: a copy in each, with summed gradients (DDP), or shares of parameters (FSDP2).

What a training in one process does not need is imported late.
"""

# No future annotations: PyTorch reads those of a communication hook, and wants the types themselves.
import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist


def replicate(model: torch.nn.Module, *, unused: bool) -> torch.nn.Module:
    """Wrap a model so that a backward pass leaves the sum of all ranks' gradients in each rank.

    PyTorch's own is their mean; the loss is divided by the masked tokens of all ranks already.

    Args:
        model: the model.
        unused: whether a pass may leave some parameters out; looking for them takes time at every step.
    """
    from torch.nn.parallel import DistributedDataParallel

    on_gpu = next(model.parameters()).is_cuda
    with warnings.catch_warnings():
        # PyTorch 2.13 has a new name for broadcast_buffers, which 2.11 does not know.
        warnings.simplefilter("ignore", FutureWarning)
        wrapped = DistributedDataParallel(
            model,
            device_ids=[torch.cuda.current_device()] if on_gpu else None,
            broadcast_buffers=False,
            find_unused_parameters=unused,
            gradient_as_bucket_view=True,
        )
    wrapped.register_comm_hook(None, _summed)
    return wrapped


def leaves_parameters_out(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> bool:
    """Whether the loss of a batch does not reach some parameters; this tries a pass."""
    model.zero_grad()
    model.eval()(**batch).loss.backward()
    left_out = any(one.grad is None for one in model.parameters() if one.requires_grad)
    model.zero_grad()
    return left_out


def _summed(state: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    return work.get_future().then(lambda done: done.value()[0])


def shard(model: torch.nn.Module, layers: list[torch.nn.Module]) -> None:
    """Give each rank its share of every parameter; layer by layer, so that few are whole at a time.

    Args:
        model: the model; its class is renamed by PyTorch, and renamed back here.
        layers: the repeated parts of the model.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(next(model.parameters()).device.type, (dist.get_world_size(),))
    own = type(model).__name__
    for part in (*layers, model):
        fully_shard(part, mesh=mesh)
    # config.json records the name of the class.
    type(model).__name__ = own
    for part in _shared_out(model):
        # The sum, as in `replicate`.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    # Nothing changes the outputs in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    # Trainer's accelerate would wrap it once more.
    model._is_accelerate_prepared = True


def repeated_layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The encoder's layers: the longest list of modules, of none that are lists; empty: there is none."""
    lists = [part for part in model.modules() if isinstance(part, torch.nn.ModuleList)]
    layers = [part for part in lists if not any(isinstance(item, torch.nn.ModuleList) for item in part)]
    return list(max(layers, key=len, default=()))


def reshard(model: torch.nn.Module) -> None:
    """Put the shares back in place of what a forward pass has left whole; the optimizer knows only them."""
    for part in _shared_out(model):
        part.reshard()


def _shared_out(model: torch.nn.Module) -> list[Any]:
    return [part for part in model.modules() if hasattr(part, "set_gradient_divide_factor")]


def is_shared_out(tensor: torch.Tensor) -> bool:
    """Whether a tensor is one of FSDP2's, of which this rank has a share (PyTorch's DTensor)."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor; every rank must ask for it."""
    all_of_it: Any = tensor
    return all_of_it.full_tensor() if is_shared_out(tensor) else tensor


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's share of a tensor."""
    share: Any = tensor
    return share.to_local() if is_shared_out(tensor) else tensor


def placed_like(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A whole tensor, shared out as a parameter is."""
    if not is_shared_out(parameter):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    like: Any = parameter
    return distribute_tensor(tensor.to(parameter.device), like.device_mesh, like.placements)
