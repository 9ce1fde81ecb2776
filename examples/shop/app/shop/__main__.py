# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the backend: one plain uvicorn process."""

from __future__ import annotations

import uvicorn

from . import settings

if __name__ == "__main__":
    settings.log_to_stderr()
    uvicorn.run("shop.main:app", host="0.0.0.0", port=8000, log_config=None, access_log=False)
