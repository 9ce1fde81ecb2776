# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of each run, as somebody meets it who sees one for the first time: in a real browser, wide and narrow,
light and dark, without a network."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.steady.runbooks.tests.system import shop
from ansible_collections.steady.runbooks.tests.system.hello import Hello
from ansible_collections.steady.runbooks.tests.system.runner import Played, play
from ansible_collections.steady.runbooks.tests.system.traffic import Traffic

NAME = "report-hello"
SECRET = "Tr0ub4dor&3-hunter2"
# Every second order fails; the switch itself, which is probed at /, is good.
BROKEN = """
import itertools, os, sys
sys.path.insert(0, "/app"), sys.path.insert(0, "/")
import hello
orders, answer = itertools.count(1), hello.Hello.do_GET

def do_GET(self):
    if self.path != "/order" or next(orders) % 2:
        return answer(self)
    print("ERROR order: <b>discount</b> table is empty, token", os.environ["TOKEN"], flush=True)
    self.send_response(500)
    self.send_header("Content-Length", "0")
    self.end_headers()

hello.Hello.do_GET = do_GET
hello.main()
"""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"),
)
# A page beside the report that looks at it from outside: reports themselves run no script.
LOOK = """<!DOCTYPE html><link rel="icon" href="data:,"><body style="margin:0">
<iframe src="{name}" style="border:0;width:{width}px;height:2000px"></iframe>
<script>addEventListener("load", () => {{
  const inside = document.querySelector("iframe").contentDocument, view = inside.defaultView;
  const size = one => parseFloat(view.getComputedStyle(one).fontSize);
  const cut = [...inside.querySelectorAll("h1,h2,p,li,dd,code,td")].filter(one => {{
    const box = one.getBoundingClientRect();
    return box.width && !one.closest(".wide") && (box.right > {width} + 1 || box.left < -1);
  }});
  document.title = JSON.stringify({{
    width: inside.documentElement.scrollWidth, dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    ground: view.getComputedStyle(inside.body).backgroundColor, ink: view.getComputedStyle(inside.body).color,
    smallest: Math.min(...[...inside.querySelectorAll("text,p,td,dd,li,code,pre,span")].map(size)),
    cut: cut.map(one => one.textContent.slice(0, 60))}});
}});</script>"""


