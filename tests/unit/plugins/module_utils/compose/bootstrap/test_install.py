# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages are asked of apt in the right way, and its sources are as before when that fails."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap import install as subject
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.decide import Packages
from ansible_collections.steady.runbooks.plugins.module_utils.compose.bootstrap.observe import Seen
from ansible_collections.steady.runbooks.plugins.module_utils.errors import CommandFailed

SEEN = Seen(distribution="debian", codename="bookworm")
MIRROR = "http://mirror.example/debian/"
REPOSITORY = "https://download.docker.com/linux"


@pytest.fixture(name="ran")
def _ran(monkeypatch):
    words = []

    def run(each, **options):
        words.append(list(each))
        return MIRROR if "indextargets" in each else "amd64"

    monkeypatch.setattr(subject, "run", run)
    monkeypatch.setattr(subject, "open_url", lambda url, **options: io.BytesIO(b"a key"))
    return words


def test_the_distributions_packages_never_remove_another(ran, tmp_path):
    subject.install(SEEN, Packages("debian bookworm", ("docker.io",)), REPOSITORY, str(tmp_path))
    assert [words[4] for words in ran] == ["update", "install"]
    assert "--no-remove" in ran[1] and ran[1][-1] == "docker.io"
    assert list(tmp_path.iterdir()) == []


def test_packages_of_a_newer_release_have_lists_of_their_own(ran, tmp_path):
    subject.install(SEEN, Packages("debian bookworm", (), ("docker-compose",)), REPOSITORY, str(tmp_path))
    _own, _mirror, update, download, dpkg = ran
    for words in (update, download):
        assert any(word.startswith("Dir::State::lists=") for word in words)
        assert "Dir::Etc::sourceparts=/dev/null" in words
    assert download[-1] == "docker-compose"
    assert dpkg[:2] == ["dpkg", "-i"]


def test_the_newer_release_comes_from_the_hosts_own_mirror(monkeypatch, tmp_path):
    sources = []

    def run(words, **options):
        found = [word.partition("=")[2] for word in words if word.startswith("Dir::Etc::sourcelist=")]
        sources.extend(Path(path).read_text() for path in found if "update" in words)
        return f"{MIRROR}\nhttp://second.example/" if "indextargets" in words else ""

    monkeypatch.setattr(subject, "run", run)
    subject.install(SEEN, Packages("debian bookworm", (), ("docker-compose",)), REPOSITORY, str(tmp_path))
    assert f"URIs: {MIRROR}\nSuites: trixie\n" in sources[0]


def test_a_host_without_a_mirror_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr(subject, "run", lambda words, **options: "")
    with pytest.raises(CommandFailed, match="no mirror of Debian bookworm"):
        subject.install(SEEN, Packages("debian bookworm", (), ("docker-compose",)), REPOSITORY, str(tmp_path))


def test_dockers_own_repository_is_added_once(ran, tmp_path):
    wanted = Packages(REPOSITORY, ("docker-ce",))
    for _time in range(2):
        subject.install(SEEN, wanted, REPOSITORY, str(tmp_path))
    source = (tmp_path / subject.SOURCE).read_text()
    assert f"URIs: {REPOSITORY}/debian\nSuites: bookworm\n" in source
    assert f"Signed-By: {tmp_path}/{subject.KEY}\n" in source
    assert (tmp_path / subject.KEY).read_bytes() == b"a key"
    assert (tmp_path / subject.SOURCE).stat().st_mode & 0o777 == 0o644


def test_a_repository_that_the_user_added_is_used(ran, tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "mine.list").write_text(f"deb [signed-by=/k] {REPOSITORY}/debian bookworm stable\n")
    subject.install(SEEN, Packages(REPOSITORY, ("docker-ce",)), REPOSITORY, str(tmp_path))
    assert not (tmp_path / subject.SOURCE).exists()


def test_a_repository_that_does_not_work_is_taken_away_again(monkeypatch, ran, tmp_path):
    def run(words, **options):
        if "update" in words:
            raise CommandFailed("not signed", code="command")
        return "amd64"

    monkeypatch.setattr(subject, "run", run)
    with pytest.raises(CommandFailed):
        subject.install(SEEN, Packages(REPOSITORY, ("docker-ce",)), REPOSITORY, str(tmp_path))
    assert not (tmp_path / subject.SOURCE).exists()
    assert not (tmp_path / subject.KEY).exists()


def test_one_short_probe(monkeypatch):
    asked = []

    def open_url(url, **options):
        asked.append((url, options["timeout"]))
        raise OSError("no route")

    monkeypatch.setattr(subject, "open_url", open_url)
    assert subject.repository_answers(SEEN, REPOSITORY) is False
    assert asked == [(f"{REPOSITORY}/debian/dists/bookworm/Release", 5)]
