"""What the README and the pages say is what there is."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlm_core.cli.options_table import SECTION, options_table
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.system.markdown import replace_section

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
TOLD = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
"""The pages for users."""

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:tests|benchmarks|examples|mlm_core|mlm_torch|mlm_tf|docs)/[\w/.-]+)`")


def text(page):
    return page.read_text(encoding="utf-8")


def page_id(page):
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else str(page)


def shell(page):
    return "\n".join(re.findall(r"```sh\n(.*?)```", text(page), flags=re.DOTALL))


def commands(page):
    lines = shell(page).replace("\\\n", " ").splitlines()
    return [line.split("   #")[0].strip() for line in lines if line.startswith("mlm ")]


def test_the_readme_is_short():
    assert len(text(ROOT / "README.md").splitlines()) <= 150


def test_the_table_of_options_is_up_to_date():
    written = text(DOCS / "options.md")
    assert replace_section(written, SECTION, options_table()) == written, (
        "run: python -m mlm_core.cli.options_table docs/options.md"
    )


def test_the_table_of_speed_is_that_of_the_results():
    speed = runpy.run_path(str(ROOT / "benchmarks" / "speed_table.py"))
    written = text(DOCS / "speed.md")
    assert replace_section(written, speed["SECTION"], speed["tables"]()) == written, (
        "run: python benchmarks/speed_table.py docs/speed.md"
    )


@pytest.mark.parametrize(
    ("page", "line"), [(page, line) for page in TOLD for line in commands(page)], ids=page_id
)
def test_every_command_is_one(page, line):
    words = shlex.split(line)[1:]
    assert parse_request(build_parser(), words).command == words[0]


def test_what_prepare_shows_is_what_it_shows():
    (line,) = (line for line in commands(DOCS / "guide.md") if "--show" in line)
    command = [sys.executable, "-m", "mlm_core", *shlex.split(line)[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    shown = text(DOCS / "guide.md").split("```\ndocument 1")[1].split("```")[0].splitlines()
    printed = done.stdout.splitlines()
    # The page ends long lines with "...".
    for promised, found in zip(["document 1" + shown[0], *shown[1:]], printed, strict=True):
        assert found.startswith(promised.removesuffix(" ...")), promised


@pytest.mark.parametrize("page", TOLD, ids=page_id)
def test_no_two_examples_of_a_page_train_in_the_same_directory(page):
    named = re.findall(r"output_dir=\"(\w+)\"(?!, resume)", text(page))
    named += [line.split("--output-dir ")[1].split()[0] for line in commands(page) if trains_anew(line)]
    assert len(set(named)) == len(named)


def trains_anew(line):
    return line.startswith("mlm train") and "--output-dir" in line and "--resume" not in line


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_it_names_or_links_to_is_there(page):
    # The changelog names what was there then.
    for name in NAMED.findall(text(page)) if page.name.lower() != "changelog.md" else ():
        assert (ROOT / name).exists(), name
    prose = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    for link in (first or second for first, second in LINK.findall(prose)):
        if not re.match(r"[a-z]+:|#", link):
            assert (page.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("page", TOLD, ids=page_id)
def test_python_compiles(page):
    for number, source in enumerate(re.findall(r"```python\n(.*?)```", text(page), flags=re.DOTALL)):
        compile(source, f"{page.name}, snippet {number}", "exec")


def test_every_page_is_in_the_navigation_and_in_llms_txt():
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    site = yaml.safe_load(text(ROOT / "mkdocs.yml"))
    assert set(leaves(site["nav"])) == pages
    assert set(re.findall(r"\]\(([^)]+\.md)\)", text(DOCS / "llms.txt"))) == pages


def leaves(node):
    """The pages of a navigation."""
    if isinstance(node, str):
        yield node
        return
    for part in node.values() if isinstance(node, dict) else node:
        yield from leaves(part)


def test_nothing_is_left_to_be_written():
    for page in PAGES:
        assert not re.search(r"\b(TODO|TIME|TRIED|TBD|XXX)\b", text(page)), page
