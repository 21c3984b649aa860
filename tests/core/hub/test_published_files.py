"""Which files of a run are published: the picture that its card shows, and never its report."""

import pytest
from tiny_models import write_model

from mlm_core.hub.card import CardFacts, Row, write_card
from mlm_core.hub.model_files import published_files


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = write_model(tmp_path_factory.mktemp("run"), "bert")
    for name in ("loss.svg", "report.html", "run.json", "metrics.jsonl"):
        (path / name).write_text("{}", encoding="utf-8")
    return path


@pytest.mark.parametrize("shown", [True, False])
def test_the_picture_goes_with_the_card_that_shows_it(directory, shown):
    write_card(
        directory, CardFacts("name", "A model.", "[MASK]", rows=[Row(0, 0.0, None, 2.0)], curves=shown)
    )
    files = published_files(directory, None, "org/name")
    assert ("loss.svg" in files) == shown
    assert {"README.md", "config.json", "model.safetensors"} <= files.keys()
    assert not {"report.html", "run.json", "metrics.jsonl"} & files.keys()


def test_any_other_picture_of_that_name_is_not_published(directory):
    (directory / "README.md").unlink(missing_ok=True)
    assert "loss.svg" not in published_files(directory, None, "org/name")
