"""Reading and writing safetensors without a framework."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.errors import RequestError
from mlm_core.system.files import write_atomically

WEIGHTS = "model.safetensors"
_PICKLED = "pytorch_model.bin"
OTHER_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")
"""What weights are called in formats that are not read."""
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


ReadPickled = Callable[[Path], dict[str, NDArray[Any]]]
"""Reads what PyTorch has pickled, as data alone."""


def read_weights(directory: Path, read_pickled: ReadPickled | None = None) -> dict[str, NDArray[Any]]:
    """The floating-point arrays of a model directory by stored name; one file or several.

    Args:
        directory: of the model.
        read_pickled: reads `pytorch_model.bin` where there are no safetensors; None: that is not read.

    Raises:
        RequestError: there is no file of weights that is read, or it is damaged.
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
            # safetensors raises its own exception type, for which it has no public name.
            raise _damaged(path, error) from None
    return arrays


def weight_files(directory: Path, *, pickled: bool = False) -> list[Path]:
    """The safetensors files of a model directory; where it has none, those of `pytorch_model.bin` if asked.

    Raises:
        RequestError: there is none.
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


def _indexed(path: Path) -> list[Path]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        # A file beside it, whatever the index says.
        paths = [path.parent / Path(name).name for name in sorted(set(index["weight_map"].values()))]
        missing = next((part for part in paths if not part.is_file()), None)
        if missing is None:
            return paths
        raise FileNotFoundError(f"{missing.name} is missing")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None


def check_weights(paths: Iterable[Path]) -> None:
    """Refuse files of safetensors that are not whole; their numbers are not read.

    Raises:
        RequestError: one is damaged.
    """
    from safetensors import safe_open

    for path in paths:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except Exception as error:
            raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RequestError:
    return RequestError(
        f"{path.name} is damaged or cannot be read ({error})",
        code="damaged_weights",
        option="--model",
        value=str(path.parent),
        fix="copy the file again",
    )


def write_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as a safetensors file that PyTorch's `from_pretrained` opens, in one move.

    Raises:
        OSError: it cannot be written; a file of that name is as it was.
    """
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array) for name, array in weights.items()}, {"format": "pt"})
    write_atomically(path, content)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The floating-point arrays of one safetensors file, by stored name."""
    import safetensors

    arrays = {}
    tensors: Any = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    for name, tensor in tensors:
        if tensor["dtype"] == "BF16":
            # numpy has no bfloat16: its bits are the upper half of a float32.
            upper = np.frombuffer(tensor["data"], dtype="<u2").astype("<u4") << 16
            array: NDArray[Any] = upper.view("<f4")
        elif tensor["dtype"] in _DTYPES:
            array = np.frombuffer(tensor["data"], dtype=_DTYPES[tensor["dtype"]])
        else:
            # Integer buffers (position ids) are no parameters.
            continue
        arrays[name] = array.reshape(tensor["shape"])
    return arrays
