"""Masking for training loops of one's own: a list of tokenised rows to a masked batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.masking import full_width_labels, mask_tokens
from mlm_core.batches.randomness import Stream, UInt64, raw_draws
from mlm_core.batches.rule import masking_rule, padding_id
from mlm_core.compat.transformers import Tokenizer
from mlm_core.config.config import Config
from mlm_core.errors import RequestError

_TYPES = "token_type_ids"


class MaskingCollator:
    """The masking of `mlm train` for stock training loops, in numpy.

    Each engine has it in its framework's form: `mlm_torch.MaskingCollator` as the `data_collator` of a
    `transformers.Trainer`, `mlm_tf.MaskingCollator` as the `collate_fn` of `prepare_tf_dataset`. Rows of
    different lengths are filled up to the longest.

    Masks are drawn by (seed, number of the call, content of the row): a loop that is started again in
    the same order sees the same masks, every epoch sees new ones, and no global generator is touched.
    The collator does not see which epoch it is in; `mlm train` itself draws by epoch and block.

    Args:
        tokenizer: a transformers tokenizer with a mask token.
        mlm_probability, masking, mask_replace_prob, random_replace_prob, seed: as the options of `mlm train`.
        fixed: a row has the same mask in every call, as an evaluation wants it.
        pad_to_multiple_of: rows are filled up to a multiple of this many tokens.

    Raises:
        RequestError: an option is wrong, or the tokenizer cannot mask.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        mlm_probability: float = 0.15,
        masking: str = "exact",
        mask_replace_prob: float = 0.8,
        random_replace_prob: float = 0.1,
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
            rows: each with `input_ids`, and with `attention_mask` and `token_type_ids` if it has them;
                other entries, such as labels, are left out.

        Returns:
            `input_ids`, `attention_mask`, `labels` (-100 where nothing is masked) and `token_type_ids`
            where the rows have them, each `[batch, longest]` int64.

        Raises:
            RequestError: there is no row, or one has no `input_ids`.
        """
        ids = [_token_ids(row) for row in rows]
        if not ids:
            raise RequestError("a batch needs at least one row", code="empty_batch", option="rows", value=0)
        longest = max(1, *map(len, ids))
        width = -(-longest // self._multiple) * self._multiple
        self._check(ids)
        seen = [row.get("attention_mask", np.ones(len(own))) for row, own in zip(rows, ids, strict=True)]
        attention_mask = _filled_up(seen, width, 0)
        filled = _filled_up(ids, width, self._padding_id)
        masked = mask_tokens(filled, self._draws(ids, width), self._rule, attention_mask != 0)
        self._calls += 1
        batch = {
            "input_ids": masked.input_ids,
            "attention_mask": attention_mask,
            "labels": full_width_labels(masked.masked_positions, masked.labels, width),
        }
        if all(_TYPES in row for row in rows):
            batch[_TYPES] = _filled_up([row[_TYPES] for row in rows], width, 0)
        return batch

    def _check(self, ids: list[NDArray[np.int64]]) -> None:
        known = len(self._rule.maskable)
        wrong = next(
            (int(row[0]) for row in (row[(row < 0) | (row >= known)] for row in ids) if len(row)), None
        )
        if wrong is not None:
            raise RequestError(
                f"the tokenizer has no token {wrong}",
                code="vocabulary_mismatch",
                option="rows",
                value=wrong,
                fix="tokenise the text with the collator's own tokenizer",
            )

    def _salt(self) -> int:
        """What tells apart copies of this collator that count their calls separately."""
        return 0

    def _draws(self, ids: list[NDArray[np.int64]], width: int) -> UInt64:
        """Raw draws for `mask_tokens`; those of a row do not depend on how far it was filled up."""
        draws = np.zeros((len(ids), self._rule.draws_per_row(width)), dtype=np.uint64)
        for index, row in enumerate(ids):
            place = [] if self._fixed else [self._salt(), self._calls, index]
            own = raw_draws(self._seed, Stream.COLLATOR, _key(row, place), self._rule.draws_per_row(len(row)))
            draws[index, 0] = own[0]
            draws[index, 1 : 1 + len(row)] = own[1 : 1 + len(row)]
            draws[index, 1 + width : 1 + width + len(row)] = own[1 + len(row) :]
        return draws


def _token_ids(row: Mapping[str, Any]) -> NDArray[np.int64]:
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


def _filled_up(rows: Sequence[Any], width: int, value: int) -> NDArray[np.int64]:
    filled = np.full((len(rows), width), value, dtype=np.int64)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
    return filled
