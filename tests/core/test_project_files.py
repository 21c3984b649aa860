"""The Dockerfiles, the tracker's forms and the citation: they parse, and say what the project says."""

import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from mlm_core.cli.commands import COMMANDS
from mlm_core.registry import engine_names

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
INSTRUCTIONS = {"ARG", "FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "VOLUME", "ENTRYPOINT", "CMD"}


def engine(path):
    return path.name.partition(".")[0]


def instructions(path):
    """The (instruction, rest) pairs of a Dockerfile, continued lines joined, without comments."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def arguments(path):
    """The defaults of the build arguments by name."""
    found = [rest.partition("=") for instruction, rest in instructions(path) if instruction == "ARG"]
    return {name: default.strip('"') for name, _, default in found}


@pytest.fixture(params=DOCKERFILES, ids=engine)
def dockerfile(request):
    return request.param


def test_an_image_for_each_engine():
    assert sorted(map(engine, DOCKERFILES)) == sorted(engine_names())


def test_dockerfiles_parse(dockerfile):
    found = instructions(dockerfile)
    assert {instruction for instruction, _ in found} <= INSTRUCTIONS
    stages = [rest.split()[2] for instruction, rest in found if instruction == "FROM" and " AS " in rest]
    for instruction, rest in found:
        if instruction in ("RUN", "COPY"):
            shlex.split(rest)
        assert set(re.findall(r"from=(\w+)", rest)) <= set(stages)


def test_what_is_copied_is_there_and_sent_to_the_builder(dockerfile):
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    assert "*" in ignore
    copied = [
        source
        for instruction, rest in instructions(dockerfile)
        if instruction == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    assert copied and all(any(ROOT.glob(source)) for source in copied)
    assert all(any(fnmatch(source, pattern) for pattern in sent) for source in copied)
    # What the wheel is made of: the packages, and the files that its metadata names.
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    needed = [name.rstrip("*") for name in packages["packages"]["find"]["include"]]
    assert {*needed, PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"} <= set(copied)


def test_versions_are_the_tested_ones(dockerfile):
    given = arguments(dockerfile)
    (version,) = re.findall(r"python:([\d.]+)-slim$", given["BASE"])
    assert PROJECT["requires-python"] == f">={version}"
    constraints = ROOT / given["CONSTRAINTS"]
    assert f"Python {version}." in constraints.read_text(encoding="utf-8").splitlines()[0]
    text = dockerfile.read_text(encoding="utf-8")
    (extra,) = re.findall(r"--extra (\w+)", text)
    assert extra == engine(dockerfile) and extra in PROJECT["optional-dependencies"]
    assert f"MLM_BACKEND={extra}" in text


def test_the_command_runs_without_rights_and_keeps_its_files_in_volumes(dockerfile):
    last = max(n for n, (instruction, _) in enumerate(instructions(dockerfile)) if instruction == "FROM")
    image = instructions(dockerfile)[last:]
    rests = dict(image)
    assert rests["USER"].isdecimal() and int(rests["USER"]) > 0
    assert any(f"--uid {rests['USER']} " in rest for name, rest in image if name == "RUN")
    assert rests["ENTRYPOINT"] == '["mlm"]'
    assert not any(name == "RUN" for name, _ in image[[name for name, _ in image].index("USER") :])
    volumes = yaml.safe_load(rests["VOLUME"])
    assert f"{rests['WORKDIR']}/runs" in volumes
    settings = dict(word.split("=", 1) for word in shlex.split(rests["ENV"]))
    assert all(settings[name].startswith("/cache/") for name in ("MLM_CACHE", "HF_HOME"))
    assert "/cache" in volumes


def test_the_page_names_the_build_arguments():
    every = {name: default for path in DOCKERFILES for name, default in arguments(path).items()}
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", PAGE, flags=re.MULTILINE))
    assert {name: f"`{default}`" if default else "none" for name, default in every.items()} == rows
    for line in re.findall(r"^docker build (?:.|\\\n)+$", PAGE, flags=re.MULTILINE):
        (path,) = (path for path in DOCKERFILES if str(path.relative_to(ROOT)) in line)
        assert set(re.findall(r"--build-arg '?(\w+)=", line)) <= set(arguments(path))


def test_the_page_starts_commands_that_exist():
    started = re.findall(r"^[^#\n]*\bmlm-(?:torch|tf)(?::\w+)? (\w+)(.*)$", PAGE, flags=re.MULTILINE)
    assert started
    for command, words in started:
        assert set(re.findall(r"(?<!\S)--[\w-]+", words)) <= set(COMMANDS[command].flags)


@pytest.mark.parametrize("path", [path for path in FORMS if path.name != "config.yml"], ids=lambda p: p.name)
def test_forms_have_what_the_tracker_requires(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert {field["type"] for field in form["body"]} <= kinds
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 0
    assert all(field["attributes"]["label"] for field in asked)
    for field in form["body"]:
        if field["type"] in ("dropdown", "checkboxes"):
            assert field["attributes"]["options"]


def test_a_fault_comes_with_the_report_of_the_installation():
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    (report,) = (field for field in form["body"] if "mlm doctor --report" in str(field))
    assert report["validations"]["required"]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
