from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from kdsearch.data import safe_extract
from kdsearch.errors import DataError

SLIPS = ["../evil.txt", "a/../../evil.txt", "/evil.txt", "..\\evil.txt", "C:\\evil.txt"]


def make_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return path


def make_tar(path: Path, *members: tarfile.TarInfo | str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(b"content") if info.isfile() else 0
            archive.addfile(info, io.BytesIO(b"content") if info.isfile() else None)
    return path


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_plain_archives_are_unpacked(tmp_path: Path, make: object) -> None:
    archive = make(tmp_path / "plain.archive", "splits/a.txt", "b..c.txt")  # type: ignore[operator]
    assert safe_extract(archive, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out/splits/a.txt").read_text() == "content"
    assert (tmp_path / "out/b..c.txt").read_text() == "content"


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", SLIPS)
def test_members_that_leave_the_folder_are_refused_before_writing(tmp_path: Path, make: object, name: str) -> None:
    archive = make(tmp_path / "slip.archive", "good.txt", name)  # type: ignore[operator]
    with pytest.raises(DataError, match="leaves the folder"):
        safe_extract(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil.txt").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    with pytest.raises(DataError, match="a link or device"):
        safe_extract(make_tar(tmp_path / "link.tar.gz", link), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc")
    with pytest.raises(DataError, match="a link"):
        safe_extract(tmp_path / "link.zip", tmp_path / "out")


def test_other_and_truncated_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "page.zip"
    text.write_text("<html>404</html>")
    whole = make_tar(tmp_path / "whole.tar.gz", *(f"{i}.txt" for i in range(50)))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-60])
    for path in (text, cut, tmp_path / "absent.zip"):
        with pytest.raises(DataError, match=path.name):
            safe_extract(path, tmp_path / "out")
