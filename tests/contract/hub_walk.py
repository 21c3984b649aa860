"""The guide as a user writes it, from `load_dataset` by name to a pipeline by name, in a process of its own.

    python hub_walk.py torch|tf DATASET MODEL REPOSITORY DIRECTORY

Trains in the user's own loop (a stock Trainer; `compile` and `fit`) with our collator and our callback. The
loops are written out here on purpose: they are what is tested. Prints the answer of the pipeline as JSON.
"""

import json
import sys

from mlm_core import load_engine
from mlm_core.compare.hf_recipe import group_texts, tokenize

BLOCK = 32
TEXT = "The Milky Way is a <mask> galaxy."


def blocks_of(name, tokenizer):
    """The guide's lm_dataset."""
    from datasets import load_dataset

    eli5 = load_dataset(name, split="train[:40]").train_test_split(test_size=0.2, seed=1).flatten()
    text = {"tokenizer": tokenizer, "column": "answers.text"}
    columns = eli5["train"].column_names
    tokenized = eli5.map(tokenize, batched=True, fn_kwargs=text, remove_columns=columns)
    return tokenized.map(group_texts, batched=True, fn_kwargs={"block_size": BLOCK})


def walk_torch(dataset, name, repository, directory):
    """With Trainer."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer, Trainer, TrainingArguments, pipeline

    from mlm_torch import MaskingCollator, PushToHubCallback

    tokenizer = AutoTokenizer.from_pretrained(name)
    lm_dataset = blocks_of(dataset, tokenizer)
    trainer = Trainer(
        model=AutoModelForMaskedLM.from_pretrained(name),
        args=TrainingArguments(
            output_dir=f"{directory}/scratch",
            num_train_epochs=2,
            save_strategy="no",
            eval_strategy="epoch",
            logging_strategy="epoch",
            disable_tqdm=True,
            report_to=[],
            use_cpu=True,
        ),
        train_dataset=lm_dataset["train"],
        eval_dataset=lm_dataset["test"],
        data_collator=MaskingCollator(tokenizer),
        callbacks=[
            PushToHubCallback(
                directory, tokenizer=tokenizer, hub_model_id=repository, finetuned_from=name, tags=["guide"]
            )
        ],
    )
    trainer.train()
    return pipeline("fill-mask", repository)(TEXT)


def walk_tf(dataset, name, repository, directory):
    """With Keras."""
    import mlm_tf

    model = mlm_tf.from_pretrained(name)
    from transformers import AdamWeightDecay, AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(name)
    lm_dataset = blocks_of(dataset, tokenizer)
    collate = mlm_tf.MaskingCollator(tokenizer)
    train, test = (
        model.prepare_tf_dataset(lm_dataset[part], shuffle=part == "train", batch_size=8, collate_fn=collate)
        for part in ("train", "test")
    )
    model.compile(optimizer=AdamWeightDecay(learning_rate=2e-5, weight_decay_rate=0.01))
    callback = mlm_tf.PushToHubCallback(
        directory, tokenizer=tokenizer, hub_model_id=repository, finetuned_from=name, tags=["guide"]
    )
    model.fit(train, validation_data=test, epochs=2, callbacks=[callback], verbose=0)
    published = mlm_tf.from_pretrained(repository)
    filler = pipeline("fill-mask", model=published, tokenizer=tokenizer, framework="tf", dtype=None)
    return filler(TEXT)


if __name__ == "__main__":
    backend, *words = sys.argv[1:]
    # Before transformers is imported, so that it looks for this framework alone.
    load_engine(backend)
    print(json.dumps((walk_torch if backend == "torch" else walk_tf)(*words)))
