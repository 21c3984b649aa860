"""Names that users try, and what they are called here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mlm_core.errors import RequestError

_ELSEWHERE = {
    "bf16": None,
    "dataset_config_name": "dataset_config",
    "dataset_name": "dataset",
    "preprocessing_num_workers": "num_proc",
    "train_split_name": "split",
    "dataloader_num_workers": None,
    "eval_strategy": None,
    "fp16": None,
    "line_by_line": None,
    "lr_scheduler_type": "lr_scheduler",
    "max_seq_length": "block_size",
    "model_name_or_path": "model",
    "num_train_epochs": "epochs",
    "per_device_eval_batch_size": "batch_size",
    "per_device_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "overwrite_output_dir": "overwrite",
    "pad_to_max_length": None,
    "train_file": "dataset",
    "use_cpu": "device",
    "no_cuda": "device",
    "validation_split_percentage": "test_size",
}
"""TrainingArguments' and run_mlm.py's names that differ from ours; None: there is no such option yet."""


def flag_of(name: str) -> str:
    """An option as written on the command line, from whatever spelling."""
    return "--" + name.lstrip("-").replace("_", "-")


def unknown_option(written: str, known: Iterable[str]) -> RequestError:
    """The error for an option that does not exist, with the one that was probably meant.

    Args:
        written: as the user wrote it.
        known: the options there are, as on the command line.
    """
    flags = list(known)
    flag = flag_of(written)
    elsewhere = _ELSEWHERE.get(flag[2:].replace("-", "_"), "")
    near = difflib.get_close_matches(flag, flags, n=1)
    if elsewhere is None:
        fix = "it has no counterpart here; leave it out"
    elif elsewhere and flag_of(elsewhere) in flags:
        fix = f"here it is {flag_of(elsewhere)}"
    elif near:
        fix = f"did you mean {near[0]}?"
    else:
        fix = f"the options are {' '.join(flags)}"
    return RequestError("no such option", code="unknown_option", option=written, fix=fix)
