"""Files that are wrong in drawn ways: valid ones changed in their structure or their bytes, or anything."""

from __future__ import annotations

import json

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-3, 3),
    # By exponent: Python does not print the largest.
    st.sampled_from([31, 63, 80, 1300, 16_000]).map(lambda bits: 2**bits),
    st.floats(allow_nan=True, allow_infinity=True),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.just("\x1b[2J\u202e")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value, path=()):
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in children:
        yield from _places(inner, (*path, key))


def _changed(value, path, change):
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    key, *rest = path
    if rest:
        copy[key] = _changed(copy[key], rest, change)
    elif change is None:
        del copy[key]
    else:
        copy[key] = change(copy[key])
    return copy


def _written(value):
    # json.dumps refuses integers of more than 4,300 digits; a file may hold them.
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**4000:
        return "1" + "0" * 5000
    return json.dumps(value)


@st.composite
def changed_json(draw, valid):
    """The text of a JSON value of which one or two places are gone, or hold something else."""
    value = valid
    for _ in range(draw(st.integers(1, 2))):
        places = [path for path in _places(value) if path]
        if not places:
            break
        path = draw(st.sampled_from(places))
        if draw(st.integers(0, 3)) == 0:
            value = _changed(value, path, None)
        else:
            new = draw(VALUES)
            value = _changed(value, path, lambda old, new=new: new)
    return _written(value).encode("utf-8", "surrogatepass")


@st.composite
def changed_bytes(draw, content):
    """Content that is cut, or has other bytes, or is repeated in places."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 20)))
    new = draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"[" * 3000, b"\xef\xbb\xbf", b"\0" * 9]))
    )
    return content[:start] + new + (content[end:] if draw(st.booleans()) else b"")


def wrong_files(valid):
    """The bytes of a file that should hold this JSON value."""
    content = json.dumps(valid).encode()
    return st.one_of(
        changed_json(valid),
        changed_json(valid),
        changed_bytes(content),
        st.binary(max_size=60),
        VALUES.map(_written).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"", b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe{\x00}\x00", b"9" * 5000]),
    )
