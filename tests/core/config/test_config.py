import ast
import dataclasses
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from mlm_core import Config, RequestError
from mlm_core.cli.commands import COMMANDS
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.train import _file_options
from mlm_core.config.option_names import _ALWAYS, _ELSEWHERE, _NOT_HERE

WRONG_BY_TYPE = {int: ["many", "1.5", "nan", "", "1e3"], float: ["much", "nan", "inf", ""], bool: ["maybe"]}


def wrong_values():
    for name, spec in Config.options().items():
        yield from ((name, value) for value in WRONG_BY_TYPE.get(spec.type, []))
        if spec.choices:
            yield name, "nonsense"
        if spec.minimum is not None:
            yield name, str(spec.type(spec.minimum) - 1)
        if spec.above is not None:
            yield name, str(spec.above)
        if spec.maximum is not None:
            yield name, str(spec.type(2 * spec.maximum + 1))


@pytest.mark.parametrize(("name", "value"), list(wrong_values()))
def test_a_wrong_value_names_its_option(name, value):
    with pytest.raises(RequestError) as caught:
        Config.from_dict({name: value})
    assert caught.value.option == "--" + name.replace("_", "-")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["2e-5", 2e-5, "0.00002"])
def test_numbers_from_text_and_python(value):
    assert Config.from_dict({"learning-rate": value}).learning_rate == 2e-5


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 1.5), ("epochs", True), ("overwrite", 1), ("dataset", 3), ("learning_rate", [1])],
)
def test_python_types_are_checked_too(name, value):
    with pytest.raises(RequestError):
        Config(**{name: value})


def test_replacement_shares_add_up():
    with pytest.raises(RequestError, match="random-replace-prob"):
        Config(mask_replace_prob=0.8, random_replace_prob=0.3)


def test_given_values_win_over_recommended_ones_and_these_over_fallbacks():
    resolved = Config(learning_rate=1e-3).resolved({"learning_rate": 5e-3, "block_size": 64})
    assert (resolved.learning_rate, resolved.block_size, resolved.batch_size) == (1e-3, 64, 16)
    assert resolved.max_steps is None


def test_given_epochs_win_over_recommended_steps():
    recommended = {"max_steps": 100}
    assert Config().resolved(recommended).max_steps == 100
    assert Config(epochs=2).resolved(recommended).max_steps is None


def test_config_survives_its_dict():
    config = Config(dataset="a.txt", dropout=0.0, seed=7)
    assert Config.from_dict(config.to_dict()) == config


def test_every_option_has_help_and_a_flag():
    for spec in Config.options().values():
        assert spec.help and "\n" not in spec.help
        assert spec.affects in ("result", "rounding", "nothing")
    assert set(Config.options()) == {field.name for field in dataclasses.fields(Config)}


