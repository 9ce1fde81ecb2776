# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tally of the probes, and when it is a breach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.verify.proof import confirmed
from ansible_collections.steady.runbooks.plugins.module_utils.verify.tally import Proof, Tally, proof_of


def tally(address: str = "127.0.0.1:80") -> Tally:
    return Tally(address, start=100.0, slow_s=1.0)


def test_a_switch_without_a_failure() -> None:
    one = tally()
    for turn in range(10):
        if turn == 5:
            one.mark("green", 100.095)
        at = 100.0 + turn * 0.02
        # The last request of the old slot is answered after the switch.
        one.record(at, at + 0.01, "", "blue" if turn < 6 else "green")
    one.ended(100.2)
    proof = proof_of([one], 0.02, 0.001)
    assert (proof.sent, proof.failed, proof.unserved) == (10, 0, 0)
    assert proof.longest_gap_ms == pytest.approx(20, abs=0.2)
    assert proof.first_new_ms == pytest.approx(35, abs=0.2)
    assert proof.last_old_ms == pytest.approx(15, abs=0.2)
    assert proof.slots == {"blue": 6, "green": 4}
    assert [(entry["slot"], round(entry["at_ms"])) for entry in proof.timeline] == [("blue", -85), ("green", 35)]
    assert proof.say() == "0 of 10 failed, longest gap 20 ms, first response of the new slot after 35 ms"
    assert json.loads(json.dumps(proof.as_dict()))["say"] == proof.say()


def test_a_gap_lasts_from_one_success_to_the_next_and_to_the_end() -> None:
    one = tally()
    one.record(100.0, 100.01, "", "blue")
    for turn in range(1, 40):
        one.record(100.0 + turn * 0.02, 100.01 + turn * 0.02, "status 503 from the edge", "")
    one.record(100.8, 100.81, "", "green")
    assert proof_of([one], 0.02, 0.0).longest_gap_ms == pytest.approx(800, abs=1)
    one.ended(102.81)
    assert proof_of([one], 0.02, 0.0).longest_gap_ms == pytest.approx(2000, abs=1)


def test_only_the_first_failures_and_changes_are_kept() -> None:
    one = tally()
    for turn in range(10_000):
        one.record(100.0 + turn, 100.0 + turn, "" if turn % 2 else "status 500", f"slot{turn % 2}")
    proof = proof_of([one], 1.0, 0.0)
    assert proof.failed == 4_999  # the very first came before anything was served
    assert (len(proof.failures), len(proof.timeline)) == (5, 32)


def test_before_anything_served_nothing_can_break() -> None:
    one = tally()
    for turn in range(10):
        one.record(100.0 + turn * 0.02, 100.01 + turn * 0.02, "status 503 from the edge", "")
    one.mark("blue", 100.2)
    one.record(100.2, 100.21, "", "blue")
    one.ended(100.22)
    proof = proof_of([one], 0.02, 0.0)
    assert (proof.sent, proof.failed, proof.unserved, proof.failures) == (1, 0, 10, ())
    assert proof.longest_gap_ms == pytest.approx(10, abs=0.2)


def test_what_never_serves_has_failed() -> None:
    one = tally()
    for turn in range(10):
        one.record(100.0 + turn * 0.02, 100.01 + turn * 0.02, "connection refused", "")
    one.ended(100.2)
    proof = proof_of([one], 0.02, 0.0)
    assert (proof.sent, proof.failed) == (10, 10)
    assert proof.longest_gap_ms == pytest.approx(200, abs=0.2)


def test_one_address_does_not_hide_the_gap_of_another() -> None:
    good, bad = tally("127.0.0.1:80"), tally("127.0.0.1:81")
    for turn in range(100):
        good.record(100.0 + turn * 0.02, 100.01 + turn * 0.02, "", "blue")
    bad.record(100.0, 100.01, "", "blue")
    bad.record(101.5, 101.51, "", "blue")
    proof = proof_of([good, bad], 0.02, 0.0)
    assert proof.longest_gap_ms == pytest.approx(1500, abs=1)
    assert proof.sent == 102


