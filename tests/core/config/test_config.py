import dataclasses

import pytest

from mlm_core import Config, RequestError
from mlm_core.cli.parser import build_parser, parse_request
from mlm_core.cli.train import _file_options
from mlm_core.config.option_names import _ELSEWHERE, _NOT_HERE

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
        assert spec.affects in ("plan", "rounding", "nothing")
    assert set(Config.options()) == {field.name for field in dataclasses.fields(Config)}


def test_the_command_line_takes_every_option():
    words = ["train", "--config", "run.yaml"]
    for spec in Config.options().values():
        words += [spec.flag] if spec.type is bool else [spec.flag, "1"]
    request = parse_request(build_parser(), words)
    assert set(request.given) == set(Config.options())
    assert request.arguments == {"config": "run.yaml"}


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("--learning-rat", "did you mean --learning-rate"),
        ("--num_train_epochs", "here it is --epochs"),
        ("--per_device_train_batch_size", "here it is --batch-size"),
        ("--model_name_or_path", "here it is --model"),
        ("--train_file", "here it is --dataset"),
        ("--fp16", "no counterpart"),
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
        ("report_to", "no counterpart"),
        ("warmup_ratio", "--warmup-steps, a number of steps"),
        ("learning_rat", "did you mean --learning-rate"),
        ("xyz", "the options are"),
    ],
)
def test_names_from_elsewhere_are_explained_in_python_too(name, hint):
    with pytest.raises(RequestError, match=hint):
        Config(**{name: 1})


def test_every_answer_for_a_name_from_elsewhere_is_an_option():
    flags = {spec.flag for spec in Config.options().values()}
    for name, answer in _ELSEWHERE.items():
        words = [] if answer is None else answer.replace(",", "").split()
        assert {word for word in words if word.startswith("--")} <= flags, name
    known = {name for name in (*_ELSEWHERE, *_NOT_HERE) if name in Config.options()}
    assert not known


def test_a_dataset_is_no_name_of_one():
    import datasets

    with pytest.raises(RequestError, match=r"give it to trainer\(config, dataset"):
        Config(dataset=datasets.Dataset.from_dict({"text": ["x"]}))


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
