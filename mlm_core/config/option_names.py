"""Option names of TrainingArguments and run_mlm.py, and their counterparts here."""

from __future__ import annotations

from collections.abc import Iterable

from mlm_core.errors import RequestError

_TOKEN = "the environment variable HF_TOKEN, or hf auth login"

_ELSEWHERE = {
    "bf16": "--precision bf16",
    "bf16_full_eval": "--precision bf16",
    "cache_dir": "the environment variable MLM_CACHE for prepared text, HF_HOME for downloads",
    "config_name": "--model with --from-scratch",
    "data_seed": "--seed",
    "dataset_config_name": "--dataset-config",
    "dataset_name": "--dataset",
    "ddp_timeout": "--rank-timeout",
    "disable_tqdm": "--quiet",
    "do_predict": "the command mlm evaluate",
    "dtype": "--precision",
    "engine": "--backend",
    "eval_batch_size": "--batch-size",
    "fp16": "--precision fp16",
    "tf32": "--precision tf32",
    "fp16_full_eval": "--precision fp16",
    "fsdp": "--shard",
    "framework": "--backend",
    "hub_private_repo": "--hub-private",
    "hub_public": "--hub-private, false in a file or in Python",
    "hub_token": _TOKEN,
    "jit_compile": "--compile",
    "log_level": "--quiet or --verbose",
    "lr": "--learning-rate",
    "lr_scheduler_type": "--lr-scheduler",
    "max_eval_samples": "--test-size",
    "max_restarts": "--max-restarts on the command line of mlm train",
    "max_seq_length": "--block-size",
    "max_train_samples": "--split 'train[:N]'",
    "model_name_or_path": "--model",
    "model_type": "--model with --from-scratch",
    "no_cuda": "--device cpu",
    "nproc": "--nproc on the command line of mlm train or mlm evaluate",
    "num_train_epochs": "--epochs",
    "overwrite_output_dir": "--overwrite",
    "per_device_eval_batch_size": "--batch-size",
    "per_device_train_batch_size": "--batch-size",
    "per_gpu_eval_batch_size": "--batch-size",
    "per_gpu_train_batch_size": "--batch-size",
    "preprocessing_num_workers": "--num-proc",
    "push_to_hub_model_id": "--hub-model-id",
    "push_to_hub_organization": "--hub-model-id ORG/NAME",
    "push_to_hub_token": _TOKEN,
    "resume_from_checkpoint": "--resume, with --output-dir",
    "revision": "--model-revision",
    "save_strategy": "--save-steps, a number of steps",
    "save_total_limit": "--keep-checkpoints",
    "text_column_name": "--text-column",
    "token": _TOKEN,
    "torch_compile": "--compile",
    "torch_compile_backend": "--compile, without a choice of compiler",
    "torch_compile_mode": "--compile, without a choice of mode",
    "torch_dtype": "--precision",
    "torchdynamo": "--compile, without a choice of compiler",
    "train_batch_size": "--batch-size",
    "train_file": "--dataset",
    "train_split_name": "--split",
    "use_auth_token": _TOKEN,
    "use_cpu": "--device cpu",
    "validation_file": "--dataset with a directory of train and validation files",
    "validation_split_percentage": "--test-size, a share",
    "warmup_ratio": "--warmup-steps, a number of steps",
    "xla": "--compile",
}
"""Names with a counterpart here."""

_ALWAYS = frozenset(("do_eval", "do_train", "eval_on_start", "hub_always_push", "save_safetensors"))
"""Names of behaviour that cannot be turned off here."""

_NOT_HERE = frozenset(
    """_n_gpu accelerator_config activation_checkpointing activation_checkpointing_kwargs adafactor
    adam_beta1 adam_beta2 adam_epsilon auto_find_batch_size average_tokens_across_devices batch_eval_metrics
    config_overrides dataloader_drop_last dataloader_in_order dataloader_multiprocessing_context
    dataloader_num_workers dataloader_persistent_workers dataloader_pin_memory dataloader_prefetch_factor
    ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph
    debug deepspeed early_stopping_patience enable_jit_checkpoint eval_accumulation_steps
    eval_delay eval_do_concat_batches eval_steps eval_strategy eval_use_gather_object evaluation_strategy
    fp16_backend fp16_opt_level fsdp_config fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap
    full_determinism gcp_project gradient_checkpointing gradient_checkpointing_kwargs greater_is_better
    group_by_length half_precision_backend hub_revision ignore_data_skip include_for_metrics
    include_inputs_for_metrics include_num_input_tokens_seen include_tokens_per_second jit_mode_eval
    label_names label_smoothing_factor length_column_name liger_kernel_config line_by_line local_rank
    log_level_replica log_on_each_node logging_dir logging_first_step logging_nan_inf_filter
    logging_strategy low_cpu_mem_usage lr_scheduler_kwargs metric_for_best_model mp_parameters
    neftune_noise_alpha optim optim_args optim_target_modules overwrite_cache pad_to_max_length
    parallelism_config past_index poly_power prediction_loss_only project ray_scope remove_unused_columns
    report_to restore_callback_states_from_checkpoint run_name save_on_each_node save_only_model
    skip_memory_metrics streaming tokenizer_name torch_empty_cache_steps tpu_metrics_debug tpu_name
    tpu_num_cores tpu_zone trackio_bucket_id trackio_space_id trackio_static_space_id
    train_sampling_strategy use_cache use_fast_tokenizer use_legacy_prediction_loop use_liger_kernel
    use_mps_device""".split()  # noqa: SIM905 - shorter than a list of strings
)
"""Names without a counterpart here."""

_MOST = 3
"""Options that an answer names at most."""

_NEAR = 0.8
"""The similarity (difflib's ratio) from which an unknown name counts as a misspelling."""


def flag_of(name: str) -> str:
    """An option as written on the command line, from any spelling."""
    return "--" + name.lstrip("-").replace("_", "-")


def unknown_option(written: str, known: Iterable[str], listing: str = "mlm train --help") -> RequestError:
    """The error for an unknown option, with the options that were probably meant.

    Args:
        written: the option as the user wrote it.
        known: the existing options, as on the command line.
        listing: the command that lists them.
    """
    flag = flag_of(written)
    name = flag[2:].replace("-", "_")
    near = _near(flag, list(known))
    if name in _ELSEWHERE:
        fix = f"here it is {_ELSEWHERE[name]}"
    elif name in _ALWAYS:
        fix = "that is always done; leave it out"
    elif name in _NOT_HERE:
        fix = "it has no counterpart here; leave it out"
    elif near:
        fix = f"did you mean {' or '.join(near)}?"
    else:
        fix = f"{listing} lists the options"
    return RequestError("no such option", code="unknown_option", option=written, fix=fix)


def _near(flag: str, known: list[str]) -> list[str]:
    """The nearest option; else up to three that begin with what was written, or have it as a word."""
    # Imported only for an error: it would slow down every `mlm --help`.
    import difflib

    near = difflib.get_close_matches(flag, known, n=1, cutoff=_NEAR)
    begun = [other for other in known if other.startswith(flag)]
    holding = [other for other in known if flag[2:] in other[2:].split("-")]
    return near or begun[:_MOST] or holding[:_MOST]