QUIET = {"requests": 10_000, "errors": 0}
CASES: list[tuple[str, dict[str, Any], dict[str, Any] | None, dict[str, Any], bool, str]] = [
    ("nothing happened", {}, {"errors": 0}, {}, False, "within what is declared"),
    ("one lost probe", {"failed": 1}, {"errors": 0}, {}, False, "the edge does not confirm it"),
    ("one lost request, seen twice", {"failed": 1}, {"errors": 1}, {}, False, "the edge does not confirm it"),
    ("probes lost on our side", {"failed": 9}, {"errors": 0}, {}, False, "the edge does not confirm it"),
    ("two, and the edge saw them", {"failed": 2}, {"errors": 2}, {}, True, "and the edge counted 2 errors"),
    ("one, and users had more", {"failed": 1}, {"errors": 30}, {}, True, "and the edge counted 30 errors"),
    ("fewer than declared", {"failed": 3}, {"errors": 3}, {"max_failed": 3}, False, "within what is declared"),
    ("more than declared", {"failed": 4}, {"errors": 4}, {"max_failed": 3}, True, "(3 declared)"),
    ("a gap that the edge saw", {"longest_gap_ms": 1500.0}, {"errors": 2}, {}, True, "1500 ms without"),
    ("a gap of waiting probes", {"longest_gap_ms": 1500.0, "slow": 2}, {"errors": 0}, {}, True, "(1000 ms declared)"),
    ("a gap of one waiting probe", {"longest_gap_ms": 1500.0, "slow": 1}, {"errors": 0}, {}, False, "does not confirm"),
    (
        "a gap of our own",
        {"longest_gap_ms": 1500.0, "lag_ms": 1400.0},
        {"errors": 9},
        {},
        False,
        "itself was 1400 ms late",
    ),
    ("the edge saw a long request", {"longest_gap_ms": 1500.0}, {"errors": 0, "max_ms": 1480}, {}, True, "1500 ms"),
    ("the edge saw none", {"longest_gap_ms": 1500.0, "slow": 9}, {"errors": 0, "max_ms": 30}, {}, False, "not confirm"),
    ("a gap as declared", {"longest_gap_ms": 1500.0}, {"errors": 9}, {"max_gap_ms": 2000}, False, "within"),
    ("no probes", {"sent": 0, "longest_gap_ms": 1500.0}, {"errors": 9}, {}, False, "nothing is proved"),
    ("the edge is dead", {"failed": 90}, None, {}, True, "the edge cannot be asked, and most probes failed"),
    ("the edge is silent", {"failed": 3}, None, {}, False, "the edge cannot be asked"),
]


@pytest.mark.parametrize(
    ("case", "proof", "after", "declared", "breach", "why"), CASES, ids=[case[0] for case in CASES]
)
def test_a_breach_needs_both_witnesses(
    case: str, proof: dict[str, Any], after: dict[str, Any] | None, declared: dict[str, Any], breach: bool, why: str
) -> None:
    counted = None if after is None else {"blue": QUIET, "green": {"requests": 150, **after}}
    evidence = confirmed(Proof(**{"sent": 150, **proof}), {"blue": QUIET}, counted, declared)
    assert (evidence["breach"], why in evidence["why"]) == (breach, True), evidence["why"]


def test_the_usual_errors_of_a_service_are_no_breach() -> None:
    before = {"blue": {"requests": 10_000, "errors": 200}}
    after = {"blue": {"requests": 10_500, "errors": 210}, "green": {"requests": 500, "errors": 9}}
    evidence = confirmed(Proof(sent=200, failed=5), before, after)
    assert evidence["breach"] is False
    assert evidence["why"].endswith("but the usual 2.00% of errors explains it")
    assert confirmed(Proof(sent=200, failed=40), before, after)["breach"] is True


def test_a_hold_is_added_to_the_gap() -> None:
    after = {"green": {"requests": 500, "errors": 0}}
    proof = Proof(sent=100, longest_gap_ms=4000.0, slow=2)
    assert confirmed(proof, {}, after)["breach"] is True
    evidence = confirmed(proof, {}, after, held_ms=60_000)
    assert (evidence["breach"], evidence["declared"]["max_gap_ms"]) == (False, 61_000)


def test_counters_of_haproxy_and_after_a_reload() -> None:
    """A failed connect is a 5xx too: it is one error. A reload begins to count anew."""
    before = {"blue": {"since": 1, "requests": 900, "5xx": 7, "connect_errors": 0, "response_errors": 0}}
    one = {"blue": {"since": 1, "requests": 950, "5xx": 8, "connect_errors": 1, "response_errors": 0}}
    assert confirmed(Proof(sent=100, failed=1), before, one)["breach"] is False
    reloaded = {"blue": {"since": 2, "requests": 950, "5xx": 7, "connect_errors": 0, "response_errors": 3}}
    evidence = confirmed(Proof(sent=100, failed=9), before, reloaded)
    assert evidence["why"] == "9 of 100 probes failed (0 declared), and the edge counted 7 errors"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ([], "service_proof must be a mapping with path, max_failed, max_gap_ms, not a list"),
        ({"max_fail": 1}, "service_proof has the unknown key 'max_fail' (did you mean 'max_failed'?)"),
        ({"max_failed": -1}, "service_proof.max_failed must be from 0 to 1000000, not -1"),
        ({"max_gap_ms": "1s"}, "service_proof.max_gap_ms must be a whole number"),
        ({"path": "x"}, "service_proof.path must be a path that starts with '/'"),
    ],
)
def test_what_is_no_declaration_is_refused(declared: Any, said: str) -> None:
    with pytest.raises(Refused) as refused:
        confirmed(Proof(), {}, {}, declared)
    assert refused.value.detail.startswith(said)
