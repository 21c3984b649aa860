"""mlm fill."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlm_core.cli.request import Request, whole_number
from mlm_core.config.config import Config
from mlm_core.errors import RequestError
from mlm_core.metrics.json_values import finite

_UNREADABLE = "\ufffd"
"""What a decoder writes for bytes that are no character."""


def run(request: Request) -> dict[str, Any]:
    """Fill the blanks of each text."""
    given = Config.from_dict(request.given)
    arguments = request.arguments
    texts = _texts(arguments)
    top_k = whole_number(arguments["top_k"], "--top-k", least=1)
    from mlm_core.registry import find_engine

    engine = find_engine(given.backend)
    predictor = engine.predictor(
        arguments["run"],
        revision=given.model_revision,
        allow_pickle=given.allow_pickle,
        trust_remote_code=given.trust_remote_code,
        device=given.device,
        threads=given.threads,
        quiet=given.quiet,
    )
    results = predictor.fill(texts, top_k=top_k, targets=arguments["targets"])
    return {"results": [_presentable(result, predictor.readable) for result in results]}


def show(results: dict[str, Any]) -> None:
    """Print one line per answer, with headings if there are several texts or blanks."""
    several = len(results["results"]) > 1
    for number, result in enumerate(results["results"], 1):
        blanks = result if isinstance(result[0], list) else [result]
        for place, blank in enumerate(blanks, 1):
            if several or len(blanks) > 1:
                print(f"text {number}, blank {place}")
            for fill in blank:
                # With other blanks still open, the sentence would be incomplete.
                sentence = fill["sequence"] if len(blanks) == 1 else ""
                score = "     -" if fill["score"] is None else f"{fill['score']:.4f}"
                print(f"{score}  {_shown(fill['token_str']):16}  {sentence}".rstrip())


def _shown(token: str) -> str:
    """A token without the spaces around it; blank tokens in quotes."""
    return token.strip() or repr(token)


def _texts(arguments: dict[str, Any]) -> list[str]:
    """The texts on the command line, the lines of stdin for "-", and the lines of `--file`."""
    texts: list[str] = []
    for text in arguments["texts"]:
        texts += _lines("stdin", _stdin()) if text == "-" else [text]
    path = arguments["file"]
    if path is not None:
        try:
            content = _stdin() if path == "-" else Path(path).read_bytes()
            texts += _lines(path, content)
        except OSError as error:
            raise RequestError(
                f"cannot be read ({error.strerror})", code="unreadable_file", option="--file", value=path
            ) from None
    if not texts:
        raise RequestError(
            "no text to fill",
            code="usage",
            option="TEXT" if path is None else "--file",
            value=path,
            fix='give a text such as "a <mask> day", or --file FILE, or - to read lines from stdin',
        )
    return texts


def _stdin() -> bytes:
    # A text stream in its place, for example in a test, has no bytes.
    stream = getattr(sys.stdin, "buffer", None)
    return stream.read() if stream is not None else sys.stdin.read().encode()


def _lines(name: str, content: bytes) -> list[str]:
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"is not UTF-8 text (byte {error.start})", code="unreadable_file", option="--file", value=name
        ) from None
    return [line.strip() for line in lines if line.strip()]


def _presentable(result: Any, readable: Callable[[int], str]) -> Any:
    """The result with None for scores that are not finite, which JSON cannot hold, and readable tokens."""
    if isinstance(result, list):
        return [_presentable(item, readable) for item in result]
    shown = result | {"score": finite(result["score"])}
    if not result["token_str"] or _UNREADABLE in result["token_str"]:
        shown["token_str"] = readable(result["token"])
        if result["token_str"] and result["sequence"].count(result["token_str"]) == 1:
            shown["sequence"] = result["sequence"].replace(result["token_str"], shown["token_str"])
    return shown
