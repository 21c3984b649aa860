"""The cache is the user's alone, or it is not used; and nothing is ever written through a link."""

import os
import stat
import tempfile

import pytest

from mlm_core import RunError
from mlm_core.system import cache
from mlm_core.system.cache import cache_directory
from mlm_core.system.files import write_atomically


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """No home directory, and an empty temporary directory."""
    monkeypatch.delenv("MLM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_without_a_home_it_is_a_private_directory(temporary):
    found = cache_directory()
    assert found.parent == temporary and str(os.geteuid()) in found.name
    assert stat.S_IMODE(found.stat().st_mode) == 0o700 and cache_directory() == found


@pytest.mark.parametrize("planted", ["link", "file", "open to all", "another user's"])
def test_what_somebody_has_planted_there_is_not_used(temporary, monkeypatch, planted):
    place = temporary / f"mlm-cache-{os.geteuid()}"
    if planted == "link":
        (temporary / "elsewhere").mkdir()
        place.symlink_to(temporary / "elsewhere")
    elif planted == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777 if planted == "open to all" else 0o700)
    if planted == "another user's":
        monkeypatch.setattr(cache.os, "geteuid", lambda: os.getuid() + 1)
        place.rename(temporary / f"mlm-cache-{os.getuid() + 1}")
    with pytest.raises(RunError, match="not this user's alone") as raised:
        cache_directory()
    assert "MLM_CACHE" in raised.value.fix


def test_a_planted_link_is_never_written_through(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    for name in (".a.partial", "a"):
        (tmp_path / name).symlink_to(tmp_path / "precious")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "a").read_bytes() == b"new" and not (tmp_path / "a").is_symlink()
