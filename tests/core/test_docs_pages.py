"""The commands, options, flags and code of the pages in docs/ are those of the program."""

import ast
import contextlib
import importlib.util
import io
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from mlm_core.batches.masking import MaskingRule
from mlm_core.cli.commands import COMMANDS
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.config.config import Config
from mlm_core.config.option_names import _ALWAYS, _ELSEWHERE, _NOT_HERE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")}
FLAGS = {flag for command in COMMANDS.values() for flag in command.flags}
# The opposite of a bool, for example --hub-public.
FLAGS |= {spec.opposite for spec in Config.options().values() if spec.opposite}
FLAG = re.compile(r"--[\w-]+")
OF_THE_SCRIPTS = """model_name_or_path model_type config_overrides config_name tokenizer_name cache_dir
    use_fast_tokenizer model_revision token use_auth_token trust_remote_code dtype torch_dtype
    low_cpu_mem_usage
    dataset_name dataset_config_name train_file validation_file overwrite_cache validation_split_percentage
    max_seq_length preprocessing_num_workers mlm_probability line_by_line pad_to_max_length max_train_samples
    max_eval_samples streaming xla poly_power tpu_name tpu_zone gcp_project"""
"""Flags of the two scripts run_mlm.py besides those of TrainingArguments."""


def blocks(text, *kinds):
    """The fenced blocks of these kinds, also indented ones, as in a list."""
    fence = rf"^( *)```(?:{'|'.join(kinds)})\b[^\n]*\n(.*?)^\1```"
    return [textwrap.dedent(found[1]) for found in re.findall(fence, text, flags=re.DOTALL | re.MULTILINE)]


def commands():
    """The pages' command lines that begin with mlm, or with variables and mlm."""
    for name, text in PAGES.items():
        for line in "\n".join(blocks(text, "sh", "bash")).replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.match(r"\w+=", words[0]):
                del words[0]
            if words and words[0] == "mlm":
                yield name, words[1:]


def tables(text):
    """The tables, each a list of rows, each row a list of cells; the rule below the heading is left out."""
    found = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    rows = [[line.strip().strip("|").split("|") for line in table.splitlines()] for table in found]
    return [[[cell.strip() for cell in row] for row in (table[0], *table[2:])] for table in rows]


def column(text, heading):
    """The cells below a heading, of every table that has it."""
    for head, *rows in tables(text):
        if heading in head:
            yield from (row[head.index(heading)] for row in rows)


def test_there_are_pages_with_commands_and_tables():
    assert {"questions.md", "how-it-works.md", "migrating/run_mlm.md"} <= PAGES.keys()
    assert len(list(commands())) > 20
    assert len([cell for text in PAGES.values() for cell in column(text, "`mlm`")]) > 100


@pytest.mark.parametrize(
    ("page", "words"), [pytest.param(*found, id=" ".join(found[1])) for found in commands()]
)
def test_every_command_is_one(page, words):
    assert parse_request(build_parser(), words).command == words[0]


@pytest.mark.parametrize("page", PAGES)
def test_every_option_in_a_table_is_one(page):
    for cell in column(PAGES[page], "`mlm`"):
        assert set(FLAG.findall(cell)) <= FLAGS, cell
    for cell in column(PAGES[page], "`Config`"):
        names = {name.partition("=")[0] for name in re.findall(r"`([^`]+)`", cell)}
        assert names <= Config.options().keys(), cell


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page):
    for number, source in enumerate(blocks(PAGES[page], "python")):
        compile(source, f"{page}, block {number}", "exec")


@pytest.mark.parametrize(
    ("source", "shown"),
    re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGES["how-it-works.md"], flags=re.DOTALL),
    ids=["plan", "masking"],
)
def test_code_prints_what_the_page_says(source, shown):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, "how-it-works.md", "exec"), {})
    assert printed.getvalue() == shown


def test_the_picture_of_a_masked_row_shows_the_printed_one():
    (shown,) = re.findall(
        r"```text\ninput_ids +(.*)\nmasked_positions +(.*)\nlabels +(.*)\n", PAGES["how-it-works.md"]
    )
    picture = (DOCS / "images" / "masking.svg").read_text(encoding="utf-8")
    for name, numbers in zip(("input_ids", "masked_positions", "labels"), shown, strict=True):
        (group,) = re.findall(rf'<g id="{name}".*?</g>', picture, flags=re.DOTALL)
        assert re.findall(r"<text[^>]*>(-?\d+)</text>", group) == numbers.split(), name


def test_the_numbers_of_slots_on_the_page():
    rule = MaskingRule(
        probability=0.15, exact=True, replace=0.8, random=0.1, mask_id=0, maskable=None, words=None
    )
    assert rule.slots(128) == 20 and 16 * rule.slots(128) == 320
    assert "20 for a block of 128 tokens at 15%" in PAGES["how-it-works.md"]


def flags_of_run_mlm():
    """The rows of the page: flags without dashes, the cell of `mlm`, the notes."""
    for head, *rows in tables(PAGES["migrating/run_mlm.md"]):
        if head[1] == "`mlm`":
            yield from (([flag[2:] for flag in FLAG.findall(row[0])], *row[1:]) for row in rows)


def test_every_flag_of_run_mlm_is_there_once():
    listed = [name for names, *_ in flags_of_run_mlm() for name in names]
    assert len(listed) == len(set(listed))
    # Read from the source: importing the class would import a framework.
    source = Path(importlib.util.find_spec("transformers").origin).parent / "training_args.py"
    (arguments,) = (
        node
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments"
    )
    fields = {node.target.id for node in arguments.body if isinstance(node, ast.AnnAssign)}
    assert not {*fields, *OF_THE_SCRIPTS.split()} - set(listed)


@pytest.mark.parametrize("row", flags_of_run_mlm(), ids=lambda row: row[0][0])
def test_a_flag_of_run_mlm_has_the_answer_of_the_command(row):
    names, here, notes = row
    for name in names:
        if name in Config.options():
            assert Config.options()[name].flag in here, name
        elif name in _ELSEWHERE:
            assert set(FLAG.findall(_ELSEWHERE[name])) <= set(FLAG.findall(here + notes)), name
        else:
            assert name in _NOT_HERE | _ALWAYS, name
            assert name not in _ALWAYS or "always" in notes or "arrives" in notes, name
