#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An Ansible module: probes of a program's processes are enabled, or disabled. It uses the tree's files."""
import fnmatch
import os

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: probe
short_description: Switches tracing probes of running programs
description:
  - Brings probes of all processes of a program to a state, by way of a tree of probefs(5).
  - Each process is changed in one update. What is in that state already is left alone.
options:
  program:
    description: The name of the program's file, or its path. All of its processes are meant.
    type: str
    required: true
  probes:
    description: Names of probes as the tree shows them, or shell patterns of names.
    type: list
    elements: str
    required: true
  state:
    description: The state that all of these probes are to have.
    type: str
    choices: [enabled, disabled]
    default: enabled
  mountpoint:
    description: Where the tree is mounted.
    type: str
    default: /mnt/probes
  missing_ok:
    description: Is it fine if no process runs the program?
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: garbage collections are reported by every server
  probe:
    program: server
    probes: ['gc_*']
    state: enabled
"""

RETURN = r"""
processes:
  description: The pids of the program's processes.
  type: list
changes:
  description: What was changed, or would be - a list of pids, and of probes of each.
  type: list
"""


class Gone(Exception):
    """The process has ended, or has become another program."""


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise Gone from error


def processes_of(mountpoint, program):
    """The pids, in order, of processes in the tree that run PROGRAM."""
    result = []
    for name in os.listdir(mountpoint):
        if not name.isdigit():
            continue
        try:
            exe = os.readlink(os.path.join(mountpoint, name, "exe"))
        except OSError:
            continue
        exe = exe.removesuffix(" (deleted)")
        if program in (exe, os.path.basename(exe)):
            result.append(int(name))
    return sorted(result)


def states_of(directory):
    """The states of a process's probes, by name: 0, 1 or X. See `info` in probefs(5)."""
    lines = (line.split(" ", 3) for line in read(os.path.join(directory, "info")).splitlines())
    return {name: state for state, _, _, name in lines if state != "-"}


def probes_meant(states, patterns):
    """The names that the patterns mean, in order, and the patterns that mean none."""
    names, unmatched = set(), []
    for pattern in patterns:
        matched = {name for name in states if name == pattern or fnmatch.fnmatchcase(name, pattern)}
        names |= matched
        if not matched:
            unmatched.append(pattern)
    return sorted(names), unmatched


def apply_update(directory, value, names):
    """All of them as one update. Raises OSError."""
    file = os.open(os.path.join(directory, "control"), os.O_WRONLY)
    try:
        os.write(file, " ".join([value, *names]).encode() + b"\n")
    finally:
        os.close(file)


def last_error(directory):
    """Why it failed, in a sentence, if the tree says so."""
    try:
        return read(os.path.join(directory, "error_log")).splitlines()[-1]
    except (Gone, OSError, IndexError):
        return ""


def bring(module, pid):
    """Brings one process to the state. Returns the probes that are changed, or would be."""
    directory = os.path.join(module.params["mountpoint"], str(pid))
    value = "1" if module.params["state"] == "enabled" else "0"
    states = states_of(directory)
    names, unmatched = probes_meant(states, module.params["probes"])
    if unmatched:
        module.fail_json(msg=f"process {pid} has no probe that matches: {' '.join(unmatched)}")
    names = [name for name in names if states[name] != value]
    if names and not module.check_mode:
        try:
            apply_update(directory, value, names)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise Gone from error
        except OSError as error:
            module.fail_json(msg=f"cannot switch probes of process {pid}: {error.strerror}. "
                                 + last_error(directory))
    return names


def main():
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "str", "required": True},
            "probes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
            "mountpoint": {"type": "str", "default": "/mnt/probes"},
            "missing_ok": {"type": "bool", "default": False},
        },
        supports_check_mode=True)
    mountpoint, program = module.params["mountpoint"], module.params["program"]
    if not os.path.exists(os.path.join(mountpoint, "README")):
        module.fail_json(msg=f"there is no tree of probefs at {mountpoint}")
    pids = processes_of(mountpoint, program)
    if not pids and not module.params["missing_ok"]:
        module.fail_json(msg=f"no process with probes runs {program}")
    changes = []
    for pid in pids:
        try:
            names = bring(module, pid)
        except Gone:
            continue
        if names:
            changes.append({"pid": pid, "probes": names})
    module.exit_json(changed=bool(changes), processes=pids, changes=changes)


if __name__ == "__main__":
    main()
