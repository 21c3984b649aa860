"""`mlm help`, `mlm version`, and words that are mistyped."""

import json

import pytest

from mlm_core import RequestError, __version__
from mlm_core.__main__ import main
from mlm_core.cli.commands import COMMANDS
from mlm_core.cli.parser import _MEANT, build_parser, parse_request


def printed(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert not end.value.code
    return capsys.readouterr().out


def test_help_in_every_spelling(capsys):
    whole = printed(capsys, "--help")
    assert all(f"  {name} " in whole for name in COMMANDS)
    for words in (["help"], ["help", "help"], ["-h"], ["help", "version"], ["help", "--help"]):
        assert printed(capsys, *words) == whole
    for name in COMMANDS:
        assert printed(capsys, "help", name) == printed(capsys, name, "--help") != whole


def test_version_in_every_spelling(capsys):
    for words in (["version"], ["--version"], ["-V"]):
        assert printed(capsys, *words) == f"mlm {__version__}\n"
    for words in (["version", "--json"], ["--version", "--json"], ["--json", "-V"]):
        assert json.loads(printed(capsys, *words)) == {"version": __version__}


def refused(*words):
    with pytest.raises(RequestError) as caught:
        parse_request(build_parser(), list(words))
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("trian", "trian: no such command; did you mean mlm train?"),
        ("hepl", "hepl: no such command; did you mean mlm help?"),
        ("vesrion", "did you mean mlm version?"),
        ("predict", "did you mean mlm fill?"),
        ("eval", "did you mean mlm evaluate?"),
        ("resume", "did you mean mlm train --resume?"),
        ("help trian", "did you mean mlm train?"),
        ("help train fill", "fill: unexpected argument"),
        ("train help", "help: unexpected argument; see mlm train --help"),
        ("--hlep", "--hlep: no such option; did you mean --help?"),
        ("-v", "-v: no such option; did you mean --version?"),
        ("--xyz", "mlm --help lists the options"),
        ("--backend tf train", "--backend: comes after the command; for example mlm train --backend"),
        ("--metric=f1 evaluate run", "--metric: comes after the command; for example mlm evaluate --metric"),
        ("--json", "comes after the command"),
        ("train --outptu-dir run", "did you mean --output-dir?"),
        ("train --batch 3", "did you mean --batch-size?"),
        ("train --hub", "did you mean --hub-model-id or"),
        ("train --column text", "did you mean --text-column?"),
        ("train --no-complie", "did you mean --no-compile?"),
        ("train --hlep", "did you mean --help?"),
        ("train -o run", "-o: no such option; did you mean --output-dir"),
        ("fill run text --xyz", "mlm fill --help lists the options"),
        ("doctor --reprot", "did you mean --report?"),
        ("compare --varaints torch,tf", "did you mean --variants?"),
    ],
)
def test_a_mistyped_word_names_the_nearest(words, answer):
    assert answer in refused(*words.split())


def test_the_answers_are_commands():
    assert not set(_MEANT) & set(COMMANDS)
    assert {answer.split()[0] for answer in _MEANT.values()} <= set(COMMANDS)
