# SPDX-License-Identifier: MIT
"""What all benchmarks share: a session with servers and targets, comparisons, results.

    with bench.Session("file") as session:
        pid = session.target("many-1000")
        ours, theirs = session.probefs(), session.floor()
        samples = session.time(1000, {
            "probefs": ("read", f"{ours}/{pid}/probe_00000/enabled"),
            "floor": ("read", f"{theirs}/target/probe_00000/enabled")})
        session.compare("open, read, close", samples["probefs"], "floor", samples["floor"],
                        at_most=1.2)

A comparison is made in one run: what is compared takes turns, so that whatever else the machine
does hits all alike, and what counts is the ratio of the medians. No benchmark fails because of a
time: a goal is written beside what was reached.

Surprises:
- Run as root. The whole run is made nicer to itself (BENCH_NICE, -15 by default) where it may;
  BENCH_FIFO=1 gives it real-time priority, where other work would drown what is measured.
- BENCH_TINY=1 does everything with tiny counts: to see that it works, not what it costs.
- Results go to BENCH_RESULTS/NAME.json, with BENCH_RUN=N to NAME.N.json; report.py makes tables and
  plots of them.
"""
import contextlib
import datetime
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("BENCH_BUILD", os.path.join(HERE, "../../build"))
RESULTS = os.environ.get("BENCH_RESULTS", os.path.join(BUILD, "bench"))
TINY = os.environ.get("BENCH_TINY") == "1"
TARGETS = os.path.join(BUILD, "tests/targets")
PROGRAMS = os.path.join(BUILD, "tests/bench")


# Where servers and callers run: waking another CPU takes longer than a change of tasks on one, so
# that what is compared has to be placed alike.
PLACES = ("one CPU",) if os.cpu_count() == 1 else ("CPUs of their own", "one CPU")


def rounds(wanted):
    """How many rounds of something to do."""
    return min(wanted, 3) if TINY else wanted


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpus": os.cpu_count(), "model": model,
            "kernel": platform.release().split("-")[0].split("+")[0]}


