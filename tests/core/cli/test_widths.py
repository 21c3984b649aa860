"""Help and messages on terminals of several widths: no word is broken."""

import re
import shlex

import pytest
from pseudo_terminal import Screen, watch

from mlm_core.cli.commands import COMMANDS
from mlm_core.cli.parser import build_parser, parse_request

WIDTHS = (120, 80, 60, 40)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help(name, width, capsys, monkeypatch):
    words = [name, "--help"] if name else ["--help"]
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        build_parser().parse_args(words)
    whole = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        build_parser().parse_args(words)
    shown = capsys.readouterr().out
    screen = Screen(width)
    screen.feed(shown.replace("\n", "\r\n"))
    assert screen.broken == []
    # The same words, but for the ends of lines within a command and between choices.
    assert re.sub(r"\\\n|\s", "", shown) == re.sub(r"\\\n|\s", "", whole)


@pytest.mark.parametrize("width", WIDTHS)
def test_examples_can_be_copied(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for name, command in COMMANDS.items():
        with pytest.raises(SystemExit):
            build_parser().parse_args([name, "--help"])
        examples = capsys.readouterr().out.split("Examples:\n")[1].replace("\\\n", " ").splitlines()
        assert [shlex.split(line) for line in examples] == [shlex.split(line) for line in command.examples]
        for example in examples:
            assert parse_request(build_parser(), shlex.split(example)[1:]).command == name


@pytest.mark.parametrize("width", WIDTHS)
def test_a_command_on_a_terminal(width, tmp_path):
    text = tmp_path / "texts.txt"
    text.write_text("a document of some words\n" * 300, encoding="utf-8")
    words = ["prepare", "--dataset", text, "--from-scratch", "--block-size", "8", "--show", "1"]
    screen, _ = watch(*words, width=width, MLM_CACHE=str(tmp_path / "cache"))
    # The name of the cache is longer than the terminal is wide.
    assert not [word for word in screen.broken if "/" not in word and "-" not in word]
    assert "training text: 240 documents" in screen.text.replace("\n ", "")
    screen, _ = watch("train", "--dataset", "none.txt", "--theads", 3, width=width, code=2)
    assert " ".join(screen.text.split()) == "mlm: error: --theads: no such option; did you mean --threads?"
    assert screen.broken == []
