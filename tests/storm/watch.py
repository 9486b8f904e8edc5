# SPDX-License-Identifier: MIT
"""What the storms look at on their own: text, counters, threads, descriptors and memory of processes.

Nothing here believes the tree, or shares code with the engine.
"""
import contextlib
import hashlib
import os
import pathlib
import signal
import time

import image

OFF, ON = image.elffile.opcode("OFF"), image.elffile.opcode("ON")

# Both ends of those that a server keeps for a worker, and of those that are in use.
CHANNELS_MAX = 2 * (32 + 16)

# What a thread takes, in KiB, at most: its buffer for requests, its stack, its part of malloc, and
# with sanitizers a copy of all these (2.3 MiB each were seen). A server starts threads while
# requests take long, and keeps some: how many depends on how busy the machine is.
THREAD_MEMORY = 2560


# How much longer than on an idle machine everything may take: see tests/lib/patience.bash.
SLOWNESS = float(os.environ.get("PROBEFS_SLOWNESS", "100")) / 100


def slowness_now():
    """The same, where the machine has become busier since."""
    load, _, _, running, *_ = pathlib.Path("/proc/loadavg").read_text().split()
    wanted = max(float(load), float(running.split("/")[0]))
    return max(SLOWNESS, wanted / os.cpu_count())


class Failure(Exception):
    """What was to be proved is not so."""


def demand(condition, sentence):
    if not condition:
        raise Failure(sentence)


def wait_for(condition, what, seconds=10.0):
    """Waits until condition() is true; returns how long that took."""
    start = time.monotonic()
    seconds *= SLOWNESS
    while not condition():
        demand(time.monotonic() - start < seconds, f"waited {seconds} s in vain for: {what}")
        time.sleep(0.002)
    return time.monotonic() - start


def until_in_time(action):
    """Does what can be done again until it is answered in time, as it is not on a busy machine.

    Who did not answer is not asked again for up to 30 s, and all others are refused meanwhile.
    """
    end = time.monotonic() + 90 * SLOWNESS
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            return action()
        time.sleep(0.1)
    raise Failure("nothing is answered in time")


