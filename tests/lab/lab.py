# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests and the demo need beside an engine: a real registry on 127.0.0.1:5000 and base images in it.

Docker Hub's images when it answers one short probe, else the same things built here from Debian's packages.

    lab.py up [IMAGE...]    registry and images (all, or those named, as `haproxy:3.0`); quick when they are there
    lab.py down             take away the registry, everything that came from it, and nothing else
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

REGISTRY = "127.0.0.1:5000"
CONTAINER = VOLUME = "steady-lab-registry"
REGISTRY_IMAGE = "steady-lab-registry:latest"
HUB_REGISTRY_IMAGE = "registry:2"
BASE = "debian:trixie-slim"
# Those that others wait for come first.
IMAGES = ("haproxy:3.0", "python:3.13-slim", "postgres:17", "redis:8", "nginx:1", BASE)
HUB = "https://registry-1.docker.io/v2/"
# As in the official image: without it each package installed leaves 50 MB of indexes in the image.
APT_KEEPS_NOTHING = """Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
"""
HERE = Path(__file__).resolve().parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """A sentence for the person who ran this."""


def docker(*arguments: str, accept: tuple[int, ...] = (0,), timeout: float = 900) -> str:
    said = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
    )
    if said.returncode not in accept:
        raise LabError(f"docker {' '.join(arguments[:3])}: {said.stderr.strip()[-2000:]}")
    return said.stdout.strip()


def here(image: str) -> str:
    """The name under which *image* is in the lab's registry."""
    return f"{REGISTRY}/{image}"


