import numpy as np
import pytest

from mlm_core import RunError
from mlm_core.data.checked_texts import CheckedTexts, mark
from mlm_core.data.documents import BATCH, Documents, ListedTexts, listed_documents
from mlm_core.data.fingerprint import fingerprint_of


class Counting:
    """A table that records how many rows each fetch asked for."""

    def __init__(self, count):
        self.count = count
        self.fetched = []

    def __len__(self):
        return self.count

    def fetch(self, rows):
        self.fetched.append(len(rows))
        return [f"text {row}" for row in rows]

    def raw(self, row):
        return {"row": row}


def test_documents_are_fetched_in_batches():
    table = Counting(2 * BATCH + 1)
    documents = Documents(table, np.arange(len(table)), "f")
    assert table.fetched == []
    assert list(documents) == [f"text {row}" for row in range(len(table))]
    assert table.fetched == [BATCH, BATCH, 1]


def test_selections_keep_row_and_text_together():
    documents = Documents(Counting(10), np.array([1, 3, 5, 7]), "f")
    some = documents.select(np.array([3, 0]))
    assert list(some) == ["text 7", "text 1"]
    assert some.raw(0) == {"row": 7}
    assert documents[1:3][1] == "text 5" and documents[0] == "text 1"
    with pytest.raises(IndexError):
        documents[4]


def test_fingerprints_depend_on_texts_boundaries_and_selections():
    fingerprint = listed_documents(["ab", "c"]).fingerprint
    assert fingerprint == fingerprint_of(["ab", "c"]) == listed_documents(["ab", "c"]).fingerprint
    assert fingerprint != listed_documents(["a", "bc"]).fingerprint
    documents = listed_documents(["a", "b", "c"])
    chosen = [documents.select(np.array(rows)).fingerprint for rows in ([0, 1], [1, 0], [0, 2], [0])]
    assert len({documents.fingerprint, *chosen}) == 5
    assert documents.select(np.array([0, 1])).fingerprint == chosen[0]


def test_a_text_that_is_another_when_it_is_read_again_is_an_error():
    texts = [f"text {number}" for number in range(5)]
    table = CheckedTexts(ListedTexts(texts), np.array([mark(text) for text in texts]))
    rows = np.array([3, 1])
    assert table.fetch(rows) == ["text 3", "text 1"] and len(table) == 5
    texts[4] = "another"
    assert table.fetch(rows) == ["text 3", "text 1"]
    texts[1] = "another"
    with pytest.raises(RunError, match="has changed since it was read first; start again"):
        table.fetch(rows)


@pytest.mark.parametrize(
    ("error", "raised"), [(ValueError("not JSON"), RunError), (MemoryError(), MemoryError)]
)
def test_a_text_that_cannot_be_read_again_has_changed(error, raised):
    class Failing(ListedTexts):
        def fetch(self, rows):
            raise error

    with pytest.raises(raised):
        CheckedTexts(Failing(["a"]), np.array([mark("a")])).fetch(np.array([0]))
