# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resolve what was asked for on the controller, and have the target observe and plan it."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.steady.runbooks.plugins.module_utils.compose.settings import (
    check_platform,
    check_registries,
    check_secrets,
)
from ansible_collections.steady.runbooks.plugins.module_utils.errors import Refused
from ansible_collections.steady.runbooks.plugins.module_utils.run.variables import check_value
from ansible_collections.steady.runbooks.plugins.plugin_utils.carrying import call, send
from ansible_collections.steady.runbooks.plugins.plugin_utils.growth import check_growth
from ansible_collections.steady.runbooks.plugins.plugin_utils.manifests import find_manifest
from ansible_collections.steady.runbooks.plugins.plugin_utils.source import commit_of, pack

display = Display()

STATUS = {"go": "go", "no_go": "NO GO", "not_configured": "not configured"}


class ActionModule(ActionBase):
    """Manifest and source are the controller's; everything else is asked of the target in one module call."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(
        (
            "runbook",
            "settings",
            "secrets",
            "registries",
            "source",
            "source_exclude",
            "manifests",
            "version",
            "image",
            "images",
            "commit",
            "promoted",
        )
        + ("options", "platform", "actor")
    )

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _check, args = self.validate_argument_spec(
            argument_spec={
                "runbook": {"type": "str", "required": True},
                "settings": {"type": "dict", "required": True},
                "secrets": {"type": "raw", "default": {}},
                "registries": {"type": "raw", "default": []},
                "source": {"type": "path"},
                "source_exclude": {"type": "list", "elements": "str", "default": []},
                "manifests": {"type": "path"},
                "version": {"type": "str"},
                "image": {"type": "str"},
                "images": {"type": "dict", "default": {}},
                "commit": {"type": "str"},
                "promoted": {"type": "dict"},
                "options": {"type": "dict", "default": {}},
                "platform": {"type": "str", "default": "compose"},
                "actor": {"type": "dict", "default": {}},
            }
        )
        packed = None
        try:
            # Before a module gets them: Ansible shows what it sends as soon as it does not fit the module's options.
            check_platform(args["platform"])
            args.update(secrets=check_secrets(args["secrets"]), registries=check_registries(args["registries"]))
            release = self._release(args)
            module_args = {name: args[name] for name in ("runbook", "settings", "secrets", "registries", "options")}
            if release:
                packed = pack(args["source"], args["source_exclude"])
                release["source_digest"] = packed.digest
                module_args.update(release=release, archive=send(self, packed.path, "source.tar"))
            name = f"steady.runbooks.{args['platform']}_run"
            planned = call(self, name, module_args, task_vars)
        except Refused as refused:
            message = f"{refused.detail}. {refused.next_step}"
            return {**result, "failed": True, "msg": message, "failure": refused.as_dict()}
        finally:
            if packed:
                os.unlink(packed.path)
        if not planned.get("failed"):
            self._show(planned, task_vars.get("inventory_hostname", ""))
        return {**result, **planned, "actor": {**_actor(), **args["actor"]}}

    def _release(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """What was asked for as a new release; None when the runbook is about releases that the host has."""
        asked = {name: args[name] for name in ("version", "image", "images", "promoted") if args[name]}
        if args["runbook"] not in ("adopt", "apply_update", "preflight"):
            return None
        # What stands in the inventory has not met the guard.
        for name in ("version", "image", "images", "commit"):
            check_value(name, args[name])
        if not asked and args["runbook"] != "adopt":
            if args["runbook"] == "preflight":
                return None
            raise Refused(
                "no release is named",
                code="no_release",
                next_step="Give -e version=… (a release manifest), -e image=…, or -e promote_from=ENVIRONMENT.",
            )
        if not args["source"]:
            raise Refused(
                "service_source is not set", code="no_source", next_step="Set it to the directory of the compose file."
            )
        check_growth(args["source"])
        promoted = args["promoted"] or {}
        version = args["version"] or promoted.get("version")
        manifest = promoted.get("manifest") or {}
        if args["version"]:
            if not args["manifests"]:
                raise Refused(
                    "a version was named, but service_manifests is not set",
                    code="no_manifests",
                    next_step="Set it to the directory of release manifests, or name the release with -e image=….",
                )
            manifest = find_manifest(args["manifests"], args["version"])
        git = commit_of(args["source"])
        return {
            # What is adopted and not named is called by the image that runs.
            "version": version or ("" if args["runbook"] == "adopt" else _version_of(args["image"], args["images"])),
            "image": args["image"],
            "images": {**(manifest.get("images") or {}), **(promoted.get("images") or {}), **args["images"]},
            "manifest": dict(manifest),
            "commit": args["commit"] or promoted.get("commit") or manifest.get("commit") or git["commit"],
        }

    @staticmethod
    def _show(planned: dict[str, Any], host: str) -> None:
        for check in planned.get("checks") or []:
            colour = {"go": None, "no_go": "red", "not_configured": "bright gray"}[check["status"]]
            display.display(f"  [{host}] {STATUS[check['status']]}: {check['name']}: {check['detail']}", color=colour)
        for line in (planned.get("text") or "").splitlines():
            display.display(f"  [{host}] {line}")


def _version_of(image: str | None, images: dict[str, str]) -> str:
    """What to call a release that was named by its image: its tag, else the first digits of its digest."""
    reference = image or next(iter(images.values()), "")
    name, _at, digest = reference.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag or (digest.partition(":")[2][:12] if digest else "latest")


def _actor() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {"user": user, "controller": socket.gethostname()}
