# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person types with ``-e``, and the environment that it names."""

from __future__ import annotations

from typing import Any

from .case import Case

IMAGE = "127.0.0.1:5000/hello"
LOOKS_LIKE_VERSION = {"v\u0435rsion": "1.1.0"}


def said(name: str, /, *says: str, runbook: str = "apply_update", **extra: Any) -> Case:
    return Case(name, says, extra=extra, runbook=runbook)


def env(name: str, value: Any, *says: str, **groups: Any) -> Case:
    return Case(name, says, env=value, groups=groups or {"local": {"hello": "local"}})


CASES = [
    # -- version
    said("version: a shell command", "version contains", "version=1.1.0", version="1.1.0; rm -rf /\n"),
    said("version: a command substitution", "version is malformed", version="$(id)"),
    said("version: a template", "'version' contains a template", version="{{ 7 * 7 }}"),
    said("version: a statement of Jinja", "'version' contains a template", version="{% if true %}1.1.0{% endif %}"),
    said("version: a header of Jinja", "'version' contains a template", version="#jinja2: variable_start_string:'<<'"),
    said("version: a path", "version is malformed", version="../../../etc/passwd"),
    said("version: an encoded path", "version is malformed", version="..%2f..%2f1.1.0"),
    said("version: a number", "version must be a string, not a number (quote it)", version=1.1),
    said("version: a boolean", "version must be a string, not a boolean", version=True),
    said("version: a list", "version must be a string, not a list", version=["1.1.0"]),
    said("version: a mapping", "version must be a string, not a mapping", version={"a": 1}),
    said("version: a null character", "version contains the character U+0000", version="1.1.0\0"),
    said("version: a newline at its end", "version contains the character U+000A", version="1.1.0\n"),
    said(
        "version: Cyrillic", "version contains the character U+0410 (CYRILLIC CAPITAL LETTER A)", version="1.1.0-\u0410"
    ),
    said("version: full-width digits", "U+FF11 (FULLWIDTH DIGIT ONE)", version="\uff11.1.0"),
    said("version: Arabic digits", "U+0661 (ARABIC-INDIC DIGIT ONE)", version="\u0661.1.0"),
    said("version: turned around", "U+202E (RIGHT-TO-LEFT OVERRIDE)", version="\u202e0.1.1"),
    said("version: of no width", "U+200B (ZERO WIDTH SPACE)", version="1.1\u200b.0"),
    said("version: a colour", "U+001B", version="\x1b[31m1.1.0"),
    said("version: half a character", "U+DCFF", version="1.1.0\udcff"),
    said("version: very long", "is 500000 characters long; the limit is 64", version="1" * 500_000),
    said("version: a leading zero", "version is malformed", version="01.1.0"),
    said("version: two parts", "version is malformed", version="1.1"),
    said("version: a v", "version is malformed: 'v1.1.0'", version="v1.1.0"),
    said("version: a range", "version is malformed", version=">=1.0.0"),
    said("version: a huge number", "version is malformed", version="1.1.99999999999999999999"),
    said("version: nobody has it", "no release manifest of version '1.1.1' (nearest: 1.1.0)", version="1.1.1"),
    # -- images
    said("image: a shell command", "image contains", image="hello:1;reboot\n"),
    said("image: an option", "image is malformed", image="--privileged"),
    said("image: upper case", "image is malformed", image="127.0.0.1:5000/Hello:1"),
    said("image: an address", "image is malformed", image="https://registry.example.com/hello:1"),
    said("image: a login", "image is malformed", image="me:pass@registry.example.com/hello:1"),
    said("image: half a digest", "image is malformed", image=f"{IMAGE}@sha256:abc"),
    said("image: an empty tag", "image is malformed", image=f"{IMAGE}:"),
    said("image: interpolation", "image is malformed", image="hello:${VERSION}"),
    said("image: Cyrillic", "image contains the character U+0435 (CYRILLIC SMALL LETTER IE)", image="h\u0435llo:1"),
    said("image: very long", "the limit is 400", image="a" * 401),
    said("images: a string", "images must be a mapping, not a string", images=f"web={IMAGE}:1"),
    said("images: a list", "images must be a mapping, not a list", images=[f"{IMAGE}:1"]),
    said("images: a number", "images.web must be a string, not a number", images={"web": 1}),
    said(
        "images: a key that is no name",
        "images has a key that is no compose service: '../web'",
        images={"../web": IMAGE},
    ),
    said("images: a number as key", "images has a key that is no compose service: 1", images={1: IMAGE}),
    said(
        "images: no such service", "names an image for wbe, which is no service", "web?", images={"wbe": f"{IMAGE}:2"}
    ),
    # -- other variables
    said("a name that is nearly one", "unknown extra variable 'verison' (did you mean 'version'?)", verison="1.1.0"),
    said("a setting that is nearly one", "(did you mean 'service_warm_seconds'?)", service_warm_second=1),
    said("a variable of Ansible's own kind", "unknown extra variable 'hosts'", hosts="all"),
    said("a variable that only looks like one", "unknown extra variable 'v\\u0435rsion'", **LOOKS_LIKE_VERSION),
    said("two names for one", "both version and service_version are given", version="1.1.0", service_version="1.1.0"),
    said("no name at all", "is not of the form name=value", _raw_params="1.1.0"),
    said("another runbook's", "this runbook does not take 'direction'", version="1.1.0", direction="back"),
    said("a template deep inside", "'images' contains a template", images={"web": "{{ lookup('pipe', 'id') }}"}),
    said("a template as key", "contains a template", images={"{{ x }}": IMAGE}),
    said("commit: no hash", "commit is malformed", version="1.1.0", commit="main; id"),
    said("approved_plan: no hash", "approved_plan is malformed", version="1.1.0", approved_plan="../../x"),
    said("approved_plan: capital letters", "approved_plan is malformed", version="1.1.0", approved_plan="A" * 16),
    said("reason: two lines", "reason contains the character U+000A", version="1.1.0", reason="a\nb"),
    said("reason: very long", "the limit is 500", version="1.1.0", reason="x" * 501),
    said("accept_one_way: maybe", "accept_one_way is neither true nor false", version="1.1.0", accept_one_way="maybe"),
    said("nothing is named", "no release is named", "-e version=", reason="why not"),
    said("rollback: a path", "release is malformed", runbook="rollback", release="../1.0.0"),
    said("rollback: nobody has it", "no release 9.9.9 is kept", runbook="rollback", release="9.9.9"),
    said("maintenance: neither on nor off", "state is malformed", runbook="maintenance", state="onn"),
    said("maintenance: a boolean", "state must be a string, not a boolean", runbook="maintenance", state=True),
    said("maintenance: nothing said", "state is not given", "state=on", runbook="maintenance"),
    said("set_env: a name with a dash", "variable is malformed", runbook="set_env", variable="LOG-LEVEL", value="x"),
    said("set_env: two lines", "value contains the character U+000A", runbook="set_env", variable="A", value="a\nb"),
    said("set_env: a number", "value must be a string", runbook="set_env", variable="A", value=5),
    said("set_env: a service by its path", "service is malformed", runbook="set_env", variable="A", service="../web"),
    said("set_env: a name that is nearly one", "(did you mean 'variable'?)", runbook="set_env", varible="A", value="x"),
    said("set_env: nothing serves", "no release serves here", runbook="set_env", variable="A", value="x"),
    said("scale: none", "replicas is malformed", runbook="scale", service="web", replicas=0),
    said("scale: a comma", "cpus is malformed", runbook="scale", service="web", cpus="0,5"),
    said("scale: terabytes", "memory is malformed", runbook="scale", service="web", memory="1t"),
    said("scale: nothing asked for", "neither a scale nor its end", "replicas=3", runbook="scale", service="web"),
    said("recover: another direction", "direction is malformed", runbook="recover", direction="sideways"),
    said("recover: nothing died", "no run has died here", runbook="recover"),
    said("history: a negative number", "limit is malformed: '-1'", runbook="history", limit=-1),
    said("history: not a number", "limit is malformed", runbook="history", limit="many"),
    said("history: no date", "since is malformed", runbook="history", since="yesterday"),
    said("history: a day that is none", "since is no date: 2030-02-31", runbook="history", since="2030-02-31"),
    said("history: no head", "head is malformed", runbook="history", head="deadbeef"),
    said("history: a short head", "head is not of the form SEQUENCE:HASH", runbook="history", head="1:" + "a" * 16),
    # -- environments
    env("env: none", None, "no environment is given", "-e env=NAME"),
    env("env: all", "all", "env=all is no environment"),
    env("env: a pattern", "lo*", "is a pattern"),
    env("env: a union", "local:production", "is a pattern"),
    env("env: an index", "local[0]", "is a pattern"),
    env("env: misspelled", "lcoal", "unknown environment 'lcoal' (did you mean 'local'?)"),
    env("env: Cyrillic", "loc\u0430l", "env contains the character U+0430 (CYRILLIC SMALL LETTER A)"),
    env("env: a newline", "local\n", "env contains the character U+000A"),
    env("env: a list", ["local"], "env must be a string, not a list"),
    env("env: a number", 1, "env must be a string, not a number"),
    env("env: a host", "hello", "unknown environment 'hello'"),
    env("env: empty", "local", "environment 'local' is empty", local={}),
    env(
        "env: of no mark",
        "local",
        "host 'two' is in group 'local' but does not have",
        local={"one": "local", "two": None},
    ),
    env("env: a template as mark", "local", "group 'local' is no environment", local={"one": "{{ 'local' }}"}),
    env(
        "env: a host of two",
        "local",
        "belongs to two environments: 'local' and 'live'",
        local={"one": "local", "two": "local"},
        live={"one": "local", "other": "live"},
    ),
]
