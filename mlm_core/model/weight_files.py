"""Finding, reading and writing files of weights (safetensors) without a framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import RequestError
from mlm_core.system.files import write_atomically
from mlm_core.system.json_files import BadJsonError, checked, read_json
from mlm_core.system.os_errors import advice, reason

WEIGHTS = "model.safetensors"
_PICKLED = "pytorch_model.bin"
OTHER_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")
"""Files of weights in formats other than safetensors."""
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


ReadPickled = Callable[[Path], dict[str, NDArray[Any]]]
"""Reads a file that PyTorch pickled, as data only: no code in it runs."""


def read_weights(directory: Path, read_pickled: ReadPickled | None = None) -> dict[str, NDArray[Any]]:
    """The floating-point arrays of a model directory by stored name, from one file or several.

    Args:
        directory: the model's directory.
        read_pickled: reads `pytorch_model.bin` where there is no `model.safetensors`; None: do not read it.

    Raises:
        RequestError: there is no file of weights that may be read, or it is damaged.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for path in weight_files(directory, pickled=read_pickled is not None):
        try:
            if path.suffix == ".bin" and read_pickled is not None:
                arrays |= read_pickled(path)
            else:
                arrays |= read_arrays(path)
        except RequestError:
            raise
        except Exception as error:
            # The exception type of safetensors has no public name.
            raise _damaged(path, error) from None
    return arrays


def weight_files(directory: Path, *, pickled: bool = False) -> list[Path]:
    """The safetensors files of a model directory, or else the files of `pytorch_model.bin`.

    Args:
        directory: the model's directory.
        pickled: whether `pytorch_model.bin` may be used.

    Raises:
        RequestError: there is no such file, or an index of several files is damaged.
    """
    for name in (WEIGHTS, _PICKLED) if pickled else (WEIGHTS,):
        if (directory / name).is_file():
            return [directory / name]
        if (directory / f"{name}.index.json").is_file():
            return _indexed(directory / f"{name}.index.json")
    others = [name for name in OTHER_WEIGHTS if (directory / name).is_file()]
    raise RequestError(
        f"has {others[0]} but no {WEIGHTS}" if others else f"has no {WEIGHTS}",
        code="missing_weights",
        option="--model",
        value=str(directory),
        fix="save it again with save_pretrained in PyTorch"
        + (", or read it with --allow-pickle" if others[0].startswith(_PICKLED) else "")
        if others
        else "give a directory written by save_pretrained, or train with --from-scratch",
    )


@dataclass(frozen=True)
class _Index:
    weight_map: dict[str, str]


def _indexed(path: Path) -> list[Path]:
    try:
        index = checked(read_json(path), _Index)
        # Only files next to the index, whatever the index says.
        paths = [path.parent / Path(name).name for name in sorted(set(index.weight_map.values()))]
        if not paths:
            raise BadJsonError("its weight_map is empty")
        missing = next((part for part in paths if not part.is_file()), None)
        if missing is None:
            return paths
        raise FileNotFoundError(f"{missing.name} is missing")
    except (OSError, BadJsonError) as error:
        raise _damaged(path, error) from None


def check_weights(paths: Iterable[Path]) -> None:
    """Check that files of safetensors are complete, without reading the arrays.

    Raises:
        RequestError: a file is damaged.
    """
    from safetensors import safe_open

    for path in paths:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except Exception as error:
            raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RequestError:
    # safetensors raises its OSErrors without a number.
    unreadable = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
    if unreadable or not os.access(path, os.R_OK):
        return RequestError(
            f"{path.name} cannot be read ({reason(error)})",
            code="unreadable_weights",
            option="--model",
            value=str(path.parent),
            fix=advice(error) or "change its permissions, or run as its owner",
        )
    return RequestError(
        f"{path.name} is damaged or cannot be read ({error})",
        code="damaged_weights",
        option="--model",
        value=str(path.parent),
        fix="copy the file again",
    )


def write_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays atomically as a safetensors file that PyTorch's `from_pretrained` opens.

    Raises:
        OSError: the file cannot be written; an earlier file with this name is not changed.
    """
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array) for name, array in weights.items()}, {"format": "pt"})
    write_atomically(path, content)


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every array of a safetensors file; the arrays are not read.

    Raises:
        Exception: the file is damaged; the exception type of safetensors has no public name.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The floating-point arrays of one safetensors file by stored name; bfloat16 becomes float32.

    Raises:
        Exception: the file is damaged; the exception type of safetensors has no public name.
    """
    import safetensors

    arrays = {}
    tensors: Any = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    for name, tensor in tensors:
        if tensor["dtype"] == "BF16":
            # numpy lacks bfloat16, whose bits are the upper half of a float32.
            upper = np.frombuffer(tensor["data"], dtype="<u2").astype("<u4") << 16
            array: NDArray[Any] = upper.view("<f4")
        elif tensor["dtype"] in _DTYPES:
            array = np.frombuffer(tensor["data"], dtype=_DTYPES[tensor["dtype"]])
        else:
            # Integer buffers, for example position ids, are not parameters.
            continue
        arrays[name] = array.reshape(tensor["shape"])
    return arrays
