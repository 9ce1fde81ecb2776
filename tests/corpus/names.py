# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a service is called, and the files that it is made of: inventory variables."""

from __future__ import annotations

from .case import inventory

CASES = [
    # -- names
    inventory("name: a path", "service_name must be lower-case letters, digits and -", name="../../etc"),
    inventory("name: absolute", "service_name must be lower-case letters", name="/etc"),
    inventory("name: upper case", "service_name must be lower-case letters", name="Shop"),
    inventory("name: a digit first", "service_name must be lower-case letters", name="1shop"),
    inventory("name: too long", "service_name must be lower-case letters", name="a" * 32),
    inventory("name: very long", "service_name must have 1 to 63 characters, not 100000", name="a" * 100_000),
    inventory("name: empty", "service_name is missing", name=""),
    inventory("name: a shell command", "service_name", name="shop;reboot"),
    inventory("name: a newline", "service_name contains the character U+000A", name="shop\n"),
    inventory("name: Cyrillic", "service_name must be lower-case letters", name="sh\u043ep"),
    inventory("name: a number", "service_name must be lower-case letters", name=5),
    inventory("name: that of a slot", "service_name must not end with -blue", name="shop-blue"),
    inventory("name: that of an edge", "service_name must not end with -edge", name="shop-edge"),
    inventory("project: upper case", "service_project must be lower-case letters", project="Shop"),
    inventory("project: too long", "service_project", project="p" * 56),
    inventory("project: that of a slot", "service_project must not end with -green", project="shop-green"),
    inventory("platform: another", "service_platform must be one of compose, not 'kubernetes'", platform="kubernetes"),
    # -- files
    inventory(
        "compose_files: a string", "service_compose_files must be a list, not a string", compose_files="compose.yaml"
    ),
    inventory("compose_files: a mapping", "service_compose_files", "list", compose_files={"a": 1}),
    inventory(
        "compose_files: a path out",
        "service_compose_files[0] must be a path inside service_source",
        compose_files=["../x"],
    ),
    inventory(
        "compose_files: absolute", "service_compose_files[0] must be a path inside", compose_files=["/etc/passwd"]
    ),
    inventory("compose_files: of a home", "service_compose_files[0] must be a path inside", compose_files=["~/x.yaml"]),
    inventory(
        "compose_files: not there",
        "compos.yaml is not in the source directory",
        "Did you mean compose.yaml?",
        compose_files=["compos.yaml"],
    ),
    inventory("compose_files: standard input", "- is not in the source directory", compose_files=["-"]),
    inventory(
        "compose_files: twice", "service_compose_files[1] is 'compose.yaml' again", compose_files=["compose.yaml"] * 2
    ),
    inventory("compose_files: a number", "service_compose_files[0] must be a string, not a number", compose_files=[1]),
    inventory(
        "compose_files: a null character",
        "service_compose_files[0] contains the character U+0000",
        compose_files=["a\0"],
    ),
    inventory("compose_files: a directory", ". is not inside the source directory", compose_files=["."]),
    inventory(
        "compose_files: too many",
        "service_compose_files has 201 entries",
        compose_files=[f"{n}.yaml" for n in range(201)],
    ),
    inventory("source: not there", "the source directory does not exist", source="/nonexistent/source"),
    inventory("source: not set", "service_source is not set", source=""),
    inventory(
        "manifests: not there", "the directory of release manifests cannot be read", manifests="/nonexistent/releases"
    ),
    inventory("manifests: not set", "service_manifests is not set", manifests=""),
    inventory(
        "edge_maintenance: a path out",
        "service_edge_maintenance must be a path inside",
        edge_maintenance="../../../etc/shadow",
    ),
    inventory(
        "edge_maintenance: absolute", "service_edge_maintenance must be a path inside", edge_maintenance="/etc/shadow"
    ),
    inventory(
        "edge_maintenance: not there",
        "service_edge_maintenance names gone.html, which is not in service_source",
        edge_maintenance="gone.html",
    ),
    inventory("edge_maintenance: a directory", "which is not in service_source", edge_maintenance="."),
    inventory("profiles: a shell command", "service_profiles[0] must be the name of a profile", profiles=["a b; id"]),
    inventory("profiles: an option", "service_profiles[0] must be the name of a profile", profiles=["--dry-run"]),
    inventory("profiles: nobody has it", "no service has the profile debug", profiles=["debug"]),
    inventory("profiles: a string", "service_profiles must be a list", profiles="debug"),
    # -- what the guard does not see
    inventory("image in the inventory: a shell command", "image is malformed", version="", image="hello:1;id"),
    inventory("images in the inventory: a number", "images.web must be a string", images={"web": 5}),
    inventory("commit in the inventory: a path", "commit is malformed", commit="../HEAD"),
]
