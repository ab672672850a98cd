"""A stage's Pydra task: the same result as its function, kept by the content of its files."""

from pathlib import Path

import attrs
import cloudpickle as cp
import pytest
import SimpleITK as sitk
from fileformats.generic import File
from pydra.compose import workflow
from pydra.utils import get_fields
from pydra.utils.hash import hash_function

from gliomorph.interfaces import task as task_module
from gliomorph.interfaces.records import Ports, Record, as_dict
from gliomorph.interfaces.task import StageError, by_reference, task


def join_words(first: Path, others: list[Path], last: Path | None, times: int = 1) -> tuple[Path, int]:
    """The words of some files, in one file of the current folder.

    Returns
    -------
    joined : Path
        In the current folder.
    length : int
        Number of words.
    """
    words = [path.read_text() for path in [first, *others, *([last] if last else [])]]
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


JoinWords = task(join_words, "joined", "length")


def run(job, cache):
    return job(cache_root=cache, worker="debug")


def test_task_is_named_after_its_function_and_has_its_words():
    assert JoinWords.__name__ == "JoinWords"
    assert JoinWords.__doc__ == join_words.__doc__
    assert CopyBook.__doc__ == copy_book.__doc__


def spaced(image: Path, mm: float) -> float:
    """The voxel size of an image that has none."""
    if mm < 0:
        raise RuntimeError("not of SimpleITK")
    sitk.Image([3, 3, 3], sitk.sitkUInt8).SetSpacing([mm, 1, 1])
    return mm


Spaced = task(spaced, "mm")


def test_what_simpleitk_throws_has_its_reason_and_the_file(words, tmp_path):
    path = words("sub-01_T1w.nii.gz", "x")
    with pytest.raises(
        StageError, match=r"^sub-01_T1w\.nii\.gz: SimpleITK's Image_SetSpacing: Zero-valued spacing"
    ) as caught:
        Spaced.stage(image=path, mm=0.0)
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match=r"^not of SimpleITK$"):
        Spaced.stage(image=path, mm=-1.0)


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
    assert len(cp.dumps(BindBook(book=Book(text=words("a", "one")), cover=words("b", "two")))) < 2000


def test_file_is_read_once_until_it_changes(words, monkeypatch):
    path = words("a", "one")
    before = hash_function(File(path))
    monkeypatch.setattr(task_module.hashlib, "file_digest", None)
    assert hash_function(File(path)) == before
    monkeypatch.undo()
    words("a", "other")
    assert hash_function(File(path)) != before


@attrs.frozen(kw_only=True)
class Book(Record):
    text: Path
    notes: dict[str, list[Path]] = attrs.field(factory=dict)
    pages: int = 1
    author: str | None = None


@attrs.frozen(kw_only=True)
class Shelf(Ports):
    book: Book
    cover: Path
    label: str = "none"


def copy_book(book: Book, others: list[Book], last: Book | None, named: dict[str, Path]) -> Book:
    """A book with the words of all others.

    Returns
    -------
    book : Book
    """
    books = [book, *others, *([last] if last else [])]
    out = Path.cwd() / "copy.txt"
    out.write_text(" ".join(path.read_text() for path in [*(b.text for b in books), *named.values()]))
    return Book(text=out, pages=len(books))


def bind_book(shelf: Shelf, times: int = 1) -> Shelf:
    """The same shelf, its cover written anew."""
    out = Path.cwd() / "cover.txt"
    out.write_text((shelf.cover.read_text() + shelf.book.text.read_text()) * times)
    return Shelf(book=shelf.book, cover=out, label=shelf.label.upper())


CopyBook = task(copy_book, "book")
BindBook = task(bind_book)


@workflow.define(outputs={"cover": File, "book": Book})
def Bindery(book: Book, label: str) -> tuple[File, Book]:
    copied = workflow.add(CopyBook(book=book, others=[book], last=None, named={"end": book.text}))
    bound = workflow.add(BindBook(book=copied.book, cover=book.text, label=label))
    return bound.cover, bound.book


by_reference(Bindery, __name__)


def test_a_record_travels_whole_and_a_group_by_its_fields(words, tmp_path):
    outputs = run(Bindery(book=Book(text=words("a", "one")), label="red"), tmp_path / "cache")
    assert isinstance(outputs.book, Book)
    assert outputs.book.pages == 2
    assert outputs.book.text.read_text() == "one one one"
    assert Path(outputs.cover).read_text() == "oneone one one"


def test_fields_of_a_group_are_ports_with_their_defaults(words, tmp_path):
    assert {field.name for field in get_fields(BindBook)} == {"function", "book", "cover", "label", "times"}
    assert [field.name for field in get_fields(BindBook.Outputs)] == ["book", "cover", "label"]
    job = BindBook(book=Book(text=words("a", "one")), cover=words("b", "two"))
    assert run(job, tmp_path / "cache").label == "NONE"


def test_key_follows_the_content_of_a_records_files_and_its_values(words):
    def key(book):
        return CopyBook(book=book, others=[book], last=book, named={})._checksum

    a, copy, changed = words("a", "one"), words("copy", "one"), words("changed", "ONE")
    book = Book(text=a, notes={"x": [a]})
    assert key(book) == key(Book(text=copy, notes={"x": [copy]}))
    for other in (
        Book(text=changed, notes={"x": [a]}),
        Book(text=a, notes={"x": [changed]}),
        Book(text=a, notes={"x": [a, a]}),
        Book(text=a, notes={"y": [a]}),
        Book(text=a, notes={"x": [a]}, pages=2),
        Book(text=a, notes={"x": [a]}, author="A"),
    ):
        assert key(other) != key(book)
        assert BindBook(book=other, cover=a)._checksum != BindBook(book=book, cover=a)._checksum


def test_a_missing_file_of_a_record_is_refused_before_the_task_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        CopyBook(book=Book(text=tmp_path / "none"), others=[], last=None, named={})._checksum  # noqa: B018


def test_records_as_dict_leave_out_what_is_not_set(words):
    a = words("a", "one")
    assert as_dict(Book(text=a)) == {"text": a, "notes": {}, "pages": 1}