def until(condition, what, seconds=20):
    """Waits for an event."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.005)


def now():
    return time.perf_counter_ns()


def timed(action):
    """The nanoseconds that ACTION takes."""
    start = now()
    action()
    return now() - start


def take_turns(count, actions):
    """Times actions {LABEL: callable} by turns: {LABEL: [nanoseconds]}. A first round is not
    counted. A callable that returns a number has measured by itself."""
    samples = {label: [] for label in actions}
    labels = list(actions)
    for number in range(count + 1):
        turn = number % len(labels)
        for label in labels[turn:] + labels[:turn]:
            start = now()
            own = actions[label]()
            spent = now() - start
            if number > 0:
                samples[label].append(own if isinstance(own, (int, float)) else spent)
    return samples


def is_reached(ratio, goal):
    """Is a ratio as good as a GOAL of compare()? None: there is none."""
    if goal == "-":
        return None
    least_or_most, limit = goal.split()[:2]
    return ratio <= float(limit) if least_or_most == "<=" else ratio >= float(limit)


def summary(samples):
    """Of nanoseconds, in microseconds."""
    cuts = statistics.quantiles(samples, n=10) if len(samples) > 1 else samples * 9
    return {"median": round(statistics.median(samples) / 1000, 2), "p10": round(cuts[0] / 1000, 2),
            "p90": round(cuts[8] / 1000, 2), "count": len(samples)}


def tasks_of(pid):
    return [int(task) for task in os.listdir(f"/proc/{pid}/task")]


def processor_time(pid):
    """Nanoseconds that all threads of a process have run, who ended before left out."""
    spent = 0
    for task in tasks_of(pid):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            spent += int(file.read().split()[0])
    return spent


def children_of(pid):
    """Those of a server are its workers."""
    children = []
    for task in tasks_of(pid):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            children += [int(child) for child in file.read().split()]
    return children


class Helper:
    """A program of this directory that answers each byte with a line."""

    def __init__(self, session, name, *arguments):
        self.child = subprocess.Popen([os.path.join(PROGRAMS, name), *arguments],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        session.children.append(self.child)

    def ask(self):
        self.child.stdin.write(b".")
        self.child.stdin.flush()
        return int(self.child.stdout.readline())


class Session:
    """A private directory, the servers and targets started in it, the results."""

    def __init__(self, name):
        self.name = name
        self.results = {"benchmark": name, "tiny": TINY, "machine": machine(),
                        "date": datetime.date.today().isoformat(),
                        "comparisons": [], "series": [], "counts": []}
        self.mounts = []
        self.served = 0
        self.servers = []
        self.children = []
        self.cpu = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise SystemExit("benchmarks have to be run as root")
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, int(os.environ.get("BENCH_NICE", "-15")))
        if os.environ.get("BENCH_FIFO") == "1":
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        self.work = tempfile.mkdtemp(prefix="probefs-bench.")
        os.chmod(self.work, 0o755)
        return self

    def __exit__(self, kind, *_):
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=False)
        for child in self.children:
            # Where it leads a group, with children of its own, which would keep the output open for
            # whoever reads it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait()
        for server in self.servers:
            # Another mount namespace that was made meanwhile can keep a mount alive.
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()
            server.wait()
        subprocess.run(["rm", "-rf", "--one-file-system", self.work], check=True)
        if kind is None:
            self.save()

    # ---- what is measured ----------------------------------------------------------------

    def serve(self, command, name):
        mount = f"{self.work}/{name}-{self.served}"
        self.served += 1
        os.mkdir(mount)
        before = os.stat(mount).st_dev
        with open(f"{self.work}/log-{len(self.mounts)}", "ab") as log:
            server = subprocess.Popen(command + [mount], stdin=subprocess.DEVNULL, stderr=log)
        self.servers.append(server)
        self.mounts.append(mount)
        until(lambda: server.poll() is not None or os.stat(mount).st_dev != before,
              f"the mount of {name}")
        if server.poll() is not None:
            with open(f"{self.work}/log-{len(self.mounts) - 1}", encoding="utf-8") as log:
                raise RuntimeError(f"{command} ended with {server.returncode}: {log.read()}")
        return mount

    def probefs(self, *options, program=None):
        """Starts a server of ours; returns its mountpoint. The server is servers[-1]."""
        program = program or os.path.join(BUILD, "probefs/probefs")
        return self.serve([program, "-f", *options], "probefs")

    def stop(self, mount):
        """Ends the server that was started last, which is at MOUNT."""
        subprocess.run(["umount", mount], check=True)
        self.mounts.remove(mount)
        self.servers.pop().wait(20)

    def floor(self, probes=1, skip=False):
        """The least that a FUSE server costs; its files are below MOUNTPOINT/target."""
        return self.serve([os.path.join(PROGRAMS, "floor"), "-p", str(probes)] +
                          (["-s"] if skip else []), "floor")

    def place(self, place):
        """All servers that there are go to the last CPU, with their workers; what time() does after
        this, to the first, or in the PLACE "one CPU" to the last as well."""
        cpus = sorted(os.sched_getaffinity(0))
        self.cpu = cpus[-1 if place == "one CPU" else 0]
        for server in self.servers:
            for pid in [server.pid, *children_of(server.pid)]:
                for task in tasks_of(pid):
                    os.sched_setaffinity(task, cpus[-1:])

    def target(self, program, *arguments, uid=0, feed=False):
        """Starts a program with probes (a name in targets/, or a path); returns its pid. With FEED
        its input stays open, and empty."""
        path = program if "/" in program else os.path.join(TARGETS, program)
        user = [] if uid == 0 else ["setpriv", "--reuid", str(uid), "--regid", str(uid),
                                    "--clear-groups"]
        child = subprocess.Popen([*user, path, *arguments], stdout=subprocess.PIPE,
                                 start_new_session=True,
                                 stdin=subprocess.PIPE if feed else subprocess.DEVNULL)
        self.children.append(child)
        if not child.stdout.readline().startswith(b"pid "):
            raise RuntimeError(f"{program} did not start")
        return child.pid

    def many(self, probes, sites=1):
        """The path of a program with so many probes, of so many sites each."""
        path = f"{self.work}/many-{probes}-{sites}"
        if not os.path.exists(path):
            script = os.path.join(HERE, "../targets/many.py")
            subprocess.run([sys.executable, "-B", script, "-p", str(probes), "-s", str(sites),
                            "--build", path], check=True)
        return path

    def time(self, count, cases, pause=100):
        """Times cases {LABEL: (OPERATION, PATH)} with the program timer, at the place of place():
        {LABEL: [ns]}. Of operations on several files it is the time for each."""
        words = []
        for label, (operation, path) in cases.items():
            words += [label.replace(" ", "_"), operation, path, ","]
        command = [os.path.join(PROGRAMS, "timer"), "-p", str(pause)]
        if self.cpu is not None:
            command += ["-c", str(self.cpu)]
        done = subprocess.run(command + [str(rounds(count)), *words], check=True,
                              stdout=subprocess.PIPE, text=True)
        samples = {label: [] for label in cases}
        labels = {label.replace(" ", "_"): label for label in cases}
        for line in done.stdout.splitlines():
            label, spent, files = line.split()
            samples[labels[label]].append(int(spent) / int(files))
        return samples

    def processor_time(self, mount, count, case):
        """Nanoseconds that the server at MOUNT and its workers run for CASE, as time() has it: a
        median of several turns."""
        server = self.servers[self.mounts.index(mount)].pid
        turns = []
        for _ in range(rounds(9)):
            before = sum(map(processor_time, [server, *children_of(server)]))
            self.time(count, {"x": case}, pause=0)
            after = sum(map(processor_time, [server, *children_of(server)]))
            turns.append((after - before) / rounds(count))
        return turns

    # ---- results -------------------------------------------------------------------------

    def compare(self, what, ours, peer, theirs, at_most=None, at_least=None):
        """Keeps and shows one comparison of two lists of nanoseconds. The ratio is ours to theirs;
        with AT_LEAST it is how many times faster ours is."""
        mine, other = summary(ours), summary(theirs)
        ratio = mine["median"] / other["median"]
        if at_least is not None:
            ratio = 1 / ratio
        goal = (f"<= {at_most:g} x" if at_most is not None else
                f">= {at_least:g} x faster" if at_least is not None else "-")
        reached = is_reached(ratio, goal)
        self.results["comparisons"].append(
            {"what": what, "peer": peer, "ours": mine, "theirs": other, "ratio": round(ratio, 3),
             "goal": goal, "reached": reached})
        print(f"{what:48} {mine['median']:12.1f} us  {peer:28} {other['median']:12.1f} us  "
              f"{ratio:8.2f}  {goal}{'' if reached is None else ' reached' if reached else ' MISSED'}",
              flush=True)
        return ratio

    def point(self, plot, x_label, line, x, samples):
        """A point of a line in a plot of how cost grows."""
        self.results["series"].append({"plot": plot, "x_label": x_label, "line": line, "x": x,
                                       **summary(samples)})
        print(f"{plot:48} {summary(samples)['median']:12.1f} us  {line} at {x} {x_label}",
              flush=True)

    def count(self, what, counts):
        """Keeps and shows counts {NAME: number}."""
        self.results["counts"].append({"what": what, "counts": counts})
        print(f"{what:48} " + ", ".join(f"{name} {number}" for name, number in counts.items()),
              flush=True)

    def save(self):
        os.makedirs(RESULTS, exist_ok=True)
        # One of several runs of the whole has a number.
        run = os.environ.get("BENCH_RUN")
        name = f"{self.name}.{run}" if run else self.name
        with open(os.path.join(RESULTS, name + ".json"), "w", encoding="ascii") as file:
            json.dump(self.results, file, indent=1)
            file.write("\n")

