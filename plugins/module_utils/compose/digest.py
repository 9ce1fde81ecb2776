# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two models, for people, and digests of files that contain secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from .model import services, words

_NOT_SHOWN = "(values are not shown)"
# Keys whose values cannot hold a secret in any sane file, and tell most when they are shown.
_SHOWN = words(
    "image restart user hostname container_name network_mode platform scale cpus mem_limit read_only privileged "
    "stop_grace_period stop_signal working_dir init"
)


def key_from(path: str) -> bytes:
    """The key for digests in the file *path*, made (32 random bytes, mode 0600) when it is not there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        with open(path, "rb") as file:
            return file.read()
    key = os.urandom(32)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key


def keyed_digest(key: bytes, data: Any) -> str:
    """``hmac-sha256:…`` of bytes, text or JSON data: tells files apart, and nobody can guess what is in them."""
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    return "hmac-sha256:" + hmac.new(key, raw, hashlib.sha256).hexdigest()


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The differences between two models, one sentence each; of variables, secrets and commands only the names."""
    before, after = services(old), services(new)
    found = _members("service", before, after)
    for name in sorted(set(before) & set(after)):
        keys = sorted(set(before[name]) | set(after[name]))
        for key in keys:
            found += [f"{name}: {text}" for text in _difference(key, before[name].get(key), after[name].get(key))]
    for kind in ("networks", "volumes", "secrets", "configs"):
        ours, theirs = old.get(kind) or {}, new.get(kind) or {}
        found += _members(kind[:-1], ours, theirs)
        differ = [key for key in sorted(set(ours) & set(theirs)) if ours[key] != theirs[key]]
        found += [f"{kind[:-1]} {key} is defined differently" for key in differ]
    return found


def _members(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [f"{what} {name} is new" for name in sorted(set(after) - set(before))] + [
        f"{what} {name} is gone" for name in sorted(set(before) - set(after))
    ]


def _difference(key: str, old: Any, new: Any) -> list[str]:
    if (old or None) == (new or None):
        return []
    if key in ("environment", "labels", "depends_on", "networks", "extra_hosts", "sysctls", "ulimits"):
        return _names(key, _mapping(old), _mapping(new))
    if key in ("ports", "volumes", "secrets", "configs"):
        return _names(key, {_entry(key, one): one for one in old or []}, {_entry(key, one): one for one in new or []})
    if key == "deploy" and _replicas(old) != _replicas(new):
        return [f"replicas {_replicas(old)} -> {_replicas(new)}"]
    if key in _SHOWN:
        return [f"{key} {'none' if old is None else old} -> {'none' if new is None else new}"]
    return [f"{key} {'is new' if old is None else 'is gone' if new is None else 'changed'}"]


def _names(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    parts = [f"+{name}" for name in sorted(set(new) - set(old))]
    parts += [f"-{name}" for name in sorted(set(old) - set(new))]
    parts += [f"~{name}" for name in sorted(set(old) & set(new)) if old[name] != new[name]]
    hidden = f" {_NOT_SHOWN}" if key in ("environment", "labels") else ""
    return [f"{key} {', '.join(parts)}{hidden}"] if parts else [f"{key} changed"]


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {str(one).partition("=")[0]: one for one in value or []}


def _entry(key: str, one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    if key == "ports":
        address = f"{one['host_ip']}:" if one.get("host_ip") else ""
        return f"{address}{one.get('published', '')}:{one.get('target')}/{one.get('protocol', 'tcp')}"
    return f"{one.get('source', '')}:{one.get('target', '')}"


def _replicas(deploy: Any) -> int:
    return int((deploy or {}).get("replicas") or 1)
