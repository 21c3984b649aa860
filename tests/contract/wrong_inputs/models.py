"""Models."""

# A row a line.
# ruff: noqa: E501

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from wrong_inputs.row import Wrong

FILL = ["fill", "bad", "a <mask> sat"]


def model(
    name: str,
    change: Callable[[Path], None],
    error: str = "",
    says: str = "",
    words: list[str] | None = None,
    code: int = 2,
) -> Wrong:
    def harm(directory: Path) -> None:
        shutil.copytree(directory / "model", directory / "bad")
        change(directory / "bad")

    return Wrong(f"model-{name}", words or FILL, error, says, code, change=harm)


def config(**values: Any) -> Callable[[Path], None]:
    """Change config.json; None removes a key."""

    def change(directory: Path) -> None:
        path = directory / "config.json"
        found = json.loads(path.read_text()) | values
        path.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))

    return change


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda directory: (directory / name).write_bytes(content)  # type: ignore[return-value]


def weights(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], None]:
    def harm(directory: Path) -> None:
        path = directory / "model.safetensors"
        save_file(change(load_file(path)), path)

    return harm


def tokenizer(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def harm(directory: Path) -> None:
        path = directory / "tokenizer.json"
        found = json.loads(path.read_text())
        change(found)
        path.write_text(json.dumps(found))

    return harm


def _without(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def _without_tokenizer(directory: Path) -> None:
    for path in list(directory.iterdir()):
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()


def _header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


TRAIN = [
    "train",
    "--model",
    "bad",
    "--dataset",
    "text.jsonl",
    "--block-size",
    "16",
    "--max-steps",
    "1",
    "--output-dir",
    "new",
]

ROWS = [
    Wrong("model-missing", ["fill", "none/here/at-all", "a <mask>"], "", "none/here/at-all"),
    Wrong("model-a-file", ["fill", "text.jsonl", "a <mask>"], "", "text.jsonl"),
    Wrong("model-empty", ["fill", "empty", "a <mask>"], change=lambda d: (d / "empty").mkdir()),
    model("no-config", _without("config.json")),
    model("config-broken", written("config.json", b"{")),
    model("config-deep", written("config.json", b"[" * 100_000)),
    model("config-list", written("config.json", b"[]")),
    model("config-not-utf8", written("config.json", b'{"a": "\xff"}')),
    model("no-kind", config(model_type=None)),
    model("unknown-kind", config(model_type="robarta")),
    model("kind-of-number", config(model_type=3)),
    model("not-for-masks", config(model_type="t5")),
    model("heads-do-not-divide", config(num_attention_heads=3)),
    model("no-heads", config(num_attention_heads=0)),
    model("negative-size", config(hidden_size=-16)),
    model("size-of-text", config(hidden_size="big")),
    model("size-of-null", config(intermediate_size=[])),
    model("enormous", config(hidden_size=10**9), "", ""),
    model("endless-layers", config(num_hidden_layers=10**7)),
    model("activation", config(hidden_act="gelo")),
    model("vocabulary-of-text", config(vocab_size="many")),
    model("vocabulary-too-small", config(vocab_size=10)),
    model("no-weights", _without("model.safetensors"), "missing_weights"),
    model("pickle-alone", lambda d: (d / "model.safetensors").rename(d / "pytorch_model.bin"), "missing_weights", "--allow-pickle"),
    model("weights-empty", written("model.safetensors", b""), "damaged_weights"),
    model("weights-cut", written("model.safetensors", _header(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}')), "damaged_weights"),
    model("weights-pointer", written("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")),
    model("weights-huge-header", written("model.safetensors", struct.pack("<Q", 2**63) + b"{}"), "damaged_weights"),
    model("weights-of-another", weights(lambda w: {"a": np.ones(3, np.float32)})),
    model("weights-of-another-shape", weights(lambda w: {name: array[:1] for name, array in w.items()})),
    model("weights-not-numbers", weights(lambda w: {name: array * np.nan for name, array in w.items()})),
    model("weights-not-numbers-trained", weights(lambda w: {name: array * np.nan for name, array in w.items()}), words=TRAIN),
    model("index-broken", lambda d: (_without("model.safetensors")(d), written("model.safetensors.index.json", b"{}")(d))[0], "damaged_weights"),
    model("tokenizer-broken", written("tokenizer.json", b"{")),
    model("tokenizer-deep", written("tokenizer.json", b'{"a":' * 5000)),
    model("tokenizer-empty-vocabulary", tokenizer(lambda t: t["model"].update(vocab={}, merges=[]))),
    model("tokenizer-of-another-kind", tokenizer(lambda t: t.update(model={"type": "Bpee"}))),
    model("tokenizer-gone", _without_tokenizer),
    model("code-without-trust", config(auto_map={"AutoModelForMaskedLM": "modeling_x.M", "AutoConfig": "modeling_x.C"}, model_type="own")),
]  # fmt: skip
