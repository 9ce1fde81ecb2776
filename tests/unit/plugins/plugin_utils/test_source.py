# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.plugin_utils.source import Archive, commit_of, pack


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return fill(tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> str:
    (tmp_path / "out").mkdir()
    return str(tmp_path / "out")


def fill(directory: Path) -> Path:
    for name, text in (("b.txt", "b"), ("compose.yaml", "services: {}"), ("sub/ä.conf", "x"), ("sub/deep/run", "#!")):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (directory / "empty").mkdir()
    (directory / "sub" / "link").symlink_to("../b.txt")
    (directory / "sub" / "deep" / "run").chmod(0o755)
    (directory / ".git").mkdir()
    (directory / ".git" / "config").write_text("[core]")
    return directory


def members(archive: Archive) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive.path) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_content(source: Path, out: str) -> None:
    archive = pack(str(source), into=out)
    found = members(archive)
    assert list(found) == [
        "b.txt", "compose.yaml", "empty", "sub", "sub/deep", "sub/deep/run", "sub/link", "sub/ä.conf",
    ]  # fmt: skip
    assert archive.entries == len(found)
    assert archive.size == os.path.getsize(archive.path)
    assert found["sub/link"].linkname == "../b.txt"
    assert found["sub/deep/run"].mode == 0o755
    assert all((m.uid, m.gid, m.uname, m.gname, m.mtime) == (0, 0, "", "", 0) for m in found.values())


def test_equal_content_has_equal_bytes(tmp_path: Path, out: str) -> None:
    one, two = fill(tmp_path / "one"), fill(tmp_path / "two")
    os.utime(two / "b.txt", (1, 1))
    (two / "b.txt").chmod(0o664)
    (two / "sub").chmod(0o775)
    os.link(two / "compose.yaml", two / "copy.yaml")
    (one / "copy.yaml").write_text("services: {}")
    first, second = pack(str(one), into=out), pack(str(two), into=out)
    assert first.digest == second.digest
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()
    (two / "b.txt").write_text("c")
    assert pack(str(two), into=out).digest != first.digest


def test_what_is_left_out(source: Path, out: str) -> None:
    (source / "sub/deep/socket").mkdir(mode=0)
    found = members(pack(str(source), ["sub/deep/", "./b.txt", "not/there"], into=out))
    assert list(found) == ["compose.yaml", "empty", "sub", "sub/link", "sub/ä.conf"]
    for wrong in ("/etc", "../x", ".", "", 3):
        with pytest.raises(Refused, match="no path below service_source"):
            pack(str(source), [wrong], into=out)


def test_private_files_stay_private(source: Path, out: str) -> None:
    (source / "b.txt").chmod(0o600)
    (source / "compose.yaml").chmod(0o4777)
    found = members(pack(str(source), into=out))
    assert found["b.txt"].mode == 0o600
    assert found["compose.yaml"].mode == 0o755


def test_a_link_to_the_directory_is_followed(source: Path, out: str, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(source)
    assert pack(str(tmp_path / "current"), into=out).digest == pack(str(source), into=out).digest


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "loop/../.."])
def test_links_that_leave_are_refused(source: Path, out: str, target: str) -> None:
    (source / "loop").symlink_to("sub")
    (source / "evil").symlink_to(target)
    with pytest.raises(Refused, match=r"service_source: evil is a link that leaves the source directory") as caught:
        pack(str(source), into=out)
    assert caught.value.code == "bad_source"
    assert os.listdir(out) == []


def test_an_absolute_link_is_refused_even_inside(source: Path, out: str) -> None:
    (source / "evil").symlink_to(source / "b.txt")
    with pytest.raises(Refused, match="evil is a link that leaves"):
        pack(str(source), into=out)


def test_a_link_through_a_link_is_refused(source: Path, out: str, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (source / "sub" / "way").symlink_to("../../outside")
    (source / "a").symlink_to("sub/way")
    with pytest.raises(Refused, match="a is a link that leaves"):
        pack(str(source), into=out)


def test_a_link_to_nowhere_inside_is_kept(source: Path, out: str) -> None:
    (source / "later").symlink_to("made/at/start")
    assert members(pack(str(source), into=out))["later"].issym()


def test_pipes_and_sockets_are_refused(source: Path, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(Refused, match="pipe is a socket, a device or a pipe"):
        pack(str(source), into=out)
    (source / "pipe").unlink()
    monkeypatch.chdir(source)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("app.sock")
        with pytest.raises(Refused, match=r"app\.sock is a socket"):
            pack(str(source), into=out)


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"\x1b[2J"])
def test_odd_names_are_refused(source: Path, out: str, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_text("x")
    with pytest.raises(Refused, match="not UTF-8 or cannot be seen") as caught:
        pack(str(source), into=out)
    assert caught.value.detail.isprintable()


def test_too_large(source: Path, out: str) -> None:
    (source / "data").mkdir()
    with (source / "data" / "dump").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(Refused, match=r"larger than 2 MiB .* largest: data \(3 MiB\)") as caught:
        pack(str(source), largest=2 << 20, into=out)
    assert caught.value.code == "source_too_large"
    assert os.listdir(out) == []
    assert pack(str(source), largest=4 << 20, into=out).size > 3 << 20


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        pack(str(tmp_path / "nowhere"))
    assert caught.value.code == "no_source"
    assert "service_source" in caught.value.next_step


def git(directory: Path, *arguments: str) -> str:
    words = ["git", "-C", str(directory), "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_of_a_checkout(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "compose.yaml").write_text("a")
    git(tmp_path, "init", "--quiet")
    assert commit_of(str(shop)) == {"commit": "", "dirty": False}, "no commit yet"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(str(shop)) == {"commit": head, "dirty": False}
    (tmp_path / "beside").write_text("not part of the source")
    assert commit_of(str(shop)) == {"commit": head, "dirty": False}
    (shop / "new").write_text("b")
    assert commit_of(str(shop)) == {"commit": head, "dirty": True}


def test_a_directory_that_git_does_not_track_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "tracked").write_text("a")
    (tmp_path / "shop").mkdir()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "tracked")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    assert commit_of(str(tmp_path / "shop")) == {"commit": "", "dirty": False}


def test_no_checkout_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert commit_of(str(tmp_path)) == {"commit": "", "dirty": False}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(str(tmp_path)) == {"commit": "", "dirty": False}
