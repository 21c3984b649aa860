"""Names that users try, and what they are called here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from mlm_core.errors import RequestError

_ELSEWHERE = {
    "cache_dir": "the environment variable MLM_CACHE",
    "config_name": "--model with --from-scratch",
    "dataset_config_name": "--dataset-config",
    "dataset_name": "--dataset",
    "do_eval": None,
    "do_train": None,
    "lr": "--learning-rate",
    "lr_scheduler_type": "--lr-scheduler",
    "max_eval_samples": "--test-size",
    "bf16": "--precision bf16",
    "fp16": "--precision fp16",
    "hub_always_push": None,
    "hub_private_repo": "--hub-private",
    "hub_public": "--hub-private, false in a file or in Python",
    "hub_token": "the environment variable HF_TOKEN, or hf auth login",
    "jit_compile": "--compile",
    "max_seq_length": "--block-size",
    "max_train_samples": "--split 'train[:N]'",
    "model_name_or_path": "--model",
    "no_cuda": "--device cpu",
    "num_train_epochs": "--epochs",
    "overwrite_output_dir": "--overwrite",
    "per_device_eval_batch_size": "--batch-size",
    "per_device_train_batch_size": "--batch-size",
    "preprocessing_num_workers": "--num-proc",
    "resume_from_checkpoint": "--resume, with --output-dir",
    "save_total_limit": "--keep-checkpoints",
    "torch_compile": "--compile",
    "push_to_hub_model_id": "--hub-model-id",
    "push_to_hub_token": "the environment variable HF_TOKEN, or hf auth login",
    "revision": "--model-revision",
    "token": "the environment variable HF_TOKEN, or hf auth login",
    "train_batch_size": "--batch-size",
    "train_file": "--dataset",
    "train_split_name": "--split",
    "use_auth_token": "the environment variable HF_TOKEN, or hf auth login",
    "use_cpu": "--device cpu",
    "validation_file": "--dataset with a directory of train and validation files",
    "validation_split_percentage": "--test-size, a share",
    "warmup_ratio": "--warmup-steps, a number of steps",
}
"""TrainingArguments' and run_mlm.py's names, and what does it here; None: it is always done."""

_NOT_HERE = frozenset(
    """adam_beta1 adam_beta2 adam_epsilon config_overrides dataloader_num_workers disable_tqdm
    early_stopping_patience eval_accumulation_steps eval_steps eval_strategy evaluation_strategy fp16
    gradient_checkpointing greater_is_better group_by_length ignore_data_skip
    label_smoothing_factor line_by_line logging_dir metric_for_best_model optim
    pad_to_max_length report_to run_name save_only_model save_strategy streaming tf32
    tokenizer_name torch_compile""".split()  # noqa: SIM905 - as words it is shorter
)
"""Names from there that nothing answers to yet."""

_NEAR = 0.8
"""How alike a name must be to be taken for a misspelt one."""


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
    name = flag[2:].replace("-", "_")
    near = difflib.get_close_matches(flag, flags, n=1, cutoff=_NEAR)
    if name in _NOT_HERE:
        fix = "it has no counterpart here; leave it out"
    elif name in _ELSEWHERE:
        answer = _ELSEWHERE[name]
        fix = "that is always done; leave it out" if answer is None else f"here it is {answer}"
    elif near:
        fix = f"did you mean {near[0]}?"
    else:
        fix = f"the options are {' '.join(flags)}"
    return RequestError("no such option", code="unknown_option", option=written, fix=fix)
