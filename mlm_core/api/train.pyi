"""Written by `python -m mlm_core.api.stub` from the options; do not edit."""

import os
from typing import Any, Literal

from mlm_core.api.run import Run

def train(
    dataset: Any = None,
    *,
    backend: str | None = None,
    dataset_config: str | None = None,
    dataset_revision: str | None = None,
    split: str | None = None,
    text_column: str | None = None,
    test_size: float | None = None,
    block_size: int | None = None,
    last_block: Literal["drop", "pad"] = "drop",
    document_borders: Literal["special-tokens", "separator"] = "special-tokens",
    num_proc: int | None = None,
    model: str | os.PathLike[str] | None = None,
    model_revision: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    from_scratch: bool = False,
    dropout: float | None = None,
    mlm_probability: float = 0.15,
    masking: Literal["exact", "independent"] = "exact",
    mask_replace_prob: float = 0.8,
    random_replace_prob: float = 0.1,
    epochs: int | None = None,
    max_steps: int | None = None,
    batch_size: int | None = None,
    gradient_accumulation_steps: int = 1,
    learning_rate: float | None = None,
    lr_scheduler: Literal["linear", "cosine", "constant"] = "linear",
    warmup_steps: int | None = None,
    weight_decay: float = 0.01,
    max_grad_norm: float = 1.0,
    load_best_model_at_end: bool = False,
    seed: int = 42,
    device: Literal["auto", "cpu", "gpu"] = "auto",
    precision: Literal["float32", "tf32", "bf16", "fp16", "auto"] = "float32",
    mlm_head: Literal["sparse", "dense"] = "sparse",
    compile: bool = False,
    threads: int | None = None,
    shard: bool = False,
    rank_timeout: int = 600,
    output_dir: str | os.PathLike[str] | None = None,
    save_steps: int | None = None,
    keep_checkpoints: int = 2,
    resume: bool = False,
    allow_change: str | None = None,
    overwrite: bool = False,
    logging_steps: int = 50,
    verify_batches: bool | None = None,
    quiet: bool = False,
    verbose: bool = False,
    push_to_hub: bool = False,
    hub_model_id: str | None = None,
    hub_private: bool = True,
    hub_strategy: Literal["end", "epoch", "checkpoint"] = "end",
    also_h5: bool = False,
) -> Run:
    """Train a masked language model: `train("posts.jsonl", backend="tf")`.

    The model is evaluated before and after, and saved in the run's directory, a new one under runs/ unless
    `output_dir` names it. Progress is shown on stderr, as by the command `mlm train`.

    Returns:
        The run: `run.result`, `run.history`, `run.plot()`, `run.fill("a <mask> day")`, ...

    Raises:
        RequestError: an option or the text is wrong; nothing was written.
        RunError: training failed; what was saved stays, and `resume=True` goes on from there.

    Args:
        dataset: the name or path of the text, or the text itself: a `datasets.Dataset` or `DatasetDict`, a
            list of texts, or a pandas data frame. None: Python's language reference.
        dataset_config: configuration of a dataset on the Hub.
        dataset_revision: branch, tag or commit of a dataset on the Hub.
        split: rows to use, for example train[:5000] (default: train, evaluated on the dataset's
            validation or test split).
        text_column: column with the text; a dot names a column inside a column, for example
            answers.text (default: text, else the only column with text).
        test_size: share of the documents to hold out for evaluation (default: the dataset's own
            validation or test split, else 0.2).
        block_size: tokens in a block (default: 64 without model, else the model's, else 128; at most
            the model's limit).
        last_block: drop: leave out the tokens after the last full block; pad: fill the last block with
            padding (default: 'drop').
        document_borders: special-tokens: put the tokenizer's special tokens around each document;
            separator: put one separator after it (default: 'special-tokens').
        num_proc: processes that tokenize (default: 1 for fast tokenizers, which use every core; one per
            core for slow ones).
        model: model directory or name on the Hub (default: starter, a small RoBERTa bundled with mlm).
        model_revision: branch, tag or commit of a model on the Hub.
        allow_pickle: read pytorch_model.bin, as data only, where there is no model.safetensors; needs
            backend torch (default: False).
        trust_remote_code: run the code in the model's repository, at the commit given by
            model_revision; needs backend torch (default: False).
        from_scratch: use the model's architecture and tokenizer, but not its weights; without model: a
            small RoBERTa whose tokenizer is learned from the text (default: False).
        dropout: rate of every dropout layer of the model (default: the model's own rates).
        mlm_probability: share of the maskable tokens to mask (default: 0.15).
        masking: exact: mask the same share of every block; independent: draw for each token separately
            (default: 'exact').
        mask_replace_prob: share of the masked tokens replaced by the mask token (default: 0.8).
        random_replace_prob: share of the masked tokens replaced by a random ordinary token (default:
            0.1).
        epochs: passes over the training blocks (default: the model's, else 3).
        max_steps: total optimizer steps; overrides epochs.
        batch_size: blocks in one forward pass (default: 32 without model, else the model's, else 16).
        gradient_accumulation_steps: micro-batches in an optimizer step (default: 1).
        learning_rate: peak learning rate (default: 5e-4 without model, else the model's, else 2e-5;
            with from_scratch 1e-3, or less for a wide model).
        lr_scheduler: how the learning rate changes after the warm-up (linear, cosine, constant)
            (default: 'linear').
        warmup_steps: steps over which the learning rate rises from 0 to its peak (default: 10 without
            model, else the model's, else 0; with from_scratch 300; at most a fifth of the run).
        weight_decay: decoupled weight decay of matrices and embeddings (default: 0.01).
        max_grad_norm: clip gradients to this global norm; 0: do not clip (default: 1.0).
        load_best_model_at_end: end with the weights of the best evaluation instead of the last step
            (default: False).
        seed: seed of every random choice (default: 42).
        backend: torch or tf (default: $MLM_BACKEND, else the one installed, else torch).
        device: auto: the GPU if there is one, else the CPU (default: 'auto').
        precision: tf32: matrix products with 10 bits after the point, on an NVIDIA GPU; bf16, fp16: in
            16 bits, weights and sums in float32; auto: bf16 where the processor or GPU has instructions
            for it (default: 'float32').
        mlm_head: sparse: predict at the masked positions only, where the model allows it; dense: at
            every position (default: 'sparse').
        compile: compile the training step (torch.compile and a CUDA graph; XLA); takes about a minute
            at the start (default: False).
        threads: processor threads (default: one per core, which the ranks of a machine share).
        shard: with several ranks, give each a share of every parameter, gradient and moment (PyTorch's
            FSDP2) (default: False).
        rank_timeout: seconds to wait for another rank that does not start or does not answer (default:
            600).
        output_dir: directory of the run (default: a new one under runs/).
        save_steps: steps between checkpoints (default: 500).
        keep_checkpoints: number of newest checkpoints to keep (default: 2).
        resume: resume from the newest complete checkpoint in output_dir; start the run if there is none
            (default: False).
        allow_change: options that may differ from the run that resume continues, for example
            learning-rate,epochs.
        overwrite: replace an existing run (default: False).
        logging_steps: steps between log lines where no terminal shows a progress bar (default: 50).
        verify_batches: record a digest of what the model receives at every step (default: on for a CPU
            without compile).
        quiet: print only errors and the outcome (default: False).
        verbose: also print versions, counts and names (default: False).
        push_to_hub: publish the trained model on the Hub (default: False).
        hub_model_id: repository on the Hub, for example ORG/NAME (default: the name of the output
            directory, in your account).
        hub_private: make a new repository private; hub_private=False makes it public (default:
            private).
        hub_strategy: end: publish the trained model; epoch, checkpoint: also publish after every epoch
            or checkpoint (default: 'end').
        also_h5: also write tf_model.h5, for TensorFlow users without this package; needs backend tf
            (default: False).
    """
