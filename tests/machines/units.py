# SPDX-License-Identifier: MIT
"""What `meson introspect --tests` says, as a line for each test: name, seconds, command."""

import json
import shlex
import sys

for test in json.load(sys.stdin):
    environment = [f"{name}={value}" for name, value in test["env"].items()]
    command = shlex.join(["env", *environment, *test["cmd"]])
    print(test["name"], test["timeout"], command)
