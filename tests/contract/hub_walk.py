"""The Hugging Face guide by hand, from `load_dataset` by name to a pipeline by name, in its own process.

    python hub_walk.py torch|tf DATASET MODEL REPOSITORY DIRECTORY

Trains in the user's own loop (a stock Trainer; `compile` and `fit`) with `mlm`'s collator and callback.
Prints the pipeline's result as JSON.
"""

import json
import sys
from itertools import chain

BLOCK = 32
TEXT = "The Milky Way is a <mask> galaxy."


def blocks_of(name, tokenizer):
    """`lm_dataset`, made like the guide's."""
    from datasets import load_dataset

    eli5 = load_dataset(name, split="train[:40]").train_test_split(test_size=0.2, seed=1).flatten()

    def preprocess_function(examples):
        return tokenizer([" ".join(x) for x in examples["answers.text"]])

    def group_texts(examples):
        concatenated = {key: list(chain(*examples[key])) for key in examples}
        total = len(concatenated["input_ids"]) // BLOCK * BLOCK
        return {
            key: [tokens[start : start + BLOCK] for start in range(0, total, BLOCK)]
            for key, tokens in concatenated.items()
        }

    tokenized = eli5.map(preprocess_function, batched=True, remove_columns=eli5["train"].column_names)
    return tokenized.map(group_texts, batched=True)


def walk_torch(dataset, name, repository, directory):
    """Train with `Trainer`; return the pipeline's result."""
    from transformers import AutoModelForMaskedLM, AutoTokenizer, Trainer, TrainingArguments, pipeline

    from mlm_torch import PushToHubCallback
    from mlm_torch.feed import MaskingCollator

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
    """Train with Keras; return the pipeline's result."""
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
    if backend == "tf":
        from mlm_core.registry import load_engine

        # Before the import of transformers, so that it finds only TensorFlow.
        load_engine("tf").prepare_process()
    print(json.dumps(globals()[f"walk_{backend}"](*words)))
