"""Options: every one with values that it must refuse, and options that do not go together."""

# A row a line.
# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Iterator

from mlm_core import Config
from wrong_inputs.row import Wrong

TOKEN = "hf_" + "aSecretOfMine7" * 2


def of_each_option() -> Iterator[Wrong]:
    """Wrong values, made from what each option says about itself."""
    for name, spec in Config.options().items():

        def refused(value: str, error: str, says: str = "", flag: str = spec.flag, name: str = name) -> Wrong:
            shown = value[:12].encode("unicode_escape").decode()
            return Wrong(f"{name}={shown}", ["train", f"{flag}={value}"], error, says or flag)

        if spec.type is bool:
            yield Wrong(f"{name}=maybe", ["train", f"{spec.flag}=maybe"], "usage", spec.flag)
            continue
        if spec.choices:
            yield refused("nonsense", "invalid_choice", "must be one of")
            continue
        if spec.type is str:
            yield refused("", "invalid_type", "must not be empty")
            yield refused("a\x00b", "invalid_type", "control characters")
            yield refused(TOKEN, "misplaced_token", "HF_TOKEN")
            continue
        yield refused("many", "invalid_type", "must be")
        yield refused("9" * 400, "out_of_range", "digits")
        yield refused("nan", "invalid_type")
        if spec.minimum is not None:
            yield refused(str(spec.minimum - 1), "out_of_range", "at least")
        if spec.above is not None:
            yield refused(str(spec.above), "out_of_range", "more than")
        if spec.maximum is not None:
            yield refused(str(spec.maximum * 2 + 1), "out_of_range", "at most")


ROWS = [
    *of_each_option(),
    Wrong("no-such-option", "train --learning-rat 1", "", "--learning-rate"),
    Wrong("of-another-trainer", "train --per_device_train_batch_size 8", "", "--batch-size"),
    Wrong("no-such-command", "trian", "usage", "trian: no such command; did you mean mlm train?"),
    Wrong("too-many-words", "train text.jsonl", "usage", "--dataset text.jsonl"),
    Wrong("token-as-word", ["push", "run", TOKEN], "misplaced_token", "does not belong here"),
    Wrong("token-as-flag-value", ["train", "--push-to-hub", TOKEN], "misplaced_token"),
    Wrong("not-utf8", ["train", "--dataset", "a\udcff.txt"], "not_utf8", "is not UTF-8"),
    Wrong("value-missing", "train --seed", "usage", "--seed"),
    Wrong("resume-nothing", "train --resume", "usage", "requires --output-dir"),
    Wrong("resume-and-overwrite", "train --resume --overwrite --output-dir run", "usage", "--overwrite"),
    Wrong("allow-change-alone", "train --allow-change seed", "usage", "requires --resume"),
    Wrong("allow-change-of-nothing", "train --resume --output-dir run --allow-change sed", "usage", "sed"),
    Wrong("allow-change-of-model", "train --resume --output-dir run --allow-change model", "usage", "cannot"),
    Wrong("shares-over-one", "train --mask-replace-prob 0.9 --random-replace-prob 0.2", "out_of_range"),
    Wrong("compiled-and-observed", "train --compile --verify-batches", "contradiction"),
    Wrong("no-such-backend", "train --backend jax", "unknown_backend", "torch"),
    Wrong("masks-nothing", "train --mlm-probability 1e-300 --dataset text.jsonl --model model --block-size 16 "
          "--output-dir new", "nothing_to_mask", "less than one token"),
    Wrong("file-as-output", "train --output-dir text.jsonl", "not_a_directory"),
    Wrong("output-below-a-file", "train --output-dir text.jsonl/run", "", "--output-dir"),
    Wrong("output-too-long", ["train", "--output-dir", "a" * 300], "unwritable", "shorter path"),
    Wrong("output-not-a-run", "train --output-dir full --overwrite", "not_a_run", files={"full/a": "mine"}),
    Wrong("output-full", "train --output-dir full", "run_exists", "not empty", files={"full/a": "mine"}),
    Wrong("output-holds-a-run", "train --output-dir run", "run_exists", "--resume"),
    Wrong("output-holds-the-model", "train --output-dir run --overwrite --model run", "run_in_use"),
    Wrong("train-and-push-offline", "train --push-to-hub --output-dir new", "", "switched off"),
    Wrong("trust-without-commit", "train --trust-remote-code --model org/name", "", "--model-revision"),
]  # fmt: skip
