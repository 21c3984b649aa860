"""The examples that a run goes on with: what run.json says of them is somebody's text."""

from mlm_core.training.example import EXAMPLES
from mlm_core.training.filled_examples import RunExamples


def test_a_run_that_goes_on_takes_only_what_it_could_have_written():
    taken = RunExamples(lambda batch: None)
    good = [{"text": f"{number} <mask>"} for number in range(3 * EXAMPLES)]
    bad = [{"text": "<mask>" + "x" * 20_000}, {"text": "no mask"}, {"text": "<mask> <mask>"}]
    taken.take([*bad, *good])
    assert [found.text for found in taken.examples] == [row["text"] for row in good[:EXAMPLES]]
    taken.take("nonsense")
    assert taken.examples == []
