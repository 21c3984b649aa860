"""Masking for other training loops: a list of tokenised rows to a masked batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import full_width_labels, mask_tokens
from mlm_core.batches.masking_rule import masking_rule, padding_id
from mlm_core.batches.randomness import Stream, UInt64, raw_draws
from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.arguments import wrong_argument
from mlm_core.config.config import Config
from mlm_core.config.masking import MaskingConfig
from mlm_core.errors import RequestError

_TYPES = "token_type_ids"


class MaskingCollator:
    """The masking of `mlm train` for other training loops, in numpy.

    Each engine offers it for its framework: `mlm_torch.MaskingCollator` is a `data_collator` of a
    `transformers.Trainer`, `mlm_tf.MaskingCollator` a `collate_fn` of `prepare_tf_dataset`. Shorter rows are
    padded to the longest row.

    Masks are keyed by (seed, number of the call, content of the row). A restarted loop with the same order of
    rows sees the same masks, every epoch sees new masks, and no global generator is used. The collator does
    not know the epoch; `mlm train` itself keys masks by epoch and block.

    Args:
        tokenizer: a transformers tokenizer with a mask token.
        mlm_probability: share of the maskable tokens of a row to mask.
        masking: "exact", the same share of every row; "independent", a draw for each token.
        mask_replace_prob: share of the masked tokens replaced by the mask token.
        random_replace_prob: share of the masked tokens replaced by a random ordinary token.
        seed: of all draws.
        fixed: give a row the same mask in every call, for evaluation.
        pad_to_multiple_of: pad rows to a multiple of this many tokens.

    Raises:
        RequestError: an option is wrong, or the tokenizer has no mask token or no padding token.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        mlm_probability: float = MaskingConfig.mlm_probability,
        masking: str = MaskingConfig.masking,
        mask_replace_prob: float = MaskingConfig.mask_replace_prob,
        random_replace_prob: float = MaskingConfig.random_replace_prob,
        seed: int = 42,
        fixed: bool = False,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        config = Config.from_dict(
            {
                "mlm_probability": mlm_probability,
                "masking": masking,
                "mask_replace_prob": mask_replace_prob,
                "random_replace_prob": random_replace_prob,
                "seed": seed,
            }
        )
        if not hasattr(tokenizer, "name_or_path"):
            raise wrong_argument("tokenizer", tokenizer, "a transformers tokenizer")
        name = str(tokenizer.name_or_path)
        self._rule = masking_rule(tokenizer, config, name)
        self._padding_id = padding_id(tokenizer, name)
        self._seed = config.seed
        self._fixed = fixed
        self._multiple = pad_to_multiple_of if pad_to_multiple_of is not None else 1
        self._calls = 0
        if self._multiple < 1:
            raise RequestError(
                "must be at least 1",
                code="out_of_range",
                option="pad_to_multiple_of",
                value=pad_to_multiple_of,
            )

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The batch of these rows.

        Args:
            rows: each with `input_ids`, and optionally with `attention_mask` and `token_type_ids`; other
                entries, such as labels, are ignored.

        Returns:
            `input_ids`, `attention_mask`, `labels` (-100 where no token is masked) and, if all rows have
            them, `token_type_ids`; each `[batch, width]` int64, the width being the longest row's, padded.

        Raises:
            RequestError: there is no row, a row has no `input_ids`, or the tokenizer has no such token id.
        """
        if not isinstance(rows, Sequence):
            raise wrong_argument("rows", rows, "a list of tokenised rows")
        ids = [_token_ids(row) for row in rows]
        if not ids:
            raise RequestError("a batch needs at least one row", code="empty_batch", option="rows", value=0)
        longest = max(1, *map(len, ids))
        width = -(-longest // self._multiple) * self._multiple
        self._check(ids)
        seen = [row.get("attention_mask", np.ones(len(own))) for row, own in zip(rows, ids, strict=True)]
        attention_mask = _padded(seen, width, 0)
        filled = _padded(ids, width, self._padding_id)
        masked = mask_tokens(filled, self._draws(ids, width), self._rule, attention_mask != 0)
        self._calls += 1
        batch = {
            "input_ids": masked.input_ids,
            "attention_mask": attention_mask,
            "labels": full_width_labels(masked.masked_positions, masked.labels, width),
        }
        if all(_TYPES in row for row in rows):
            batch[_TYPES] = _padded([row[_TYPES] for row in rows], width, 0)
        return batch

    def _check(self, ids: list[NDArray[np.int64]]) -> None:
        known = len(self._rule.maskable)
        wrong = next(
            (int(row[0]) for row in (row[(row < 0) | (row >= known)] for row in ids) if len(row)), None
        )
        if wrong is not None:
            raise RequestError(
                f"the tokenizer has no token with the id {wrong}",
                code="vocabulary_mismatch",
                option="rows",
                value=wrong,
                fix="tokenise the text with the collator's own tokenizer",
            )

    def _salt(self) -> int:
        """A number that differs between copies of this collator that count their calls separately."""
        return 0

    def _draws(self, ids: list[NDArray[np.int64]], width: int) -> UInt64:
        """Raw draws for `mask_tokens`; the draws of a row do not depend on its padding."""
        draws = np.zeros((len(ids), self._rule.draws_per_row(width)), dtype=np.uint64)
        for index, row in enumerate(ids):
            place = [] if self._fixed else [self._salt(), self._calls, index]
            own = raw_draws(self._seed, Stream.COLLATOR, _key(row, place), self._rule.draws_per_row(len(row)))
            draws[index, 0] = own[0]
            draws[index, 1 : 1 + len(row)] = own[1 : 1 + len(row)]
            draws[index, 1 + width : 1 + width + len(row)] = own[1 + len(row) :]
        return draws


def _token_ids(row: Mapping[str, Any]) -> NDArray[np.int64]:
    if not isinstance(row, Mapping):
        raise wrong_argument("rows", row, "a list of rows, each a mapping with input_ids")
    if "input_ids" in row:
        return np.asarray(row["input_ids"], dtype=np.int64)
    raise RequestError(
        f"a row has no input_ids, only {', '.join(map(str, row)) or 'nothing'}",
        code="not_tokenised",
        option="rows",
        fix="tokenise the text first, and keep that column (remove_unused_columns=False keeps all)",
    )


def _key(ids: NDArray[np.int64], place: list[int]) -> int:
    content = ids.astype("<i8").tobytes() + np.array(place, dtype="<u8").tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _padded(rows: Sequence[Any], width: int, value: int) -> NDArray[np.int64]:
    filled = np.full((len(rows), width), value, dtype=np.int64)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    return filled