class Target:
    """A process of which the storms know every switch and counter."""

    def __init__(self, pid):
        self.pid = pid
        self.process = image.Process(pid)
        self.counters, self.switches = {}, {}
        for elf, bias, _ in image.instances(self.process):
            symbols = set(elf.symbols())
            for note in elf.notes():
                if not note.patched:
                    continue
                name = note.name.decode()
                counter = note.semaphore + bias + image.counter_offset(note, symbols)
                self.counters[name] = counter
                if note.site:
                    self.switches.setdefault(name, []).append(note.site + bias + 1)
        # Probes that an update of all reaches first, half way, and last.
        names = sorted(self.switches, key=self.counters.get)
        self.ends = [names[0], names[len(names) // 2], names[-1]]
        self.files = {}

    def counter(self, name):
        return int.from_bytes(self.process.read(self.counters[name], 2), "little")

    def state(self, name):
        """0, 1, or X where counter and switches disagree."""
        states = {self.counter(name) > 0}
        for address in self.switches[name]:
            byte = self.process.read(address, 1)[0]
            demand(byte in (OFF, ON), f"{self.pid}: the switch at {address:x} is {byte:02x}")
            states.add(byte == ON)
        return "X" if len(states) > 1 else "1" if states.pop() else "0"

    def states(self):
        return {name: self.state(name) for name in self.counters}

    def is_between(self):
        """Is an update of all probes under way: is a part of the counters and switches on already?"""
        seen = {self.counter(name) > 0 for name in self.ends}
        seen.update(self.process.read(self.switches[name][-1], 1)[0] == ON for name in self.ends)
        return len(seen) > 1

    def file_of(self, mapping):
        if mapping.file not in self.files:
            path = f"/proc/{self.pid}/map_files/{mapping.start:x}-{mapping.end:x}"
            with open(path, "rb") as file:
                self.files[mapping.file] = file.read()
        return self.files[mapping.file]

    def check_text(self):
        """Compares all code with the files it comes from; returns how many bytes that were."""
        switches = {address for each in self.switches.values() for address in each}
        total = 0
        for mapping in self.process.maps:
            if b"x" not in mapping.perms or mapping.file[1] == b"0":
                continue
            length = mapping.end - mapping.start
            text = self.process.read(mapping.start, length)
            file = self.file_of(mapping)[mapping.offset:mapping.offset + length]
            file += bytes(length - len(file))
            total += len(text)
            if text == file:
                continue
            for i in (i for i in range(length) if text[i] != file[i]):
                address = mapping.start + i
                demand(address in switches and text[i] in (OFF, ON),
                       f"{self.pid}: code at {address:x} is {text[i]:02x}, in the file "
                       f"{file[i]:02x}")
        return total


def threads_of(pid):
    """(tid, state letter, pid of the tracer) of each thread."""
    result = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            text = pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        result.append((int(tid), fields["State"][0], int(fields["TracerPid"])))
    return result


def is_free(pid):
    """No thread is stopped, none is traced, none is dead."""
    return all(state in "RSD" and tracer == 0 for _, state, tracer in threads_of(pid))


def memory_of(pid):
    """A digest of all that a process that is stopped has in its memory."""
    process = image.Process(pid)
    digest = hashlib.sha256()
    for mapping in process.maps:
        if mapping.path in (b"[vvar]", b"[vsyscall]", b"[vvar_vclock]") or b"r" not in mapping.perms:
            continue
        digest.update(f"{mapping.start:x}-{mapping.end:x}".encode())
        digest.update(process.read(mapping.start, mapping.end - mapping.start))
    os.close(process.mem)
    return digest.hexdigest()


def children_of(server):
    """The server's workers, and the guardian of its holds; zombies left out."""
    result = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            stat = pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == server and stat[0] != "Z":
                result.append(int(name))
        except OSError:
            continue
    return result


def is_worker(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"probefs-worker")
    return False


def workers_of(server):
    """Those that have begun: nobody can tell yet what one is that has not."""
    return [pid for pid in children_of(server) if is_worker(pid)]


def uid_of(pid):
    """Whose process it is, also one that may not be looked into, whose files in /proc are root's."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("Uid:", 1)[1].split()[0])


def workers_for(server, target):
    """The server's workers that run as TARGET's user."""
    user = uid_of(target.pid)
    result = []
    for pid in workers_of(server):
        with contextlib.suppress(OSError):
            if uid_of(pid) == user:
                result.append(pid)
    return result


def are_stopped(pids):
    """All of their threads, by a signal."""
    return all(state == "T" for pid in pids for _, state, _ in threads_of(pid))


def is_ended(pids):
    """Has one of them ended? Then it has no threads but dead ones."""
    return any(state in "ZX" for pid in pids for _, state, _ in threads_of(pid))


def stop_between(server, target, seconds):
    """
    Stops the workers for TARGET in the middle of an update of all of its probes, while somebody makes
    one after the other, and returns them. A death that comes now cuts off an update.
    """
    end = time.monotonic() + seconds * SLOWNESS
    while time.monotonic() < end:
        if not target.is_between():
            continue
        workers = workers_for(server, target)
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            wait_for(lambda pids=workers: is_ended(pids) or are_stopped(pids), "workers to stop",
                     seconds)
            if target.is_between() and are_stopped(workers):
                return workers
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
    raise Failure(f"{target.pid}: no update was met in {seconds} s")


class Usage:
    """
    What a server and its workers have: open files, channels (some are kept for the next calls),
    threads, and anonymous memory in KiB.
    """

    def __init__(self, server):
        self.files = self.channels = self.threads = self.memory = 0
        self.pids = [server] + children_of(server)
        for pid in self.pids:
            try:
                self.count(pid)
            except OSError:
                continue  # a worker that has just ended

    def count(self, pid):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            is_channel = os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
            self.channels += is_channel
            self.files += not is_channel
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        self.threads += int(fields["Threads"])
        self.memory += int(fields["RssAnon"].split()[0])

    def has_grown(self, before, files, memory):
        """
        By more than so many files, by more KiB (and more than a quarter: sanitizers take their
        part) than threads that came take, or by more channels than the server keeps.
        """
        threads = max(0, self.threads - before.threads)
        more = max(memory, before.memory // 4) + threads * THREAD_MEMORY
        return (self.files > before.files + files or
                self.memory > before.memory + more or
                self.channels > CHANNELS_MAX * len(self.pids))

    def __str__(self):
        return (f"{len(self.pids)} processes, {self.files} files, {self.channels} channels, "
                f"{self.threads} threads, {self.memory} KiB")
