"""Random numbers as pure functions of a key: no generator is kept or shared.

The bits come from Philox4x64-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") through
numpy's `random_raw`, which the algorithm determines. The conversions to numbers are in this file, because
numpy's own may change between its versions.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

UInt64 = NDArray[np.uint64]
"""Raw draws, 64 random bits each."""


class Stream(IntEnum):
    """The purpose of random numbers; streams with equal seeds and keys are independent."""

    SPLIT = 1
    PERMUTATION = 2
    TRAINING_MASK = 3
    EVALUATION_MASK = 4
    INITIALIZATION = 5
    DROPOUT = 6
    COLLATOR = 7
    EXAMPLE = 8


def raw_draws(seed: int, stream: Stream, key: int, count: int) -> UInt64:
    """`count` raw 64-bit draws, `[count]` uint64, for (seed, stream, key); the key is below 2**64."""
    return _generator(seed, stream, key).random_raw(count)


def raw_rows(seed: int, stream: Stream, keys: NDArray[np.int64], count: int) -> UInt64:
    """One row of raw draws for each key, `[len(keys), count]` uint64; a row depends on its own key only."""
    rows = np.empty((len(keys), count), dtype=np.uint64)
    # Resetting a generator to its first state with another key takes a tenth of the time of a new generator.
    generator = _generator(seed, stream, 0)
    first = generator.state
    for row, key in zip(rows, keys.astype(np.uint64), strict=True):
        first["state"]["key"][1] = key
        generator.state = first
        row[:] = generator.random_raw(count)
    return rows


def _generator(seed: int, stream: Stream, key: int) -> np.random.Philox:
    return np.random.Philox(
        key=np.array([seed, key], dtype=np.uint64),
        counter=np.array([0, 0, 0, stream], dtype=np.uint64),
    )


def uniforms(raw: UInt64) -> NDArray[np.float64]:
    """Uniform float64 in [0, 1) from the upper 53 bits, the precision of a float64; the shape is kept."""
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def integers_below(raw: UInt64, bound: int) -> NDArray[np.int64]:
    """Integers in [0, bound) from the lower 32 bits, int64; the shape is kept, and bound is below 2**32.

    The multiplication of Lemire (2019, "Fast random integer generation in an interval") without rejection:
    the bias is below bound / 2**32.
    """
    low = raw & np.uint64(0xFFFFFFFF)
    return ((low * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)


def permutation(seed: int, stream: Stream, key: int, count: int) -> NDArray[np.int64]:
    """A permutation of range(count), `[count]` int64: the order that sorts `count` raw draws."""
    return np.argsort(raw_draws(seed, stream, key, count), kind="stable").astype(np.int64)


def normals(seed: int, stream: Stream, key: int, count: int) -> NDArray[np.float64]:
    """Standard normal numbers, `[count]` float64, by the transform of Box and Muller (1958)."""
    pairs = (count + 1) // 2
    first, second = uniforms(raw_draws(seed, stream, key, 2 * pairs)).reshape(2, pairs)
    # 1 - u lies in (0, 1], where the logarithm is finite.
    radius = np.sqrt(-2.0 * np.log(1.0 - first))
    angle = 2.0 * np.pi * second
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


def key_of_name(name: str) -> int:
    """A 64-bit key for a name: blake2b, 8 bytes, little-endian."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