class Told(dict[str, Played]):
    """The runs by their names, and how many requests of users failed until the update had ended."""

    def __init__(self, runs: dict[str, Played], failed: int, service: Hello) -> None:
        super().__init__(runs)
        self.service = service
        self.failed = failed


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Runs under traffic: an update, a rollback, and an update whose release fails its watch; by their names."""
    shop.provide_hello()
    shop.remove(NAME)
    root = tmp_path_factory.mktemp("reports")
    service = Hello(root / "service", NAME, service_report_directory=str(root / "here"))
    service.set(
        service_secrets={"TOKEN": SECRET},
        service_watch={"seconds": 12, "checkpoints": [4, 8, 12], "errors_percent": 10},
    )
    compose = root / "service" / "source" / "compose.yaml"
    compose.write_text(
        compose.read_text().replace("{VERSION: '${VERSION}'}", "{VERSION: '${VERSION}', TOKEN: '${TOKEN}'}")
    )

    def run(playbook: str, **extra: Any) -> Played:
        return play(playbook, extra, inventory=service.inventory)

    try:
        runs = {"first": run("apply_update", version="1.0.0")}
        url = f"http://127.0.0.1:{service.port}"
        with Traffic(url, rate=20, seconds=300, requests=["30 GET /", "70 GET /order"]) as traffic:
            runs["update"] = run("apply_update", version="1.1.0", reason="notes <i>for</i> orders")
            seen = traffic.seen()
            runs["rollback"] = run("rollback", reason="only to see")
            service.write("source/broken.py", BROKEN)
            service.release("1.2.0")
            broken = "    command: [python, /broken.py]\n    volumes: ['./broken.py:/broken.py:ro']\n"
            compose.write_text(compose.read_text() + broken)
            runs["undone"] = run("apply_update", version="1.2.0")
        yield Told(runs, seen.failed, service)
    finally:
        shop.remove(NAME)


@pytest.fixture(scope="session")
def chromium() -> str:
    """A real browser; installed where that can be done."""
    if not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        words = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], words):
            subprocess.run(command, env=environment, capture_output=True, check=False, timeout=600)
    found = shutil.which("chromium")
    if not found:
        pytest.skip("chromium is missing: apt-get install chromium fonts-dejavu-core")
    return found


class Served(SimpleHTTPRequestHandler):
    """Serves a directory and notes what was asked for."""

    asked: list[str] = []

    def log_message(self, _format: str, *_values: Any) -> None:
        self.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    Served.asked = []
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Served, directory=str(tmp_path)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


def browse(chromium: str, folder: Path, url: str, dark: bool, *words: str) -> tuple[str, list[str]]:
    """Standard output, and what the browser's console said."""
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    said = subprocess.run(
        [chromium, *FLAGS, *scheme, f"--user-data-dir={folder / 'profile'}", *words, url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return said.stdout, [line for line in said.stderr.splitlines() if "CONSOLE" in line]


LOOKS = [(name, width, dark) for name in ("update", "undone") for width in (400, 1400) for dark in (False, True)]


@pytest.mark.parametrize(("name", "width", "dark"), [*LOOKS, ("first", 400, False), ("rollback", 1400, True)])
def test_it_can_be_read_in_a_browser(
    chromium: str, told: Told, server: tuple[Path, str], name: str, width: int, dark: bool
) -> None:
    folder, url = server
    report = Path(told[name].run["report_here"])
    assert report.stat().st_size < 300_000
    shutil.copy(report, folder / "report.html")
    (folder / "look.html").write_text(LOOK.format(name="report.html", width=width))
    page, console = browse(chromium, folder, f"{url}/look.html", dark, "--dump-dom", f"--window-size={width},2000")
    seen = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", page).group(1)))
    assert seen["width"] <= width, "it has to be scrolled sideways"
    assert seen["cut"] == []
    assert seen["dark"] is dark
    assert contrast(seen["ground"], seen["ink"]) >= 7
    assert seen["smallest"] >= 11.5
    picture = folder / f"{name}-{width}-{'dark' if dark else 'light'}.png"
    _page, more = browse(
        chromium, folder, f"{url}/report.html", dark, f"--screenshot={picture}", f"--window-size={width},4000"
    )
    assert picture.stat().st_size > 20_000
    assert console + more == []
    assert set(Served.asked) <= {"/look.html", "/report.html"}, "it asks for something else"
    if os.environ.get("STEADY_SCREENSHOTS"):
        shutil.copy(picture, os.environ["STEADY_SCREENSHOTS"])


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG counts it; 7 is its stricter demand on text."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_an_update_tells_what_users_noticed(told: Told) -> None:
    played = told["update"]
    assert played.rc == 0, played.stdout
    page = Path(played.run["report_here"]).read_text()
    assert f"<h1>{NAME}: 1.1.0 replaced 1.0.0. Users" in page
    # On a machine that others keep busy some requests may really fail; the report then says that.
    if not told.failed:
        assert "1.1.0 replaced 1.0.0. Users noticed nothing</h1>" in page
    assert "notes &lt;i&gt;for&lt;/i&gt; orders" in page
    where = told.service.inventory
    command = f"ansible-playbook playbooks/rollback.yml -i {where} -e env=local --limit {NAME}"
    assert command in re.sub("</?span>", "", page)
    for title in ("Requests per second", "Latency"):
        assert f">{title}</title>" in page
    assert "1.0.0 (blue)" in page
    assert "1.1.0 (green)" in page
    assert not list(Path(played.run["report_here"]).parent.glob(f"*{played.run['run']}.incident*"))


def test_the_host_keeps_the_same_report(told: Told) -> None:
    for played in told.values():
        kept, here = Path(played.run["report"]), Path(played.run["report_here"])
        assert kept.read_bytes() == here.read_bytes()
        assert kept.stat().st_mode & 0o777 == 0o600


def test_the_end_is_told_in_a_few_lines(told: Told) -> None:
    lines = [line.partition("] ")[2] for line in told["update"].stdout.splitlines() if line.startswith(f"  [{NAME}]")]
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{NAME}: 1.1.0 replaced 1.0.0."))
    block = lines[start:]
    assert 6 <= len(block) <= 8
    head = told["update"].run["head"]
    assert f"ledger head: {head['seq']}:{head['hash']}" in block
    assert any(line.startswith("report: /") for line in block)


def test_what_failed_is_told_with_an_incident_record(told: Told) -> None:
    played = told["undone"]
    assert played.rc != 0
    assert (played.run["outcome"], played.failure["code"]) == ("undone", "watch_failed")
    page = Path(played.run["report_here"])
    assert "the update to 1.2.0 failed and was undone; 1.0.0 serves as before. Users noticed it" in page.read_text()
    assert "ERROR order: &lt;b&gt;discount&lt;/b&gt; table is empty" in page.read_text()
    record = json.loads(page.with_suffix(".incident.json").read_text())
    assert record["severity"]["suggested"] == "SEV2"
    assert record["metrics"]["failed_release"]["errors"] > 0
    assert record["failed_release"]["images"]["web"].count("@sha256:") == 1
    assert "nobody: no notices are configured" in page.with_suffix(".incident.md").read_text()


def test_a_rollback_by_hand_is_recorded_too(told: Told) -> None:
    page = Path(told["rollback"].run["report_here"])
    assert "went back from 1.1.0 to 1.0.0" in page.read_text()
    assert "only to see" in page.with_suffix(".incident.md").read_text()


def test_no_secret_is_in_any_of_it(told: Told) -> None:
    folder = Path(told["undone"].run["report_here"]).parent
    for path in folder.iterdir():
        assert "hunter2" not in path.read_text(), path.name
    assert "token ********" in Path(told["undone"].run["report_here"]).read_text()


@pytest.mark.parametrize("name", ["update", "undone"])
def test_what_drives_ansible_gets_run_outcome_and_head(told: Told, name: str) -> None:
    """AWX shows them as artifacts, and hands them to the next job of a workflow; also after a failure."""
    played = told[name]
    stats = [
        event["event_data"].get("artifact_data") for event in played.events if event["event"] == "playbook_on_stats"
    ]
    assert stats, played.stdout
    mine = stats[-1]["steady_runs"][NAME]
    assert {field: mine[field] for field in ("run", "outcome", "head")} == {
        field: played.run[field] for field in ("run", "outcome", "head")
    }


def test_a_cut_ledger_is_found_by_the_head_that_is_kept_here(told: Told) -> None:
    """Whoever cuts it on the host can mend chain and head there, but not what the controller has of the last run."""
    ask = ({"verify": True}, told.service.inventory)
    assert "agree with the chain, the head and the saved head" in play("history", ask[0], inventory=ask[1]).stdout
    ledger, head = (told.service.state / name for name in ("ledger.jsonl", "ledger.head"))
    whole, kept = ledger.read_bytes(), head.read_bytes()
    *lines, _last = whole.splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines))
    head.write_text(json.dumps({"seq": len(lines), "hash": hashlib.sha256(lines[-1].rstrip(b"\n")).hexdigest()}))
    try:
        played = play("history", ask[0], inventory=ask[1])
    finally:
        ledger.write_bytes(whole)
        head.write_bytes(kept)
    assert played.rc != 0
    assert played.failure["code"] == "ledger_broken", played.stdout
    assert f"the saved head names line {len(lines) + 1}" in played.failure["detail"]