def answers(url: str, timeout: float, method: str = "GET", accept: str = "*/*") -> int:
    """The HTTP status of *url*, or 0."""
    request = urllib.request.Request(url, method=method, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0


class Source:
    """Where images come from; asks Docker Hub once, and only when something is missing."""

    def __init__(self) -> None:
        self._hub: bool | None = None

    def make(self, image: str, name: str, stage: str) -> None:
        """Have *image* on this machine under *name*: from Docker Hub, else built as *stage* of images/Dockerfile."""
        if self._hub is None:
            self._hub = answers(HUB, timeout=4) in (200, 401)
        if not (self._hub and _pull(image, name)):
            _debootstrap(name) if image == BASE else _build(name, stage)


def _pull(image: str, name: str) -> bool:
    known = docker("image", "inspect", "-f", "{{.Id}}", image, accept=(0, 1))
    try:
        docker("pull", "-q", image)
    except LabError as error:
        say(f"{image}: Docker Hub answers, but {error}; building it here")
        return False
    docker("tag", image, name)
    if not known:
        docker("image", "rm", image)
    return True


def _build(name: str, stage: str) -> None:
    if not docker("image", "ls", "-q", here(BASE)):
        _debootstrap(here(BASE))
    proxies = [word for name in ("http_proxy", "https_proxy", "no_proxy") for word in ("--build-arg", name)]
    docker(
        "build", "-q", "--force-rm", "--network", "host", "--build-arg", f"BASE={here(BASE)}", *proxies,
        "--target", stage, "-t", name, str(HERE / "images"),
    )  # fmt: skip


def _debootstrap(name: str) -> None:
    if os.geteuid() != 0:
        raise LabError("no registry answers, and making a base image takes root: run this again with sudo")
    if not shutil.which("debootstrap"):
        words = ["apt-get", "install", "-qq", "-y", "debootstrap", "debian-archive-keyring"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="steady-lab-") as directory:
        root = Path(directory, "root")
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "trixie", str(root)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise LabError(f"debootstrap of Debian trixie failed: {made.stdout.strip()[-2000:]}")
        (root / "etc/apt/apt.conf.d/docker-clean").write_text(APT_KEEPS_NOTHING)
        tar = subprocess.Popen(
            ["tar", "-C", str(root), "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "-c", "."],
            stdout=subprocess.PIPE,
        )
        settings = ["-c", f"ENV PATH={PATH}", "-c", 'CMD ["bash"]']
        subprocess.run(
            ["docker", "import", *settings, "-", name], stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL
        )
        if tar.wait():
            raise LabError("packing the base image failed")


def registry(source: Source) -> None:
    """A registry in a container that outlives this process and the machine's next start."""
    state = docker("container", "inspect", "-f", "{{.State.Running}}", CONTAINER, accept=(0, 1))
    if state == "true" and answers(f"http://{REGISTRY}/v2/", timeout=2) == 200:
        return
    if state:
        docker("rm", "-f", CONTAINER)
    host, port = REGISTRY.split(":")
    with socket.socket() as probe:
        if probe.connect_ex((host, int(port))) == 0:
            raise LabError(f"{REGISTRY} is taken by something that is not the lab's registry: stop it first")
    if not docker("image", "ls", "-q", REGISTRY_IMAGE):
        source.make(HUB_REGISTRY_IMAGE, REGISTRY_IMAGE, "registry")
    # The host's network: no docker-proxy between, so that the registry answers while a test has killed dockerd.
    docker(
        "run", "-d", "--name", CONTAINER, "--restart", "unless-stopped", "--network", "host",
        "-v", f"{VOLUME}:/var/lib/registry", "-e", f"REGISTRY_HTTP_ADDR={REGISTRY}",
        "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true", "-e", "OTEL_TRACES_EXPORTER=none", REGISTRY_IMAGE,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while answers(f"http://{REGISTRY}/v2/", timeout=2) != 200:
        if time.monotonic() > deadline:
            raise LabError(f"the registry does not answer: {docker('logs', '--tail', '20', CONTAINER)}")
        time.sleep(0.1)


def up(images: list[str]) -> None:
    source = Source()
    registry(source)
    for image in images:
        start = time.monotonic()
        name = here(image)
        local = docker("image", "ls", "-q", name)
        if local and pushed(image):
            continue
        if not local and not (pushed(image) and _from_registry(name)):
            source.make(image, name, image.partition(":")[0])
        docker("push", "-q", name)
        say(f"{name} in {time.monotonic() - start:.0f} s")


def _from_registry(name: str) -> bool:
    try:
        docker("pull", "-q", name)
    except LabError:
        return False
    return True


def pushed(image: str) -> bool:
    repository, _colon, tag = image.partition(":")
    kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    kinds += ", application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.index.v1+json"
    return answers(f"http://{REGISTRY}/v2/{repository}/manifests/{tag}", 2, "HEAD", kinds) == 200


def _names() -> list[str]:
    """All images of this host by name: with a tag, or with a digest where it has no tag any more."""
    listed = docker("image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
    rows = (line.split() for line in listed.splitlines())
    return [f"{name}@{digest}" if tag == "<none>" else f"{name}:{tag}" for name, tag, digest in rows]


def down() -> None:
    """Remove the registry, and the images that are named after it; images still in use stay, and are named."""
    ours = {here(image) for image in IMAGES} | {REGISTRY_IMAGE}
    every = _names()
    if docker("container", "inspect", "-f", "{{.Id}}", CONTAINER, accept=(0, 1)):
        ours |= {name for name in every if name.startswith(REGISTRY + "/")}
        docker("rm", "-f", "-v", CONTAINER)
    if docker("volume", "ls", "-q", "-f", f"name=^{VOLUME}$"):
        docker("volume", "rm", VOLUME)
    kept = []
    # Images before the base that they were built from.
    for name in sorted(ours.intersection(every), key=lambda each: each == here(BASE)):
        try:
            docker("image", "rm", name)
        except LabError:
            kept.append(name)
    if kept:
        raise LabError(f"still used by containers, and so kept: {', '.join(kept)}")


def say(text: str) -> None:
    print(f"lab: {text}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=f"of {', '.join(IMAGES)}")
    options = parser.parse_args()
    try:
        unknown = set(options.images) - set(IMAGES)
        if unknown:
            raise LabError(f"no such image in the lab: {', '.join(sorted(unknown))}; there are {', '.join(IMAGES)}")
        up(options.images or list(IMAGES)) if options.command == "up" else down()
    except (LabError, subprocess.SubprocessError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
