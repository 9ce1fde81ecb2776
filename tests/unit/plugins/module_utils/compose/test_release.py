# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the record of a new release says beside what it is made of."""

from __future__ import annotations

import pytest

from ansible_collections.steady.runbooks.plugins.module_utils.compose.host import Host
from ansible_collections.steady.runbooks.plugins.module_utils.compose.release import state_changes
from ansible_collections.steady.runbooks.plugins.module_utils.compose.render import Paths, base_model
from ansible_collections.steady.runbooks.plugins.module_utils.compose.understand import understand
from ansible_collections.steady.runbooks.plugins.module_utils.run.files import Files


def model_in(directory, image="postgres:17"):
    """A compose file in *directory* as Compose reads it, with its database's data beside it."""
    data = {"type": "bind", "source": f"{directory}/pgdata", "target": "/var/lib/postgresql/data"}
    web = {"image": "web:1", "ports": [{"target": 80, "published": "8080"}]}
    return {"name": "shop", "services": {"db": {"image": image, "volumes": [data]}, "web": web}}


@pytest.mark.parametrize("adopted", [{}, {"data": "/srv/shop"}], ids=["", "adopted"])
@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("postgres:17", []),
        ("postgres:18", ["db: image postgres:17 -> postgres:18: not done, an update does not touch state services."]),
    ],
)
def test_only_what_differs_in_a_state_service_is_said(tmp_path, adopted, image, told):
    host = Host(settings={"name": "shop"}, secrets={}, docker=None, files=Files(str(tmp_path)), clock=None)
    host.save_plain(**adopted)

    def base(model, paths):
        return base_model(model, understand(model, {}), paths=paths, anchor_image="x")

    kept, scratch = host.paths("1.0.0-1"), "/tmp/scratch/source"
    new = base(model_in(scratch, image), Paths(scratch, scratch, host.data))
    assert state_changes(base(model_in(kept.rendered), kept), new) == told
