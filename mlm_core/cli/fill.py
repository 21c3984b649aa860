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
from mlm_core.visible import probability

_Place = tuple[str, int]
"""Where a line is: the name of its file, and its number in it, from 1."""

_LONGEST = 60
"""Characters of a line in an error."""

_UNREADABLE = "\ufffd"
"""What a decoder writes for bytes that are no character."""


def run(request: Request) -> dict[str, Any]:
    """Fill the blanks of each text."""
    given = Config.from_dict(request.given)
    arguments = request.arguments
    texts, places = _texts(arguments)
    top_k = whole_number(arguments["top_k"], "--top-k", least=1)
    from mlm_core.predictor import TextError
    from mlm_core.progress import Progress
    from mlm_core.registry import find_engine
    from mlm_core.training.crowding import warn_of_crowding

    warn_of_crowding(given, Progress.of(given))
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
    try:
        results = predictor.fill(texts, top_k=top_k, targets=arguments["targets"])
    except TextError as error:
        place = places[error.row]
        if place is not None:
            name, line = place
            error.message = f"line {line}, {_quoted(texts[error.row])}: {error.message}"
            error.option, error.value = "--file" if name == arguments["file"] else "TEXT", name
        raise
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
                print(
                    f"{probability(fill['score'], 4):>8}  {_shown(fill['token_str']):16}  {sentence}".rstrip()
                )


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _shown(token: str) -> str:
    """A token without the spaces around it; blank tokens in quotes."""
    return token.strip() or repr(token)


def _texts(arguments: dict[str, Any]) -> tuple[list[str], list[_Place | None]]:
    """The texts on the command line, the lines of stdin for "-", and the lines of `--file`; their places."""
    found: list[tuple[str, _Place | None]] = []
    for text in arguments["texts"]:
        found += _lines("-", _stdin()) if text == "-" else [(text, None)]
    path = arguments["file"]
    if path is not None:
        try:
            content = _stdin() if path == "-" else Path(path).read_bytes()
            found += _lines(path, content)
        except OSError as error:
            raise RequestError(
                f"cannot be read ({error.strerror})", code="unreadable_file", option="--file", value=path
            ) from None
    if not found and any(mask in arguments["run"] for mask in ("<mask>", "[MASK]")):
        raise RequestError(
            "is a text, and no run is given",
            code="usage",
            option="RUN",
            value=arguments["run"],
            fix='give the run first, for example: mlm fill runs/torch "a <mask> day"',
        )
    if not found:
        raise RequestError(
            "no text to fill",
            code="usage",
            option="TEXT" if path is None else "--file",
            value=path,
            fix='give a text such as "a <mask> day", or --file FILE, or - to read lines from stdin',
        )
    return [text for text, _ in found], [place for _, place in found]


def _stdin() -> bytes:
    # A text stream in its place, for example in a test, has no bytes.
    stream = getattr(sys.stdin, "buffer", None)
    return stream.read() if stream is not None else sys.stdin.read().encode()


def _lines(name: str, content: bytes) -> list[tuple[str, _Place | None]]:
    """The lines that are not blank, each with its place."""
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"is not UTF-8 text (byte {error.start})", code="unreadable_file", option="--file", value=name
        ) from None
    return [(line.strip(), (name, number)) for number, line in enumerate(lines, 1) if line.strip()]


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
