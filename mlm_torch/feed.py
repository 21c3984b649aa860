"""The batches of the plan as data loaders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from mlm_core.batches.batch import Batch, BatchAssembler
from mlm_core.batches.collator import MaskingCollator as NumpyCollator
from mlm_core.batches.plan import BatchPlan
from mlm_core.ranks.ranks import Ranks

Keys = NDArray[np.int64]


class _Batches(Dataset[Batch]):
    """Maps block keys to whole batches. Its length, which Trainer asks for, is the number of blocks."""

    def __init__(self, assemble: BatchAssembler) -> None:
        self._assemble = assemble

    def __len__(self) -> int:
        return len(self._assemble.blocks)

    def __getitem__(self, keys: Keys) -> Batch:
        return self._assemble(keys)


class _PlannedKeys(Sampler[Keys]):
    """The block keys of this rank's rows of each micro-batch of the plan, from `first_step` on."""

    def __init__(self, plan: BatchPlan, micro_batches: int, first_step: int, ranks: Ranks) -> None:
        self._plan = plan
        self._rows = ranks.rows(plan.batch_size // micro_batches)
        self._micro_batches = micro_batches
        self._first_step = first_step

    def __len__(self) -> int:
        return (self._plan.steps - self._first_step) * self._micro_batches

    def __iter__(self) -> Iterator[Keys]:
        for step in range(self._first_step, self._plan.steps):
            yield from self._plan.keys(step).reshape(self._micro_batches, -1)[:, self._rows]


class PlannedLoader(DataLoader[Batch]):
    """The training batches of a run, or of the rest of it; for Trainer they are one epoch.

    Batches are assembled in this process: worker processes are slower. Pinned ones are copied to a GPU while
    it computes.
    """

    def __init__(
        self,
        assemble: BatchAssembler,
        plan: BatchPlan,
        micro_batches: int,
        first_step: int,
        ranks: Ranks,
        *,
        pinned: bool,
    ) -> None:
        keys = _PlannedKeys(plan, micro_batches, first_step, ranks)
        # An item of the dataset is already a batch.
        super().__init__(
            _Batches(assemble), batch_size=None, sampler=keys, collate_fn=_tensors, pin_memory=pinned
        )


def evaluation_loader(
    assemble: BatchAssembler, keys: Keys, ranks: Ranks, *, pinned: bool
) -> DataLoader[Batch]:
    """This rank's rows of the batches of an evaluation, from block keys `[batches, batch]` int64."""
    own = list(keys[:, ranks.rows(keys.shape[1])])
    return DataLoader(
        _Batches(assemble), batch_size=None, sampler=own, collate_fn=_tensors, pin_memory=pinned
    )


@final
class MaskingCollator(NumpyCollator):
    """The core's collator with tensors, for the `data_collator` of a stock `transformers.Trainer`."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """See the core's collator; every entry is an int64 tensor."""
        return _tensors(super().__call__(rows))

    def _salt(self) -> int:
        # Each worker process of a data loader has a copy; PyTorch gives each a new seed every epoch.
        worker = get_worker_info()
        return worker.seed if worker is not None else 0


def _tensors(batch: Batch) -> dict[str, Any]:
    return {name: torch.from_numpy(array) for name, array in batch.items()}
