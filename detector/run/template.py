"""The commented configuration that `detector init` writes."""

from __future__ import annotations

import os
from pathlib import Path

from detector.errors import ConfigError

TEMPLATE = """\
# Settings of the detector. A value that is commented out is the default; a path or an address, an example, and without
# it there is none. An unknown key is an error.
# Relative paths are relative to this file.

[portal]
zone = "Europe/Paris"            # days are calendar days in this zone
country = "FR"                   # whose public holidays are days off
# canaries = []                  # record tokens that nobody has a reason to look up
# canaries_file = "canaries.txt" # the same, one a line, as identifiers or tokens

[history]
folder = "history"               # what earlier days looked like; on a local disk, written by one host only.
#                                # With the unit of deploy/, which may write nowhere else: "/var/lib/detector/history"
# key_file = "detector.key"      # the key of the record tokens; null: one is made beside the history
# model = "model"                # null: the history's own, fitted on its schedule

[ledger]
# url = "postgresql://detector@db/detector"   # a team's; null: ledger.sqlite in the history.
#                                # DETECTOR_LEDGER_URL in the environment comes first and may hold a password

[engine]
# memory_limit = "1GB"             # of DuckDB; beyond it, work spills to temp_folder
# threads = 2
# temp_folder = "/var/tmp"

[run]
# close_after_s = 7200           # a day is judged as a whole so long after midnight
# settle_s = 600                 # a file that nobody wrote to for so long is whole
# metrics = "/run/detector/detector.prom"     # the unit of deploy/ makes that folder, for Prometheus' node exporter:
#                                # --collector.textfile.directory=/run/detector
# json_logs = false
# addresses_file = "known.txt"   # addresses of an attack, to look for on past days: `detector run --since DATE`

[retrain]
# every_days = 7
# first_days = 21                # closed days before the first model: until then only checks alert
# keep = 8

[watch]
# silent_events = 30             # no event in a pause in which so many usually come
# silent_least_s = 1800
# low_share = 0.2                # of the usual volume of the hour
# reject_share = 0.02
# drift_s = 300

[notify]
# language = "en"                # or "fr": messages and reasons of alerts; what ails the job itself is told in English
# attempts = 50                  # then a notification is given up, and `detector status` says so

# [[notify.receivers]]
# name = "on-call"               # stays the same when its address changes
# kind = "apprise"               # mail, chat, webhooks: https://github.com/caronc/apprise/wiki
# url = "mailtos://user:password@mail.example?to=oncall@example.org"
# severity = "medium"            # the least that is worth a message. By the records shown to one account (or written
#                                # by it), or to its campaign in all, on one day: medium from 100, high from 1,000,
#                                # critical from 10,000, low below that; a check may say more. Thefts often stay medium
# digest = 5                     # more alerts in one run become one message

# [[notify.receivers]]
# name = "syslog"
# kind = "syslog"                # RFC 5424
# url = "tcp://siem.example:601" # or udp://, tls://

# [[notify.receivers]]
# name = "siem"
# kind = "jsonl"
# path = "/var/lib/detector/alerts.jsonl"     # where the unit of deploy/ may write
# form = "ocsf"                  # or "ecs"

# What is read. Each file that matches is read once, by its content: rotated, compressed, growing or late ones too.
[[input]]
path = "incoming/*"              # a folder, file or glob
# mapping = "mapping.toml"       # what the logs call their columns and values (docs/mapping.md)
"""


def write_template(path: Path) -> None:
    """Write the configuration, readable by its owner alone: receivers' addresses may hold passwords.

    Raises
    ------
    ConfigError
        If the file is there already, or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already; remove it, or name another file (--config)") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
