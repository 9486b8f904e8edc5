# SPDX-License-Identifier: MIT
"""sessions.py [--show] [--watch] FILE [PID=COMMAND]...

Runs what a page in Markdown says that a shell does, and demands that it goes as written: in a pid
namespace of its own, where each COMMAND runs with its PID, and has said so on a line.

The page's blocks that are fenced with ```console are sessions: a line that begins with "# " or "$ "
is a command (it goes on in lines that are ">" or begin with "> "), the lines behind it are what it
says. All of them are of one shell. What no two runs have in common (addresses, times, pids of
others) may differ, and so may white space; a line "..." stands for any lines. A command whose
session does not show its failure has to succeed. With --show, the session is printed as it went.

From a pid namespace no probe can be watched. So blocks that are fenced with ```console watch are run with
--watch only, which runs nothing else: outside of such a namespace, with the pids that the commands get
there in the place of PID.
"""
import re
import subprocess
import sys
import time

MARK = "-- this command has ended:"


def blocks(text, watch):
    return re.findall(rf"^```console{' watch' if watch else ''}\n(.*?)^```", text, re.M | re.S)


def commands(block):
    """Pairs of a command and the lines that are expected of it."""
    result = []
    for line in block.splitlines():
        if line.startswith(("# ", "$ ")):
            result.append([line[2:], []])
        elif (line == ">" or line.startswith("> ")) and not result[-1][1]:
            result[-1][0] += "\n" + line[2:]
        else:
            result[-1][1].append(line)
    return result


def plain(line):
    line = re.sub(r"^bash: line \d+: ", "bash: ", line)
    line = re.sub(r"\b0x[0-9a-f]+\b", "0x", line)
    line = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    line = re.sub(r"\(process \d+\)", "(process)", line)
    return re.sub(r"\s+", " ", line).strip()


def agree(expected, actual):
    pattern = "".join(r"(?:.* )?" if line == "..." else re.escape(plain(line)) + " "
                      for line in expected if plain(line))
    return re.fullmatch(pattern, "".join(plain(line) + " " for line in actual if plain(line)))


class Shell:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def run(self, command):
        self.process.stdin.write(f"{command}\necho; echo '{MARK}' $?\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                break
            lines.append(line.rstrip("\n"))
        else:
            sys.exit(f"the shell ended at: {command}")
        return int(line.split()[-1]), lines[:-1] if lines[-1] == "" else lines


def start(shell, pid, command):
    status, said = shell.run(
        f"echo {int(pid) - 1} > /proc/sys/kernel/ns_last_pid; {command} > /tmp/said-{pid} & "
        f"disown; until grep -q ^pid /tmp/said-{pid}; do sleep 0.05; done; [ $! = {pid} ]")
    if status != 0:
        sys.exit(f"cannot start {command} as {pid}: {said}")


def start_anywhere(shell, command):
    """Returns its pid."""
    said = f"/tmp/said-{time.monotonic_ns()}"
    status, pid = shell.run(f"{command} > {said} & until grep -q ^pid {said}; do sleep 0.05; done; "
                            f"rm {said}; echo $!")
    if status != 0:
        sys.exit(f"cannot start {command}: {pid}")
    return pid[-1]


def main(words):
    options = {word for word in words if word.startswith("--")}
    path, *programs = [word for word in words if word not in options]
    show, watch = "--show" in options, "--watch" in options
    with open(path, encoding="utf-8") as file:
        text = file.read()
    shell = Shell(["bash"] if watch else
                  ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
    for each in programs:
        pid, command = each.split("=", 1)
        if watch:
            text = re.sub(rf"\b{pid}\b", start_anywhere(shell, command), text)
        else:
            start(shell, pid, command)
    count = 0
    for block in blocks(text, watch):
        for command, expected in commands(block):
            began = time.monotonic()
            status, actual = shell.run(command)
            count += 1
            if show:
                print("#", command.replace("\n", "\n> "), *actual, sep="\n", end="\n")
                print(f"({time.monotonic() - began:.2f} s)", file=sys.stderr)
            if not agree(expected, actual):
                sys.exit("\n".join([f"{path}: the command", command, "should have said", *expected,
                                    "and said", *actual]))
            if status != 0 and not expected:
                sys.exit(f"{path}: status {status} of: {command}")
    if count == 0:
        sys.exit(f"{path}: no commands")
    print(f"{count} commands went as {path} says")
    if watch:
        shell.run("kill $(jobs -p)")


main(sys.argv[1:])