def test_every_default_is_in_one_place():
    for spec in Config.options().values():
        assert "default" not in spec.help
    for command in COMMANDS.values():
        for text in (*command.texts.values(), *(argument.help for argument in command.arguments)):
            assert "default" not in text or re.search(r" \(default: [^()]+\)$", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal_and_its_examples_are_commands(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        build_parser().parse_args([name, "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert all(flag in shown for flag in COMMANDS[name].flags)
    for example in COMMANDS[name].examples:
        assert f"  {example}\n" in shown
        assert parse_request(build_parser(), shlex.split(example)[1:]).command == name


def test_texts_of_a_command_are_about_its_options():
    for command in COMMANDS.values():
        assert set(command.texts) <= set(command.options)


def test_help_of_training_shows_the_common_options_first(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--help"])
    headings = re.findall(r"^([A-Z][\w ]+):$", capsys.readouterr().out, flags=re.MULTILINE)
    groups = ["Data", "Model", "Masking", "Optimization", "Runtime", "Hub"]
    assert headings == ["Common options", *groups, "Other options", "Examples"]


def test_the_command_line_takes_every_option():
    words = ["train", "--config", "run.yaml"]
    for spec in Config.options().values():
        words += [spec.flag] if spec.type is bool else [spec.flag, "1"]
    request = parse_request(build_parser(), words)
    assert set(request.given) == set(Config.options())
    assert request.arguments == {"config": "run.yaml", "nproc": None, "max_restarts": "0"}


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("--learning-rat", "did you mean --learning-rate"),
        ("--num_train_epochs", "here it is --epochs"),
        ("--per_device_train_batch_size", "here it is --batch-size"),
        ("--model_name_or_path", "here it is --model"),
        ("--train_file", "here it is --dataset"),
        ("--fp16", "here it is --precision fp16"),
        ("--bf16", "here it is --precision bf16"),
        ("--torch-compile", "here it is --compile"),
        ("--torch_compile", "here it is --compile"),
        ("--optim", "no counterpart"),
        ("my.txt", "did you mean --dataset my.txt"),
    ],
)
def test_names_from_elsewhere_are_explained(written, hint):
    with pytest.raises(RequestError, match=hint):
        parse_request(build_parser(), ["train", written, "1"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("num_train_epochs", "here it is --epochs"),
        ("do_train", "always done"),
        ("eval_on_start", "always done"),
        ("fp16", "here it is --precision fp16"),
        ("torch_compile", "here it is --compile"),
        ("disable_tqdm", "here it is --quiet"),
        ("report_to", "no counterpart"),
        ("warmup_ratio", "--warmup-steps, a number of steps"),
        ("learning_rat", "did you mean --learning-rate"),
        ("xyz", "mlm train --help lists the options"),
    ],
)
def test_names_from_elsewhere_are_explained_in_python_too(name, hint):
    with pytest.raises(RequestError, match=hint):
        Config(**{name: 1})


def test_every_answer_for_a_name_from_elsewhere_is_an_option():
    flags = {spec.flag for spec in Config.options().values()} | {"--nproc", "--max-restarts"}
    for name, answer in _ELSEWHERE.items():
        assert {word.strip(",") for word in answer.split() if word.startswith("--")} <= flags, name


def test_a_name_from_elsewhere_has_one_answer():
    names = [*_ELSEWHERE, *_ALWAYS, *_NOT_HERE]
    assert len(names) == len(set(names))
    assert not set(names) & set(Config.options())


RUN_MLM = """model_name_or_path model_type config_overrides config_name tokenizer_name cache_dir
    use_fast_tokenizer model_revision token trust_remote_code dtype torch_dtype low_cpu_mem_usage
    dataset_name dataset_config_name train_file validation_file overwrite_cache validation_split_percentage
    max_seq_length preprocessing_num_workers mlm_probability line_by_line pad_to_max_length
    max_train_samples max_eval_samples streaming""".split()  # noqa: SIM905 - shorter than a list of strings
"""The fields of ModelArguments and DataTrainingArguments in run_mlm.py."""


def test_every_name_of_training_arguments_and_run_mlm_is_answered():
    # Read from the source: importing the class would import a framework.
    source = Path(importlib.util.find_spec("transformers").origin).parent / "training_args.py"
    (arguments,) = (
        node
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments"
    )
    fields = [node.target.id for node in arguments.body if isinstance(node, ast.AnnAssign)]
    assert "learning_rate" in fields
    assert not {*fields, *RUN_MLM} - {*Config.options(), *_ELSEWHERE, *_ALWAYS, *_NOT_HERE}


def test_a_dataset_is_no_name_of_one():
    import datasets

    with pytest.raises(RequestError, match=r"pass it to train\(\.\.\.\), or to trainer\(config, dataset"):
        Config(dataset=datasets.Dataset.from_dict({"text": ["x"]}))


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["fill", "run", "--top-k", "3", "a <mask>", "-"], "texts", ["a <mask>", "-"]),
        (["fill", "run", "a", "--top-k", "3", "b", "--quiet", "c"], "texts", ["a", "b", "c"]),
        (["push", "run", "--overwrite", "ORG/NAME"], "repository", "ORG/NAME"),
        (["push", "run", "ORG/NAME", "--overwrite"], "repository", "ORG/NAME"),
        (["push", "run", "--overwrite"], "repository", None),
    ],
)
def test_positional_words_may_follow_options(words, name, value):
    assert parse_request(build_parser(), words).arguments[name] == value


def test_a_word_too_many_is_an_error():
    with pytest.raises(RequestError, match="more: unexpected argument; see mlm push --help"):
        parse_request(build_parser(), ["push", "run", "--overwrite", "ORG/NAME", "more"])
    with pytest.raises(RequestError, match="a token does not belong here"):
        parse_request(build_parser(), ["train", "hf_" + "aSecretOfMine7" * 2])


def test_underscores_are_dashes():
    request = parse_request(build_parser(), ["train", "--learning_rate", "1e-4", "--max_steps=3"])
    assert request.given == {"learning_rate": "1e-4", "max_steps": "3"}


def test_an_option_twice_is_refused():
    with pytest.raises(RequestError, match="twice"):
        Config.from_dict({"learning-rate": 1, "learning_rate": 2})


def test_an_unknown_option_suggests_the_nearest():
    with pytest.raises(RequestError, match="did you mean --learning-rate"):
        parse_request(build_parser(), ["train", "--learning-rat", "1"])
    with pytest.raises(RequestError, match="did you mean --max-steps"):
        Config.from_dict({"max-step": 1})


def test_yaml(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("learning-rate: 2e-5\nmax_steps: 3\ndataset: a.txt\n", encoding="utf-8")
    config = Config.from_dict(_file_options(str(path)) | {"max_steps": "5"})
    assert (config.learning_rate, config.max_steps, config.dataset) == (2e-5, 5, "a.txt")
    for content in ("- a\n- b\n", "a: [\n", "\x00", "seed: 2024-13-45\n"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(RequestError, match="--config"):
            _file_options(str(path))
    with pytest.raises(RequestError, match="No such file"):
        _file_options(str(tmp_path / "none.yaml"))
    path.write_text("num_train_epochs: 1\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"run\.yaml: no such option; here it is --epochs"):
        _file_options(str(path))


def test_options_are_given_by_name():
    with pytest.raises(RequestError, match="takes options by name, not str; for example Config"):
        Config("posts.jsonl")
