# SPDX-License-Identifier: MIT
"""What the storms are made of: servers, targets of root and of a user, and how they have to end.

Storms are run in a pid namespace of their own (see storm.bats): a server there has nothing to do
with what else the machine does, so that what it needs for itself can be counted.
"""
import argparse
import os
import pwd
import re
import signal
import subprocess

import watch
from watch import demand


def parser(description):
    """With the arguments that all storms have."""
    result = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--programs", required=True, help="directory of all that is started")
    result.add_argument("--work", required=True, help="directory of mounts and of output")
    result.add_argument("--user", required=True, help="who has targets beside root")
    result.add_argument("--option", action="append", default=[], help="of the server")
    result.add_argument("--seed", type=int, default=1)
    return result


class Server:
    """probefs at a mount of its own."""

    def __init__(self, stage, name="mnt"):
        self.mount = f"{stage.options.work}/{name}"
        try:
            os.mkdir(self.mount)
        except FileExistsError:
            pass  # or the corpse of another server's mount is there
        command = [f"{stage.options.programs}/probefs", "-f", "-o", "log=error"]
        for option in stage.options.option:
            command += ["-o", option]
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command + [self.mount], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def wait(self, *targets):
        """Until the mount answers for TARGETS."""
        def answers():
            demand(self.process.poll() is None, "the server does not start")
            try:
                # Opened: what a dead server answered may be in the kernel's cache.
                with open(f"{self.mount}/README", "rb"):
                    pass
            except OSError:
                return False
            return all(os.path.exists(f"{self.mount}/{target.pid}/enabled") for target in targets)
        watch.wait_for(answers, "the mount", 60)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        subprocess.run(["umount", self.mount], check=True)
        demand(self.process.wait(20 * watch.SLOWNESS) == 0, "the server did not end with success")


class Tally(watch.Target):
    """A target that accounts for each pass of its sites; see tests/targets/tally.c."""

    def __init__(self, stage, user=None):
        # It leaves some of the machine to others.
        self.child = stage.start(user, "tally", "-n", "4", "-p", "500")
        super().__init__(self.child.pid)

    def end(self):
        """Every pass was a hit or a miss, and each hit one call of the handler."""
        self.child.terminate()
        text = self.child.communicate(timeout=60 * watch.SLOWNESS)[0].decode()
        demand(self.child.returncode == 0, f"a target ended with {self.child.returncode}")
        sums = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", text)}
        demand(sums["wrong"] == 0, f"passes that were neither a hit nor a miss: {text}")
        demand(sums["passes"] == sums["hits"] + sums["misses"], f"passes are missing: {text}")
        demand(sums["handled"] == sums["hits"], f"calls of the handler are not the hits: {text}")
        demand(sums["hits"] > 0 and sums["misses"] > 0, f"no storm was seen: {text}")
        print(f"a target: {text.strip()}")


class Broad(watch.Target):
    """A target with a thousand probes; see tests/targets/many.py."""

    def __init__(self, stage, user=None):
        self.child = stage.start(user, "many-1000")
        super().__init__(self.child.pid)


class Stage:
    def __init__(self, options):
        self.options = options

    def start(self, user, name, *arguments):
        """Starts a target, which says its pid."""
        identity = {}
        if user:
            entry = pwd.getpwnam(user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        child = subprocess.Popen([f"{self.options.programs}/{name}", *arguments], bufsize=0,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, **identity)
        said = child.stdout.readline().decode().strip()
        demand(said == f"pid {child.pid}", f"{name} did not start: '{said}'")
        return child

    def tallies(self):
        return [Tally(self), Tally(self, self.options.user)]

    def broad(self):
        return [Broad(self), Broad(self, self.options.user)]

    def writers(self, seed, milliseconds, trees, *arguments):
        command = [f"{self.options.programs}/writers", "-s", str(seed), "-m", str(milliseconds),
                   "-n", "8", *arguments, *trees]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    @staticmethod
    def finish(writers):
        """
        Returns what the writers say at their end, which has to be a good one, and whether all that
        they asked for was answered in time: else nobody knows what became of it.
        """
        text = writers.communicate(timeout=120 * watch.SLOWNESS)[0].decode().strip()
        demand(writers.returncode == 0, f"the writers: {text}")
        return text, text.endswith("late=0")


def main(run, options):
    """Runs a storm; what it was to prove and did not is its last line."""
    try:
        run(options)
    except watch.Failure as failure:
        raise SystemExit(f"{failure} (seed {options.seed})") from None
