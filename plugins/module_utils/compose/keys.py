# Copyright (c) 2026, the steady.runbooks authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to each key of a service in a slot, as data: a key that is in no table is refused by name."""

from __future__ import annotations

from .model import words

# Taken over as they are.
KEPT = words(
    """annotations attach blkio_config cap_add cap_drop cgroup cgroup_parent command configs cpu_count cpu_percent
    cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset deploy device_cgroup_rules devices dns
    dns_opt dns_search domainname entrypoint environment expose extra_hosts gpus group_add healthcheck init isolation
    labels logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit oom_kill_disable oom_score_adj
    pids_limit platform post_start pre_stop privileged read_only restart runtime scale secrets security_opt shm_size
    stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits user userns_mode uts
    working_dir"""
)

# Changed on the way into a slot; render.py says how.
CHANGED = words("depends_on hostname image ipc network_mode networks pid ports volumes")

# Left out, because the rendered file already contains what they led to, or because we do it ourselves.
DROPPED = words("build container_name develop env_file label_file links profiles pull_policy")

# Refused with the reason and the way out.
REFUSED = {
    "external_links": (
        "links to containers of other projects, which a slot's own network does not have",
        "Put both on one external network and use the container's name there instead.",
    ),
    "volumes_from": (
        "takes its volumes from another container, which has another name in each slot",
        "Name the volumes in `volumes` of both services.",
    ),
    "credential_spec": ("needs Windows containers", "Use a Linux image."),
    "provider": (
        "is run by an external provider, not in a container that could be switched",
        "Give its address to the other services by `environment` and remove it from the file.",
    ),
    "models": (
        "uses models that Compose manages itself",
        "Give the model's address by `environment` instead.",
    ),
    "use_api_socket": (
        "gets the engine's API socket and logins from Compose",
        "Mount what it needs by `volumes` and `secrets` instead.",
    ),
    "extends": ("still extends another service after rendering", "Update Docker Compose: bootstrap.yml does it."),
    "log_driver": ("is an option of Compose file format 1", "Use `logging: {driver: …}`."),
    "log_opt": ("is an option of Compose file format 1", "Use `logging: {options: …}`."),
    "net": ("is an option of Compose file format 1", "Use `network_mode` or `networks`."),
    "dockerfile": ("is an option of Compose file format 1", "Use `build: {dockerfile: …}`."),
    "volume_driver": ("is an option of Compose file format 1", "Use the top level `volumes: {NAME: {driver: …}}`."),
}

# The top level. What is not here is refused by name.
TOP = words("configs include name networks secrets services version volumes")
TOP_REFUSED = {
    "models": (
        "has models that Compose runs itself, outside of the containers of a slot",
        "Give a model's address to the services by `environment`, and remove `models`.",
    ),
}

# Labels (by prefix) and environment variables that programs outside of this file act on. They see a container of each
# slot, and would send traffic to both, run jobs twice or replace a pinned container.
FOREIGN = {
    "traefik": (("traefik.",), ()),
    "caddy": (("caddy", "caddy_", "caddy."), ()),
    "nginx-proxy": (
        ("com.github.nginx-proxy.", "com.github.jrcs.letsencrypt_nginx_proxy_companion."),
        ("VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS", "VIRTUAL_PATH", "VIRTUAL_PORT", "LETSENCRYPT_HOST"),
    ),
    "haproxy": (("haproxy.", "easyhaproxy.", "com.docker.dockercloud.haproxy."), ("SERVICE_PORTS",)),
    "sablier": (("sablier.",), ()),
    "watchtower": (("com.centurylinklabs.watchtower.",), ()),
    "ouroboros": (("com.ouroboros.",), ()),
    "diun": (("diun.",), ()),
    "wud": (("wud.",), ()),
    "ofelia": (("ofelia.",), ()),
    "autoheal": (("autoheal",), ()),
    "deunhealth": (("deunhealth.",), ()),
    "docker-volume-backup": (("docker-volume-backup.",), ()),
    "swag": (("swag", "swag_"), ()),
    "registrator": ((), ("SERVICE_NAME", "SERVICE_TAGS", "SERVICE_CHECK_HTTP", "SERVICE_IGNORE")),
    "tsdproxy": (("tsdproxy.",), ()),
    "pangolin": (("pangolin.",), ()),
}

# What speaks at a port of a container other than HTTP: passed on as it is, by whatever number it is published.
PLAIN_TCP = {
    **dict.fromkeys((443, 8443, 9443), "TLS"),
    **dict.fromkeys((22, 2222), "SSH"),
    **dict.fromkeys((24, 25, 110, 143, 465, 587, 993, 995, 2525, 4190), "mail"),
    **dict.fromkeys((389, 636), "LDAP"),
    **dict.fromkeys((1883, 8883), "MQTT"),
    **dict.fromkeys((1433, 1521, 3306, 5432, 6379, 6432, 6543, 7687, 9042, 11211, 27017), "a database"),
    **dict.fromkeys((2181, 4222, 5671, 5672, 6650, 9092, 61613, 61616), "a broker"),
    **dict.fromkeys((3478, 5060, 5061, 5222, 5269, 5349, 6667, 6697, 64738), "chat or calls"),
    **dict.fromkeys((21, 23, 53, 139, 445, 548, 853, 873, 2049, 9418, 22000), "no HTTP"),
    **dict.fromkeys((1080, 1194, 1935, 3389, 5900, 8554, 25565), "no HTTP"),
}

# These send requests to whoever has their labels.
ROUTERS = ("traefik", "caddy", "nginx-proxy", "haproxy", "swag", "tsdproxy", "pangolin")

# Images (the last part of their names) of what makes containers anew when their image has changed.
REPLACERS = ("watchtower", "ouroboros")

# These only watch or show: a second container changes nothing for users.
HARMLESS = ("diun", "wud")
