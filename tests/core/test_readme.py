"""What the README says is what there is."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mlm_core.cli.options_table import SECTION, options_table
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.system.markdown import replace_section

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)


def test_the_table_of_options_is_up_to_date():
    written = replace_section(README, SECTION, options_table())
    assert written == README, "run: python -m mlm_core.cli.options_table README.md"


def test_the_table_of_speed_is_that_of_the_results():
    speed = runpy.run_path(str(ROOT / "benchmarks" / "readme_table.py"))
    written = replace_section(README, speed["SECTION"], speed["tables"]())
    assert written == README, "run: python benchmarks/readme_table.py README.md"


def commands():
    lines = "\n".join(SHELL).replace("\\\n", " ").splitlines()
    return [line.split("   #")[0].strip() for line in lines if line.startswith("mlm ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one(line):
    words = shlex.split(line)[1:]
    assert parse_request(build_parser(), words).command == words[0]


def test_what_prepare_shows_is_what_it_shows():
    (line,) = (line for line in commands() if "--show" in line)
    command = [sys.executable, "-m", "mlm_core", *shlex.split(line)[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    shown = README.split("```\ndocument 1")[1].split("```")[0].splitlines()
    printed = done.stdout.splitlines()
    # The README ends long lines with "...".
    for promised, found in zip(["document 1" + shown[0], *shown[1:]], printed, strict=True):
        assert found.startswith(promised.removesuffix(" ...")), promised


def test_no_two_examples_train_in_the_same_directory():
    named = re.findall(r"output_dir=\"(\w+)\"(?!, resume)", README)
    named += [line.split("--output-dir ")[1].split()[0] for line in commands() if trains_anew(line)]
    assert len(named) >= 5 and len(set(named)) == len(named)


def trains_anew(line):
    return line.startswith("mlm train") and "--output-dir" in line and "--resume" not in line


@pytest.mark.parametrize("name", re.findall(r"`(tests/[\w/.]+|benchmarks/[\w/.]+)`", README))
def test_every_file_it_names_is_there(name):
    assert (ROOT / name).exists()
