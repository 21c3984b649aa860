"""Fills masks, with the result format and the scores of transformers' fill-mask pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlm_core.batches.batch import Batch
from mlm_core.batches.masking_rule import check_mask_token, known_ids
from mlm_core.compat.model_errors import Phase, explained
from mlm_core.config.arguments import as_count, as_texts
from mlm_core.config.config import Config
from mlm_core.errors import RequestError, RunError
from mlm_core.framework import Framework
from mlm_core.model.architectures import length_limit
from mlm_core.model.filling import ranked, rows_of_one_length, slot_batch
from mlm_core.model.find_model import ModelFiles
from mlm_core.model.source import ModelSource, load_model_source
from mlm_core.model.tokens import readable_token, target_ids
from mlm_core.network import Network, NetworkOptions
from mlm_core.progress import Progress
from mlm_core.visible import quantity

_MASK_SPELLINGS = ("<mask>", "[MASK]")


class TextError(RequestError):
    """A text cannot be filled.

    Attributes:
        row: its number among the texts, from 0.
    """

    row = 0


class Predictor:
    """Predicts masked tokens with the model of a directory.

    Args:
        framework: computes.
        config: the options of the model, the device and the display.
        files: the model's.
        network: makes the framework's network for a model.
    """

    def __init__(
        self,
        framework: Framework,
        config: Config,
        files: ModelFiles,
        network: Callable[[ModelSource, NetworkOptions], Network],
    ) -> None:
        self.framework = framework
        self.config = config
        self._files = files
        self._make_network = network
        self._network: Network | None = None
        self._head_chosen = False
        self._known = np.empty(0, np.int64)
        self._strange = 0.0
        self._progress = Progress.of(config)

    def model(self) -> Any:
        """The framework's own model, ready to predict."""
        return self._loaded().model

    def fill(
        self, texts: Sequence[str] | str, *, top_k: int = 5, targets: Sequence[str] | str | None = None
    ) -> list[list[Any]]:
        """Find the most likely tokens for each mask.

        Args:
            texts: one text or several, each with one or more masks, written `<mask>` or `[MASK]`.
            top_k: how many tokens for each mask.
            targets: consider only this word, or these; None: all tokens.

        Returns:
            For each text, the result of the fill-mask pipeline: a list of `{score, token, token_str,
            sequence}` in order of falling score, or a list of such lists if the text has several masks.

        Raises:
            TextError: a text has no mask or is too long.
            RequestError: an argument is wrong, the model does not know a target, or its files are wrong.
            RunError: memory runs out.
        """
        texts, top_k = as_texts("texts", texts), as_count("top_k", top_k)
        targets = as_texts("targets", targets) if targets is not None else None
        tokenizer = self._loaded().source.tokenizer
        ids = [self._encode(row, text, tokenizer) for row, text in enumerate(texts)]
        wanted = self._known
        if targets is not None:
            with self._explained(Phase.TOKENIZE):
                wanted = target_ids(targets, tokenizer, self._progress.say)
        results: dict[int, list[Any]] = {}
        at_once = max(1, _LOGITS_AT_ONCE // self._loaded().source.config.vocab_size)
        batches = list(rows_of_one_length(ids, at_once))
        for rows in self._progress.track(batches, "filling the blanks", len(batches)):
            batch = slot_batch([ids[row] for row in rows], tokenizer.mask_token_id)
            computed = self._slot_logits(batch)
            self._strange = max(self._strange, _share_outside(computed, self._known))
            with self._explained(Phase.TOKENIZE):
                for row, logits in zip(rows, computed, strict=True):
                    results[row] = _fillings(ids[row], logits, top_k, wanted, tokenizer)
        self._tell_of_strange_rows()
        return [results[row] for row in range(len(ids))]

    def logits(self, texts: str | Sequence[str]) -> list[NDArray[np.float32]]:
        """The logits of one text, or of several: for each `[length, vocabulary]` float32, special tokens too.

        Raises:
            TextError: a text is too long.
            RequestError: it is no text.
        """
        tokenizer = self._loaded().source.tokenizer
        return [
            self.token_logits(self._token_ids(text, tokenizer)[None])[0] for text in as_texts("texts", texts)
        ]

    def token_logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits `[batch, length, vocabulary]` float32 for token ids `[batch, length]` without padding."""
        network = self._loaded()
        with self._explained(Phase.PASS):
            return network.logits({"input_ids": np.asarray(input_ids, dtype=np.int64)})

    def readable(self, token: int) -> str:
        """A token's text, where `fill` may have � or nothing: bytes that are no character as `<0xC3>`."""
        with self._explained(Phase.TOKENIZE):
            return readable_token(self._loaded().source.tokenizer, token)

    def _slot_logits(self, batch: Batch) -> NDArray[np.float32]:
        """Logits at the masked positions; the first batch decides between the sparse and the dense head."""
        network = self._loaded()
        with self._explained(Phase.PASS):
            if not self._head_chosen:
                network.choose_head({name: array[:1] for name, array in batch.items()})
                self._head_chosen = True
            logits = network.logits(batch)
        if not np.isfinite(logits[..., self._known].max()):
            raise RequestError(
                "its predictions are NaN or infinite",
                code="not_finite",
                option="--model",
                value=self._files.name,
                fix="check the numbers in config.json, or choose another model",
            )
        return logits

    def _tell_of_strange_rows(self) -> None:
        """Say that much of a mask's probability is on rows of the embedding that are no token."""
        if self._strange >= _STRANGE:
            self._progress.warn(
                f"up to {self._strange:.0%} of a mask's probability is on rows of the embedding that are "
                "no token of its tokenizer, and not shown; check that the tokenizer belongs to the model"
            )
            self._strange = 0.0

    def _encode(self, row: int, text: str, tokenizer: Any) -> NDArray[np.int64]:
        try:
            ids = self._token_ids(text, tokenizer)
            if tokenizer.mask_token_id in ids:
                return ids
            fix = f"write {tokenizer.mask_token} where a word is to be predicted"
            raise TextError("the text has no mask", code="no_mask", option="TEXT", value=text, fix=fix)
        except TextError as error:
            error.row = row
            raise

    def _token_ids(self, text: str, tokenizer: Any) -> NDArray[np.int64]:
        for spelling in _MASK_SPELLINGS:
            text = text.replace(spelling, tokenizer.mask_token)
        with self._explained(Phase.TOKENIZE):
            ids = np.array(tokenizer(text, verbose=False)["input_ids"], dtype=np.int64)
            if len(ids) and not 0 <= ids.min() <= ids.max() < self._loaded().source.config.vocab_size:
                raise ValueError(f"it gives the id {ids.max()}, which the embedding has no row for")
        limit = length_limit(self._loaded().source.config)
        if limit is not None and len(ids) > limit:
            raise TextError(
                f"the text has {quantity(len(ids), 'token')}, but the model takes at most {limit}",
                code="text_too_long",
                option="TEXT",
                value=text[:40] + "...",
                fix="shorten it",
            )
        return ids

    def _loaded(self) -> Network:
        """The network; the first call builds it and assigns its weights."""
        if self._network is None:
            with self._progress.phase("loading the model", logged=False):
                self._network = self._load()
        return self._network

    def _load(self) -> Network:
        model = load_model_source(self.config, self._files.fetched(self.config))
        check_mask_token(model.tokenizer, model.name)
        self._known = known_ids(model.tokenizer, model.name, model.config.vocab_size)
        options = NetworkOptions(device=self.config.device, threads=self.config.threads)
        network = self._make_network(model, options)
        with self._explained(Phase.BUILD):
            specs = network.build()
        with self._explained(Phase.WEIGHTS):
            initial = model.starting_weights(specs, self.config.seed, self.framework.read_pickled)
            if initial.drawn:
                raise initial.untrained_error(model.name)
            network.assign(initial.weights)
        return network

    def _explained(self, phase: Phase) -> AbstractContextManager[None]:
        """While inside, what libraries raise on the model's files is an error that names them."""
        fix = "free some memory, or use a smaller model"
        memory = self.framework.memory_errors_as(RunError("out of memory", code="out_of_memory", fix=fix))
        return explained(phase, self._files.name, memory)


_LOGITS_AT_ONCE = 2**27
"""Logits per batch: half a gigabyte, if the model's head needs every position."""


_STRANGE = 0.01
"""The share of probability on rows that are no token from which it is said."""


def _share_outside(logits: NDArray[np.float32], known: NDArray[np.int64]) -> float:
    """The largest share of a mask's probability on ids that the tokenizer does not have."""
    if logits.shape[-1] == len(known):
        return 0.0
    outside = np.ones(logits.shape[-1], dtype=bool)
    outside[known] = False
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    return float((chances[..., outside].sum(-1) / chances.sum(-1)).max())


def _fillings(
    ids: NDArray[np.int64],
    logits: NDArray[np.float32],
    top_k: int,
    wanted: NDArray[np.int64],
    tokenizer: Any,
) -> list[Any]:
    """The result of `fill` for one text, from the logits of its masks, `[masks or more, vocabulary]`."""
    positions = np.flatnonzero(ids == tokenizer.mask_token_id)
    blanks = [ranked(of_mask, top_k, wanted) for of_mask in logits[: len(positions)]]
    # Like the pipeline: a text with one mask loses its special tokens; a text with several keeps them, and
    # so shows its other masks.
    alone = len(blanks) == 1
    filled = [
        [_filled(ids, position, token, score, tokenizer, plain=alone) for token, score in blank]
        for position, blank in zip(positions, blanks, strict=True)
    ]
    return filled[0] if alone else filled


def _filled(
    row: NDArray[np.int64], position: np.intp, token: int, score: float, tokenizer: Any, *, plain: bool
) -> dict[str, Any]:
    filled = row.copy()
    filled[position] = token
    return {
        "score": score,
        "token": token,
        "token_str": tokenizer.decode([token]),
        "sequence": tokenizer.decode(filled.tolist(), skip_special_tokens=plain),
    }
