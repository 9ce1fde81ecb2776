# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All classes of bad input, by name."""

from __future__ import annotations

from . import compose, extra_vars, manifests, names, runs, services, smoke_tests, values

CLASSES = {
    "extra_vars": extra_vars.CASES,
    "names": names.CASES,
    "values": values.CASES,
    "services": services.CASES,
    "runs": runs.CASES,
    "smoke_tests": smoke_tests.CASES,
    "manifests": manifests.CASES,
    "compose": compose.CASES,
}
