# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compose files that cannot be released without an outage, or at all."""

from __future__ import annotations

from typing import Any

from .case import COMPOSE, SECRET, Case, Link, Pipe

WEB = "services:\n  web:\n    image: 127.0.0.1:5000/hello:1\n    ports: ['18099:8000']\n"
PORTS = "    ports: ['18099:8000']\n"
BOMB = "x-a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"x-{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)


def file(name: str, *says: str, text: Any, **variables: Any) -> Case:
    """A case whose compose.yaml is *text*."""
    return Case(name, says, files={"source/compose.yaml": text}, variables=variables)


def web(name: str, *says: str, lines: str, more: str = "", **variables: Any) -> Case:
    """A case whose one service is right but for *lines*; *more* stands beside it."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return file(name, *says, text=f"{WEB}{body}{more}", **variables)


def source(name: str, /, *says: str, **files: Any) -> Case:
    return Case(name, says, files={"source/" + name.replace("__", "/"): content for name, content in files.items()})


def image(name: str, *says: str, reference: str) -> Case:
    """A case where the manifest names no image, and the compose file this one."""
    text = WEB.replace("127.0.0.1:5000/hello:1", f"'{reference}'")
    return Case(name, says, files={"source/compose.yaml": text, "releases/1.1.0.yml": 'version: "1.1.0"\n'})


CASES = [
    # -- as files
    file("empty", "compose.yaml cannot be used", text=""),
    file("a list", "compose.yaml cannot be used", text="- web\n"),
    file(
        "no services",
        "the release names an image for web, which is no service of the compose file. There are: none.",
        text="services: {}\n",
    ),
    file("no YAML", "compose.yaml cannot be used: yaml: line ", text=WEB.replace("    ports", "   ports")),
    file("binary", "compose.yaml cannot be used", text=b"\x7fELF\x02\x01\x00\xff\xfe"),
    file("a null character", "compose.yaml cannot be used", text=WEB + "\0"),
    file("aliases that grow", "compose.yaml has aliases that grow to more than", text=WEB + BOMB),
    file("very deep", "compose.yaml cannot be used", text=WEB + "x-a: " + "[" * 20_000 + "]" * 20_000),
    file("a key twice", "compose.yaml cannot be used", "already defined", text=WEB + "    image: x\n"),
    file("an unknown key", "compose.yaml cannot be used", "servces", text=WEB + "servces: {}\n"),
    file("not there", "compose.yaml is not in the source directory", text=None),
    file("interpolation: unset", "a variable that is not set: NOWHERE", text=WEB + "    command: ${NOWHERE}\n"),
    file("interpolation: demanded", "required variable NOWHERE", text=WEB + "    command: ${NOWHERE:?say it}\n"),
    file("interpolation: malformed", "compose.yaml cannot be used", text=WEB + "    command: ${NO WHERE}\n"),
    file("interpolation: not closed", "compose.yaml cannot be used", text=WEB + "    command: ${NOWHERE\n"),
    file(
        "interpolation: a secret in a port",
        "compose.yaml cannot be used",
        text=COMPOSE.replace("${PORT}", "${DB_PASSWORD}"),
    ),
    source("an env file that is not there", "gone.env", **{"compose.yaml": WEB + "    env_file: [gone.env]\n"}),
    source(
        "an env file outside",
        "compose.yaml cannot be used",
        **{"compose.yaml": WEB + "    env_file: [/nonexistent/env]\n"},
    ),
    source(
        "an env file that is none",
        "compose.yaml cannot be used: an env_file, line 1: key cannot contain a space",
        **{"compose.yaml": WEB + "    env_file: [a.env]\n", "a.env": f"A B={SECRET}\n"},
    ),
    source("an .env that is none", "compose.yaml cannot be used", **{".env": f"A B={SECRET}\n"}),
    source(
        "an include that is not there",
        "compose.yaml cannot be used",
        **{"compose.yaml": "include: [gone.yaml]\n" + WEB},
    ),
    source(
        "an include of itself",
        "compose.yaml cannot be used",
        "include cycle",
        **{"compose.yaml": "include: [compose.yaml]\n" + WEB},
    ),
    file(
        "extends itself",
        "compose.yaml cannot be used",
        "Circular reference",
        text=WEB + "    extends: {service: web}\n",
    ),
    file("extends nobody", "compose.yaml cannot be used", text=WEB + "    extends: {service: base}\n"),
    source(
        "a link out of the source", "service_source: etc is a link that leaves the source directory", etc=Link("/etc")
    ),
    source("a link to above", "is a link that leaves the source directory", up=Link("../releases")),
    source("a link through another", "is a link that leaves the source directory", a=Link("."), b=Link("a/../..")),
    source("a pipe", "service_source: pipe is a socket, a device or a pipe", pipe=Pipe()),
    source("a name with a newline", "has a name that is not UTF-8 or cannot be seen", **{"a\nb": ""}),
    source("a name that is not UTF-8", "has a name that is not UTF-8 or cannot be seen", **{"a\udcff": ""}),
    # -- services that depend on each other
    web("depends on nobody", "depends on undefined service", "gone", lines="depends_on: [gone]"),
    web("depends on itself", "compose.yaml cannot be used", "cycle", lines="depends_on: [web]"),
    web(
        "depends in a circle",
        "compose.yaml cannot be used",
        "cycle",
        lines="depends_on: [b]",
        more="  b: {image: b, depends_on: [web]}\n",
    ),
    web(
        "state depends on a release",
        "db is state and stays where it is, but needs web",
        lines="",
        more="  db: {image: postgres, depends_on: [web]}\n",
    ),
    web("network of nobody", "compose.yaml cannot be used", "front", lines="networks: [front]"),
    web("volume of nobody", "compose.yaml cannot be used", "data", lines="volumes: ['data:/data']"),
    web("secret of nobody", "compose.yaml cannot be used", "key", lines="secrets: [key]"),
    web(
        "secret outside",
        "secret key, which is external",
        lines="secrets: [key]",
        more="secrets: {key: {external: true}}\n",
    ),
    web(
        "secret of an unset variable",
        "a variable that is not set: KEY",
        lines="secrets: [key]",
        more="secrets: {key: {environment: KEY}}\n",
    ),
    web("a name of a slot", "web-blue is what web is called in a slot", lines="", more="  web-blue: {image: b}\n"),
    web("a service's name that is none", "compose.yaml cannot be used", lines="", more="  'we b': {image: b}\n"),
    # -- ports
    file("ports: a range", "web publishes the range", text=WEB.replace("18099:8000", "18090-18095:8000")),
    file("ports: UDP", "the edge passes on TCP and HTTP only", text=WEB.replace("8000'", "8000/udp'")),
    file("ports: any", "on a port that Docker picks", text=WEB.replace("18099:", "")),
    file("ports: 0", "on a port that Docker picks", text=WEB.replace("18099:", "0:")),
    file("ports: too large", "compose.yaml cannot be used", text=WEB.replace("18099:", "99999:")),
    file("ports: a word", "compose.yaml cannot be used", text=WEB.replace("18099:", "http:")),
    file(
        "ports: an address that is none", "compose.yaml cannot be used", text=WEB.replace("18099:", "300.0.0.1:18099:")
    ),
    web(
        "ports: two services",
        "published port *:18099 is taken by api and by web",
        lines="",
        more="  api: {image: '127.0.0.1:5000/b:1', ports: ['18099:80'], healthcheck: {test: [CMD, x]}}\n",
    ),
    file(
        "ports: none",
        "no web service publishes a port",
        text="services: {web: {image: '127.0.0.1:5000/hello:1', expose: ['80']}}\n",
    ),
    # -- what a slot cannot do
    file(
        "network_mode: host",
        "web uses `network_mode: host`",
        text=WEB.replace(PORTS, "    network_mode: host\n"),
        service_roles={"web": "web"},
    ),
    file(
        "network_mode: a container",
        "web has `network_mode: container:other`",
        text=WEB.replace(PORTS, "    network_mode: container:other\n    expose: ['80']\n"),
    ),
    web("volumes of a container", "web has `volumes_from`", lines="volumes_from: ['container:other']"),
    web("external links", "web has `external_links`", lines="external_links: [other]"),
    web(
        "a link under another name",
        "web has `links: [db:database]`",
        lines="links: ['db:database']",
        more="  db: {image: postgres}\n",
    ),
    web("an anonymous volume", "web has a volume without a name at /data", lines="volumes: [/data]"),
    web("the whole source, writable", "web mounts the whole source directory writable", lines="volumes: ['./:/app']"),
    web(
        "a file of the release, writable", "web mounts ./compose.yaml writable", lines="volumes: ['./compose.yaml:/c']"
    ),
    web("Swarm's mode", "web has `deploy.mode: global`", lines="deploy: {mode: global}"),
    web("labels of a proxy", "which traefik acts on", "service_labels", lines="labels: {traefik.enable: 'true'}"),
    web("a duration that is none", "compose.yaml cannot be used", lines="stop_grace_period: soon"),
    web(
        "a healthcheck's interval that is none",
        "compose.yaml cannot be used",
        lines="healthcheck: {test: [CMD, x], interval: often}",
    ),
    web("replicas: negative", "web", lines="deploy: {replicas: -1}"),
    web("replicas: a word", "compose.yaml cannot be used", lines="deploy: {replicas: many}"),
    web("replicas: more than the edge knows", "web", "replicas", lines="deploy: {replicas: 65}"),
    web(
        "two at once",
        "web cannot run twice at once",
        "service_switch at auto",
        lines="volumes: ['data:/data']",
        more="volumes: {data: {}}\n",
        service_switch="overlap",
    ),
    # -- images
    image(
        "image: upper case",
        "the image '127.0.0.1:5000/Hello:1' of web is no image reference",
        reference="127.0.0.1:5000/Hello:1",
    ),
    image(
        "image: two words",
        "the image 'hello:1 --privileged' of web is no image reference",
        reference="hello:1 --privileged",
    ),
    image(
        "image: nobody has it",
        "the image 127.0.0.1:5000/gone:1 of web cannot be had: manifest unknown",
        reference="127.0.0.1:5000/gone:1",
    ),
    image("image: none", "compose.yaml cannot be used", "neither an image nor a build", reference=""),
    image("image: interpolation that is not meant", "is no image reference", reference="hello:$$TAG"),
]
