"""A stage's Pydra task: the same result as its function, kept by the content of its files."""

from pathlib import Path

import cloudpickle as cp
import pytest
from fileformats.generic import File
from pydra.utils.hash import hash_function

from gliomorph.interfaces import task as task_module
from gliomorph.interfaces.task import task


def join_words(first: Path, others: list[Path], last: Path | None, times: int = 1) -> tuple[Path, int]:
    """The words of some files, in one file of the current folder.

    Returns
    -------
    joined : Path
        In the current folder.
    length : int
        Number of words.
    """
    from pathlib import Path

    words = [Path(path).read_text() for path in [first, *others, *([last] if last else [])]]
    out = Path.cwd() / "joined.txt"
    out.write_text(" ".join(words * times))
    return out, len(words)


@pytest.fixture
def words(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


JoinWords = task(join_words, joined=File, length=int)


def run(job, cache):
    return job(cache_root=cache, worker="debug")


def test_task_is_named_after_its_function():
    assert JoinWords.__name__ == "JoinWords"


def test_task_gives_what_the_function_gives(words, tmp_path):
    job = JoinWords(first=words("a", "one"), others=[words("b", "two")], last=None, times=2)
    outputs = run(job, tmp_path / "cache")
    assert Path(outputs.joined).read_text() == "one two one two"
    assert outputs.length == 2


def test_default_is_kept(words, tmp_path):
    outputs = run(JoinWords(first=words("a", "one"), others=[], last=words("c", "end")), tmp_path / "cache")
    assert Path(outputs.joined).read_text() == "one end"


def test_key_follows_the_content_and_not_the_name(words):
    def key(first, other, last=None, times=1):
        return JoinWords(first=first, others=[other], last=last, times=times)._checksum

    a, b = words("a", "one"), words("b", "two")
    assert key(a, b) == key(words("copy", "one"), words("other", "two"))
    assert key(a, b) != key(words("changed", "ONE"), b)
    assert key(a, b) != key(a, words("changed2", "TWO"))
    assert key(a, b) != key(a, b, last=a)
    assert key(a, b) != key(a, b, times=2)


def test_missing_file_is_refused_when_the_task_is_made(tmp_path):
    with pytest.raises(Exception, match="none"):
        JoinWords(first=tmp_path / "none", others=[], last=None)


def test_pickles_name_the_task_and_do_not_hold_it(words):
    """Every job and result travels as a pickle."""
    assert cp.loads(cp.dumps(JoinWords)) is JoinWords
    assert cp.loads(cp.dumps(JoinWords.Outputs)) is JoinWords.Outputs
    assert len(cp.dumps(JoinWords(first=words("a", "one"), others=[], last=None))) < 2000


def test_file_is_read_once_until_it_changes(words, monkeypatch):
    path = words("a", "one")
    before = hash_function(File(path))
    monkeypatch.setattr(task_module.hashlib, "file_digest", None)
    assert hash_function(File(path)) == before
    monkeypatch.undo()
    words("a", "other")
    assert hash_function(File(path)) != before
