# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-test downloads to put pip into its virtual environments, from the pip wheel that lies beside it.

Its own host is not reached from everywhere; a package index is, or nothing here could be installed at all.
"""

from __future__ import annotations

import glob
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, glob.glob(os.path.join(here, "pip-*.whl"))[0])

from pip._internal.cli.main import main  # the wheel has to be on sys.path first

asked = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", "--no-index", "--find-links", here, *asked]))
