"""What `startup.py` runs beside the `mlm` command itself.

startup_worker.py modules FILE WORD ...         `mlm WORD ...`; FILE then has the packages it imported
startup_worker.py guide torch|tf TEXT MODEL     the recipe of Hugging Face up to its first step; prints "step"
startup_worker.py imports torch|tf              the imports of that script alone

The parts of the recipe come from this project's packages. Importing them makes the script slower by some
hundredths of a second.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path
from typing import Any

BLOCK = 128
IMPORTS = {
    "torch": ("AutoModelForMaskedLM", "AutoTokenizer", "DataCollatorForLanguageModeling", "Trainer"),
    "tf": ("AdamWeightDecay", "AutoTokenizer", "DataCollatorForLanguageModeling", "TFAutoModelForMaskedLM"),
}
"""What the script imports from transformers."""


def modules(file: str, *words: str) -> int:
    """Run a command of this project in this process."""

    def report() -> None:
        names = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
        Path(file).write_text(json.dumps(sorted(names)), encoding="utf-8")

    atexit.register(report)
    from mlm_core.__main__ import main

    return int(main(list(words)))


def recipe_imports(framework: str) -> None:
    """Import what the script needs, after telling transformers which framework it uses."""
    if framework == "torch":
        os.environ["USE_TF"] = "0"
    else:
        os.environ |= {"USE_TORCH": "0", "USE_TF": "1"}
        os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import datasets  # noqa: F401
    import transformers

    if framework == "tf":
        from mlm_core.compat.transformers import ignore_accelerate

        ignore_accelerate()
    for name in IMPORTS[framework]:
        getattr(transformers, name)


def recipe(framework: str, text: str, model: str) -> None:
    """The script with a tiny model; ends with the first step."""
    recipe_imports(framework)
    from datasets import load_dataset
    from transformers import AutoConfig, AutoTokenizer

    from mlm_core.compare.hf_recipe import group_texts, stock_collator

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = load_dataset("json", data_files=text, split="train").train_test_split(test_size=0.2, seed=0)
    names = rows["train"].column_names
    tokenized = rows.map(
        lambda batch: tokenizer(batch["text"]), batched=True, num_proc=4, remove_columns=names
    )
    blocks = {"block_size": BLOCK, "labels": True}
    grouped = tokenized.map(group_texts, batched=True, num_proc=4, fn_kwargs=blocks)
    collator = stock_collator(tokenizer, return_tensors="pt" if framework == "torch" else "tf")
    train = _train_torch if framework == "torch" else _train_tf
    train(AutoConfig.from_pretrained(model), grouped, collator)


def _train_torch(config: Any, grouped: Any, collator: Any) -> None:
    from transformers import AutoModelForMaskedLM

    from mlm_core.compare.hf_recipe import StepClock
    from mlm_torch.hf_recipe import StepCallback, stock_trainer

    stock_trainer(
        AutoModelForMaskedLM.from_config(config), collator, "unused", train_rows=grouped["train"],
        test_rows=grouped["test"], callbacks=[StepCallback(StepClock(_first_step))],
        per_device_train_batch_size=16,
    ).train()  # fmt: skip


def _train_tf(config: Any, grouped: Any, collator: Any) -> None:
    from transformers import TFAutoModelForMaskedLM

    from mlm_core.compare.hf_recipe import StepClock
    from mlm_tf.hf_recipe import StepCallback, stock_compile

    model = TFAutoModelForMaskedLM.from_config(config)
    batches = model.prepare_tf_dataset(grouped["train"], shuffle=True, batch_size=16, collate_fn=collator)
    stock_compile(model)
    model.fit(x=batches, epochs=1, verbose=0, callbacks=[StepCallback(StepClock(_first_step))])


def _first_step(seconds: float) -> None:
    print("step", flush=True)
    os._exit(0)


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "modules":
        sys.exit(modules(*rest))
    (recipe_imports if task == "imports" else recipe)(*rest)
