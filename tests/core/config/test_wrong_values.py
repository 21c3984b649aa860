"""Values from Python: right ones of every class are taken, wrong ones are answered in one short line."""

from pathlib import Path

import numpy as np
import pytest

from mlm_core import Config, RequestError


class Model:
    """Like a model or a tokenizer of transformers: its repr fills a screen."""

    def save_pretrained(self):
        pass

    def __repr__(self):
        return "Model(\n" + "  (layer): Linear()\n" * 500 + ")"


class Frame:
    columns = ("text",)

    def __repr__(self):
        return "  text\n0  a secret text\n" * 500


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("model", Model(), "--model: must be text, not Model; save model and tokenizer into one directory"),
        ("dataset", ["a secret text"], "--dataset: must be text, not list; pass it to train(...)"),
        ("dataset", Frame(), "--dataset: must be text, not Frame; pass it to train(...)"),
        (
            "dataset",
            {"text": ["a secret text"]},
            "--dataset: must be text, not dict; give the name of a file",
        ),
        ("seed", None, "--seed: must be a whole number, not None; leave it out for its default"),
        ("seed", np.array([1]), "--seed: must be a whole number, not ndarray"),
        ("learning_rate", np.array([1.0]), "--learning-rate: must be a number, not ndarray"),
        ("learning_rate", {"peak": 1}, "--learning-rate: must be a number, not dict"),
        ("epochs", np.float32(2.5), "--epochs 2.5: must be a whole number"),
        ("epochs", 2.0, "--epochs 2.0: must be a whole number"),
        ("quiet", [True], "--quiet: must be true or false, not list"),
        ("quiet", None, "--quiet: must be true or false, not None; leave it out for its default"),
        ("backend", Model, "--backend: must be text, not type"),
        ("masking", ("exact",), "--masking: must be text, not tuple"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_a_wrong_value_is_named_not_printed(name, value, says):
    with pytest.raises(RequestError) as raised:
        Config(**{name: value})
    line = str(raised.value)
    assert line.startswith(says)
    assert len(line) < 200 and line.isprintable() and "secret" not in line
    assert raised.value.code == "invalid_type" and raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"seed": 1}, "not dict; unpack a mapping: Config(**options)"),
        ("posts.jsonl", "for example Config(dataset='posts.jsonl')"),
        (Path("posts.jsonl"), "for example Config(dataset='posts.jsonl')"),
        (Model(), "not Model; for example Config(dataset=...)"),
    ],
)
def test_options_by_place(value, says):
    with pytest.raises(RequestError, match="takes options by name") as raised:
        Config(value)
    assert str(raised.value).endswith(says)


def test_numbers_and_paths_of_every_class():
    config = Config(
        model=Path("model"),
        dataset=Path("a/b.jsonl"),
        output_dir=Path("run"),
        seed=np.int64(3),
        epochs=np.array(2),
        learning_rate=np.float64(2e-5),
        weight_decay=np.int32(0),
        dropout=np.float32(0.5),
        quiet=np.bool_(True),
        lr_scheduler=np.str_("cosine"),
    )
    assert (config.model, config.dataset, config.output_dir) == ("model", "a/b.jsonl", "run")
    values = (config.seed, config.epochs, config.learning_rate, config.weight_decay, config.dropout)
    assert values == (3, 2, 2e-5, 0.0, 0.5)
    assert [type(value) for value in values] == [int, int, float, float, float]
    assert config.quiet is True and config.lr_scheduler == "cosine"


def test_a_notebook_shows_the_line_of_an_error_alone():
    with pytest.raises(RequestError) as raised:
        Config(model="a\x1b[31m")
    (line,) = raised.value._render_traceback_()
    assert line.startswith("RequestError: --model") and "\x1b" not in line
