"""What `startup.py` runs beside the `mlm` command itself.

startup_worker.py modules FILE WORD ...          `mlm WORD ...`; then FILE has the packages it imported
startup_worker.py guide torch|tf TEXT MODEL      the guide's script, up to its first step: says "step"
startup_worker.py imports torch|tf               the guide's imports alone
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from itertools import chain
from pathlib import Path
from typing import Any

BLOCK = 128


def modules(file: str, *words: str) -> int:
    """A command of this project, in this process."""

    def report() -> None:
        names = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
        Path(file).write_text(json.dumps(sorted(names)), encoding="utf-8")

    atexit.register(report)
    from mlm_core.__main__ import main

    return int(main(list(words)))


def guide_imports(framework: str) -> Any:
    """The imports of the guide's half, told which framework is meant."""
    os.environ |= {"USE_TF": "0"} if framework == "torch" else {"USE_TORCH": "0", "USE_TF": "1"}
    import datasets  # noqa: F401

    if framework == "torch":
        import transformers
        from transformers import (  # noqa: F401
            AutoModelForMaskedLM,
            AutoTokenizer,
            DataCollatorForLanguageModeling,
            Trainer,
        )

        return transformers
    os.environ |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import transformers
    import transformers.utils.import_utils as found

    # transformers 4.57 does not import its TensorFlow Trainer parts beside accelerate without PyTorch.
    found._accelerate_available = False
    from transformers import (  # noqa: F401
        AdamWeightDecay,
        AutoTokenizer,
        DataCollatorForLanguageModeling,
        TFAutoModelForMaskedLM,
    )

    return transformers


def guide(framework: str, text: str, model: str) -> None:
    """The guide's script with a tiny model; ends with the first step."""
    transformers = guide_imports(framework)
    from datasets import load_dataset

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    rows = load_dataset("json", data_files=text, split="train").train_test_split(test_size=0.2, seed=0)
    names = rows["train"].column_names
    tokenized = rows.map(
        lambda batch: tokenizer(batch["text"]), batched=True, num_proc=4, remove_columns=names
    )
    grouped = tokenized.map(_group_texts, batched=True, num_proc=4)
    config = transformers.AutoConfig.from_pretrained(model)
    collate = transformers.DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=0.15, return_tensors="pt" if framework == "torch" else "tf"
    )
    (_train_torch if framework == "torch" else _train_tf)(transformers, config, grouped, collate)


def _train_torch(transformers: Any, config: Any, grouped: Any, collate: Any) -> None:
    class Report(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            _first_step()

    arguments = transformers.TrainingArguments(
        output_dir="unused", learning_rate=2e-5, weight_decay=0.01, per_device_train_batch_size=16,
        report_to=[], disable_tqdm=True,
    )  # fmt: skip
    transformers.Trainer(
        model=transformers.AutoModelForMaskedLM.from_config(config), args=arguments,
        train_dataset=grouped["train"], eval_dataset=grouped["test"], data_collator=collate,
        callbacks=[Report()],
    ).train()  # fmt: skip


def _train_tf(transformers: Any, config: Any, grouped: Any, collate: Any) -> None:
    import tf_keras as keras

    class Report(keras.callbacks.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            _first_step()

    model = transformers.TFAutoModelForMaskedLM.from_config(config)
    batches = model.prepare_tf_dataset(grouped["train"], shuffle=True, batch_size=16, collate_fn=collate)
    model.compile(optimizer=transformers.AdamWeightDecay(learning_rate=2e-5, weight_decay_rate=0.01))
    model.fit(x=batches, epochs=1, verbose=0, callbacks=[Report()])


def _group_texts(examples: Any) -> Any:
    joined = {name: list(chain(*examples[name])) for name in examples}
    length = len(joined["input_ids"]) // BLOCK * BLOCK
    result = {
        name: [ids[start : start + BLOCK] for start in range(0, length, BLOCK)]
        for name, ids in joined.items()
    }
    return result | {"labels": result["input_ids"].copy()}


def _first_step() -> None:
    print("step", flush=True)
    os._exit(0)


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "modules":
        sys.exit(modules(*rest))
    if task == "imports":
        guide_imports(*rest)
    else:
        guide(*rest)
