#!/usr/bin/env python3
"""What the commands cost beside what a shell user would otherwise take.

    commands.py [--reps N] [--lines N] [--rows REGEX] [--quick] [--long] [PROGRAM DIRECTORY]

Data and rings lie in a directory of their own in /dev/shm: 2 GB with the default of 10 million
lines of 100 bytes, 1 GB more for the row `two`. The ways of a row take turns, in reversed order
every other repetition, and ratios are taken within a repetition. Take a machine that does nothing
else. --quick measures nothing worth reading: it checks that every way delivers all bytes.

To add a row: a Row in rows(), below. A way of doing something is shell lines, one process each
but for what stands between pipes. The last line starts first and runs beside the others, which
follow one another; a list of lines is started together. `q` and other names in RINGS are made
afresh before each run, as is {fifo}; this is not timed, nor is anybody's work in a shell.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

MB = 1_000_000
ENDING = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
BLOCK = 100_000  # lines with numbers of their own, 10 MB


@dataclasses.dataclass
class Ring:
    options: str = ""
    idle: int = 0  # producers that are attached and asleep meanwhile


RINGS = {
    "q": Ring(),
    **{f"slots{n}": Ring(f"-N {n}") for n in ("64", "1K", "16K", "64K", "1M")},
    **{f"attached{n}": Ring(idle=n - 2) for n in (2, 8, 32, 64)},
}


@dataclasses.dataclass
class Way:
    lines: tuple  # of the shell
    messages: int = None  # None: all of the file
    times: int = 1  # runs in a repetition, of which the median counts

    def steps(self):
        return [[each] if isinstance(each, str) else each for each in self.lines]

    def words(self):
        return [word for step in self.steps() for line in step for word in line.split()]

    def has(self, word):
        return word in self.words()

    def rings(self):
        return [ring for ring in RINGS if self.has(ring)]

    def programs(self):
        return {stage.split()[0] for step in self.steps() for line in step for stage in line.split(" | ")}


@dataclasses.dataclass
class Ratio:
    """Time of `ours` to the fastest of `beside`; at_least makes it a speed, the other way round."""
    ours: str
    beside: tuple
    target: float = None
    at_least: bool = False

    def __str__(self):
        return f"{self.ours}, {'speed' if self.at_least else 'time'} to {' / '.join(self.beside)}"

    def of(self, row, seconds):
        known = [seconds[way] for way in self.beside if way in seconds]
        if self.ours not in seconds or not known:
            return None
        return min(known) / seconds[self.ours] if self.at_least else seconds[self.ours] / min(known)


@dataclasses.dataclass
class Spread:
    """The largest cost of a message to the smallest, among all ways but `start`, which is taken off."""
    target: float
    start: str = ""
    at_least = False

    def __str__(self):
        return "largest to smallest cost of a message"

    def of(self, row, seconds):
        start = seconds.get(self.start, 0)
        costs = [(took - start) / row.ways[way].messages for way, took in seconds.items() if way != self.start]
        return max(costs) / min(costs)


@dataclasses.dataclass
class Row:
    name: str
    data: str  # lines, random, or the message itself
    ways: dict
    ratios: list


def rows(lines, quick, long):
    """The table."""
    every = ("shmq-push -e q < {lines}", "shmq-pop q > {null}")
    connect, listen = "UNIX-CONNECT:{socket},retry=10000,interval=0.002", "UNIX-LISTEN:{socket}"
    buffer = "-u -b 1048576"
    yield Row("file", "lines", {
        "shmq": Way(every),
        "cat": Way(("cat {lines} > {null}",)),
        "fifo": Way(("cat {lines} > {fifo}", "cat < {fifo} > {null}")),
    }, [Ratio("shmq", ("cat",), 2.7), Ratio("shmq", ("fifo",), 1 / 5), Ratio("fifo", ("cat",))])

    yield Row("cats", "lines", {
        "shmq": Way(("cat {lines} | shmq-push -e q", "shmq-pop q | cat > {null}")),
        "fifo": Way(("cat {lines} | cat > {fifo}", "cat < {fifo} | cat > {null}")),
        "socat": Way((f"cat {{lines}} | socat {buffer} - {connect}", f"socat {buffer} {listen} - | cat > {{null}}")),
        "one pipe": Way(("cat {lines} | cat > {null}",)),
    }, [Ratio("shmq", ("fifo",), 1 / 2.5), Ratio("shmq", ("socat",), 1), Ratio("shmq", ("one pipe",))])

    yield Row("count", "lines", {
        "shmq": Way(("shmq-push -e q < {lines}", "shmq-pop q | wc -l")),
        "pv": Way(("pv -q < {lines} > {fifo}", "pv -q < {fifo} | wc -l")),
        "mbuffer": Way(("mbuffer -q -m 64M < {lines} > {fifo}", "mbuffer -q -m 64M < {fifo} | wc -l")),
        "socat": Way((f"socat {buffer} OPEN:{{lines}} {connect}", f"socat {buffer} {listen} - | wc -l")),
        "fifo": Way(("cat {lines} > {fifo}", "cat < {fifo} | wc -l")),
        "one pipe": Way(("cat {lines} | wc -l",)),
    }, [Ratio("shmq", (peer,)) for peer in ("pv", "mbuffer", "socat", "fifo", "one pipe")] + [Ratio("shmq", ("pv", "mbuffer", "socat", "fifo"), 1)])

    yield Row("chunk", "random", {
        "shmq": Way(("shmq-push -F chunk -e q < {random}", "shmq-pop -F chunk q > {null}")),
        "cat": Way(("cat {random} > {null}",)),
        "fifo": Way(("cat {random} > {fifo}", "cat < {fifo} > {null}")),
    }, [Ratio("shmq", ("cat",), 1.5), Ratio("shmq", ("fifo",))])

    # Both end alike, with a push of nothing: the second of two producers may attach when the first has gone.
    end = "shmq-push -e q < /dev/null"
    yield Row("two", "lines", {
        "one, one": Way(("shmq-push q < {lines}", end, "shmq-pop q > {null}")),
        "two, two": Way((["shmq-push q < {half1}", "shmq-push q < {half2}"], end, ["shmq-pop q > {null}"] * 2)),
    }, [Ratio("two, two", ("one, one",), 0.8, at_least=True)])

    often = 2 if quick else 100
    yield Row("start", "x", {
        "shmq-push -d": Way(("shmq-push -d x q",), times=often),
        "true": Way(("/bin/true",), times=often),
        "echo | shmq-push": Way(("/bin/echo x | shmq-push q",), times=often),
        "echo | true": Way(("/bin/echo x | /bin/true",), times=often),
    }, [Ratio("shmq-push -d", ("true",), 1.25), Ratio("echo | shmq-push", ("echo | true",), 1.25)])

    moved = {"nothing": Way(("shmq-push -e q < /dev/null", "shmq-pop q > {null}"), 0, often)}
    for part, times in ((1000, often), (100, often // 2), (10, 3), (1, 1)):
        moved[f"{lines // part}"] = Way((f"shmq-push -e -c {lines // part} q < {{lines}}", "shmq-pop q > {null}"), lines // part, times)
    if long:
        moved[f"{lines * 10}"] = Way(("shmq-push q < {lines}",) * 9 + every, lines * 10)
    yield Row("moved", "lines", moved, [Spread(1.2, start="nothing")])

    for name in ("slots", "attached"):
        rings = [ring for ring in RINGS if ring.startswith(name) and not (quick and ring == "slots1M")]
        ways = {ring: Way((f"shmq-push -e {ring} < {{lines}}", f"shmq-pop {ring} > {{null}}"), lines) for ring in rings}
        yield Row(name, "lines", ways, [Spread(1.2)])


class Failure(Exception):
    pass


class Place:
    """The directory of data and rings, and the processes that run in it."""

    def __init__(self, programs, lines, check):
        self.path = tempfile.mkdtemp(prefix="shmq-speed-", dir="/dev/shm")
        self.lines, self.check = lines, check
        self.running = set()
        self.found = {}  # program -> path
        self.outputs = []  # in the order of the line, with check
        self.environment = dict(os.environ, SHMQ_DIR=self.path, LC_ALL="C")
        self.search = f"{os.path.abspath(programs)}:{os.environ.get('PATH', '/usr/bin:/bin')}"

    def close(self):
        for pid in list(self.running):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):  # waited for when a signal came
                os.kill(pid, signal.SIGKILL)
                self.wait(pid)
        shutil.rmtree(self.path)

    def program(self, name):
        if name not in self.found:
            self.found[name] = shutil.which(name, path=self.search)
        return self.found[name]

    def shmq(self, *words):
        return subprocess.run([self.program(words[0]), *words[1:]], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              check=True).stdout

    # Data

    def file(self, name):
        path = f"{self.path}/{name}"
        if not os.path.exists(path):
            with open(path, "wb") as out:
                for block in self.blocks(name):
                    out.write(block)
        return path

    def blocks(self, name):
        """Numbered lines of 100 bytes, whose numbers come again; half1 and half2 are halves of them."""
        if name == "random":
            left, block = self.lines * 101, os.urandom(16 * MB)
            while left > 0:
                yield block[:left]
                left -= len(block)
            return
        first, last = {"lines": (0, self.lines), "half1": (0, self.lines // 2), "half2": (self.lines // 2, self.lines)}[name]
        block = "".join(f"{n:08d} ".ljust(100, "-") + "\n" for n in range(BLOCK)).encode()
        while first < last:
            start = first % BLOCK
            count = min(BLOCK - start, last - first)
            yield block[start * 101:(start + count) * 101]
            first += count

    # Running

    def spawn(self, words, stdin=None, stdout=None):
        actions = [(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in ((stdin, 0), (stdout, 1)) if fd is not None]
        # Python ignores SIGPIPE, the commands of a shell do not.
        pid = os.posix_spawn(self.program(words[0]), words, self.environment, file_actions=actions, setsigdef=[signal.SIGPIPE])
        self.running.add(pid)
        return pid, words[0]

    def wait(self, pid):
        _, status = os.waitpid(pid, 0)
        self.running.discard(pid)
        return os.waitstatus_to_exitcode(status)

    def start(self, commands):
        """Each command has its descriptors for itself: an end of a pipe that stayed open here would never end."""
        started = []
        for words, stdin, stdout in commands:
            started.append(self.spawn(words, stdin, stdout))
            for fd in {stdin, stdout} - {None}:
                os.close(fd)
        return started

    def finish(self, started):
        for pid, name in started:
            status = self.wait(pid)
            if status not in (0, -signal.SIGPIPE):  # `echo | true`, as in a shell
                raise Failure(f"{name} ended with {status}")

    def run(self, way):
        """Seconds that a way takes."""
        self.outputs = []
        with contextlib.ExitStack() as after:
            for ring in way.rings():
                self.prepare_ring(ring, after)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.path}/socket")
            fifo = self.prepare_fifo() if way.has("{fifo}") else None
            # All that is to be opened is open, and all that is to be parsed is parsed, before the clock runs.
            *steps, beside = [[command for line in step for command in self.pipeline(line, fifo)] for step in way.steps()]
            begin = time.monotonic()
            background = self.start(beside)
            for step in steps:
                self.finish(self.start(step))
            self.finish(background)
            return time.monotonic() - begin

    def pipeline(self, line, fifo=None):
        """The commands of a shell line with pipes and redirections: (words, stdin, stdout)."""
        commands, stdin = [], None
        stages = line.split(" | ")
        for stage in stages:
            words, stdout = shlex.split(stage), None
            while len(words) > 2 and words[-2] in "<>":
                sign, word = words[-2:]
                del words[-2:]
                if sign == "<":
                    stdin = fifo[0] if word == "{fifo}" else os.open(self.fill(word), os.O_RDONLY)
                else:
                    stdout = fifo[1] if word == "{fifo}" else self.sink()
            behind = None
            if len(commands) + 1 < len(stages):
                behind, stdout = os.pipe()
            elif words[0] == "wc":
                stdout = self.output()
            commands.append(([self.fill(word) for word in words], stdin, stdout))
            stdin = behind
        return commands

    def fill(self, word):
        name = re.search(r"\{(\w+)\}", word)
        if not name:
            return word
        return word.replace(name[0], f"{self.path}/socket" if name[1] == "socket" else self.file(name[1]))

    def sink(self):
        return self.output() if self.check else os.open("/dev/null", os.O_WRONLY)

    def output(self):
        self.outputs.append(f"{self.path}/out{len(self.outputs)}")
        return os.open(self.outputs[-1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def prepare_ring(self, name, after):
        ring = RINGS[name]
        self.shmq("shmq-create", "--replace", *ring.options.split(), name)
        if ring.idle:
            held, hold = os.pipe()
            idle = [self.spawn(["shmq-push", name], stdin=held) for _ in range(ring.idle)]
            os.close(held)
            after.callback(self.finish, idle)
            after.callback(os.close, hold)
            while int(self.shmq("shmq-stat", "-r", "--noheadings", "-o", "WRITERS", name)) < ring.idle:
                time.sleep(0.01)

    def prepare_fifo(self):
        """Opened here for both, since each end waits for the other."""
        path = f"{self.path}/fifo"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path)
        ends = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.open(path, os.O_WRONLY)
        os.set_blocking(ends[0], True)
        return ends

    # What arrived

    def verify(self, row, way):
        received = [open(path, "rb").read() for path in self.outputs]
        messages = self.lines if way.messages is None else way.messages
        if way.has("wc"):
            if [int(count) for count in received] != [messages]:
                raise Failure(f"{row.name}: {received} lines instead of {messages}")
            return
        if not self.check:
            return
        received += [self.shmq("shmq-pop", "-a", ring) for ring in way.rings()]
        if row.data == "random":
            sent = self.content("random")
        elif row.data == "lines":
            sent = (self.content("lines") * (messages // self.lines or 1))[:messages * 101]
        else:
            sent = f"{row.data}\n".encode() if way.rings() else b""
        # Of several consumers each has some of the lines.
        same = b"".join(received) == sent if len(way.steps()[-1]) == 1 else sorted(b"".join(received).splitlines()) == sorted(sent.splitlines())
        if not same:
            raise Failure(f"{row.name}: {way.lines} delivered {sum(map(len, received))} bytes that are not the {len(sent)} that were sent")

    def content(self, name):
        with open(self.file(name), "rb") as file:
            return file.read()


# Measuring

@dataclasses.dataclass
class Figure:
    row: str
    what: str
    values: list
    target: float = None
    at_least: bool = False
    unit: str = ""

    def verdict(self):
        if self.target is None:
            return ""
        low, _, high = quartiles(self.values)
        good = [value >= self.target if self.at_least else value <= self.target for value in (low, high)]
        return "met" if all(good) else "between" if any(good) else "missed"

    def cells(self):
        low, middle, high = quartiles(self.values)
        target = "" if self.target is None else f"{'>=' if self.at_least else '<='} {self.target:.3g}{self.unit}"
        return [self.row, self.what, f"{middle:.3g}{self.unit}", f"{low:.3g} .. {high:.3g}", target, self.verdict()]


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def repetition(place, row, ways, backwards):
    """Seconds of each way; those with many runs are spread over it."""
    runs = {name: [] for name in ways}
    for turn in range(max(way.times for way in ways.values())):
        for name in reversed(ways) if backwards else ways:
            if turn < ways[name].times:
                runs[name].append(place.run(ways[name]))
                place.verify(row, ways[name])
    return {name: statistics.median(took) for name, took in runs.items()}


def measure(place, row, reps):
    """Times and ratios of a row, as lines of the two tables."""
    missing = {name: lacking for name, way in row.ways.items() if (lacking := [each for each in way.programs() if not place.program(each)])}
    ways = {name: way for name, way in row.ways.items() if name not in missing}
    taken = [repetition(place, row, ways, number % 2) for number in range(reps)]
    start = next((ratio.start for ratio in row.ratios if isinstance(ratio, Spread)), "")
    times = []
    for name, way in row.ways.items():
        if name in missing:
            times.append([row.name, name, "not installed: " + ", ".join(missing[name]), "", ""])
            continue
        low, middle, high = quartiles([seconds[name] for seconds in taken])
        messages = place.lines if way.messages is None else way.messages
        net = middle - (statistics.median(seconds[start] for seconds in taken) if start else 0)
        each = f"{net / messages * 1e9:.1f}" if row.data == "lines" and messages else ""
        times.append([row.name, name, f"{middle * 1e3:.4g}", f"{low * 1e3:.4g} .. {high * 1e3:.4g}", each])
    figures = []
    for ratio in row.ratios:
        if None not in (values := [ratio.of(row, seconds) for seconds in taken]):
            figures.append(Figure(row.name, str(ratio), values, ratio.target, ratio.at_least))
    return times, figures


def memory(place, reps):
    """Of a push and a pop that have moved all lines and are still there; and of a ring of the default size."""
    figures = [Figure("memory", "ring: more than its slots", [], 15, unit=" %"), Figure("memory", "push: beyond the ring", [], 8, unit=" MB"),
               Figure("memory", "pop: beyond the ring", [], 8, unit=" MB"), Figure("memory", "push: with the ring", [], unit=" MB"),
               Figure("memory", "pop: with the ring", [], unit=" MB")]
    for _ in range(reps):
        with contextlib.ExitStack() as after:
            place.prepare_ring("q", after)
            held, hold = os.pipe()
            feed, push = place.pipeline("cat {lines} - | shmq-push -e q")
            pop, = place.pipeline("shmq-pop q > /dev/null")
            started = place.start([pop, (feed[0], held, feed[2]), push])
            while (ring := json.loads(place.shmq("shmq-stat", "-J", "q"))["rings"][0])["popped"] < place.lines:
                time.sleep(0.01)
            (pop_all, pop_ring), (push_all, push_ring) = resident(started[0][0]), resident(started[2][0])
            os.close(hold)
            place.finish(started)
        values = (100 * (ring["segment_bytes"] / ring["slots"] / ring["slot_size"] - 1), push_all - push_ring, pop_all - pop_ring, push_all, pop_all)
        for figure, value in zip(figures, values):
            figure.values.append(value)
    return figures


def resident(pid):
    """MB: the peak, and what is of rings. The kernel's ru_maxrss begins with what we have ourselves, so not that."""
    peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])
    ring = sum(int(size) for size in re.findall(r"/shmq\.\S*\n(?:.*\n)*?Rss:\s+(\d+)", open(f"/proc/{pid}/smaps").read()))
    return peak * 1024 / MB, ring * 1024 / MB


# Showing

def machine():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    load = open("/proc/loadavg").read().split()[0]
    return f"{model[1] if model else os.uname().machine}, {len(os.sched_getaffinity(0))} cores, Linux {os.uname().release}, load {load}"


class Meanwhile:
    """The share of the processors that was neither idle nor ours: are the figures worth reading?"""

    def __init__(self):
        self.began = self.now()

    @staticmethod
    def now():
        idle, waiting = open("/proc/stat").readline().split()[4:6]
        return time.monotonic() * os.cpu_count(), (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK") + sum(os.times()[:4])

    def __str__(self):
        whole, known = (now - then for now, then in zip(self.now(), self.began))
        return f"Meanwhile others and the host took {max(0, 100 * (1 - known / whole)):.0f} % of the processors."


def table(heading, lines):
    if not lines:
        return
    heading, *lines = [[cell.replace("|", "\\|") for cell in line] for line in (heading, *lines)]  # Markdown
    widths = [max(map(len, column)) for column in zip(heading, *lines)]
    for line in (heading, ["-" * width for width in widths], *lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    print(flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="?", default="build/tools", help="where the commands are (build/tools)")
    parser.add_argument("--reps", type=int, help="repetitions (5)")
    parser.add_argument("--lines", type=int, help="lines of 100 bytes (10000000)")
    parser.add_argument("--rows", default="", help="those whose name contains this regular expression")
    parser.add_argument("--quick", action="store_true", help="one repetition of 50000 lines; checks every byte, judges no time")
    parser.add_argument("--long", action="store_true", help="row moved: also ten times the lines")
    chosen = parser.parse_args()
    chosen.reps = chosen.reps or (1 if chosen.quick else 5)
    chosen.lines = chosen.lines or (50_000 if chosen.quick else 10_000_000)
    return chosen


def end_tidily(number, _):
    for each in ENDING:  # timeout(1), for one, sends it twice
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    chosen = arguments()
    for number in ENDING:
        signal.signal(number, end_tidily)
    with contextlib.closing(Place(chosen.programs, chosen.lines, chosen.quick)) as place:
        absent = [name for name in ("shmq-create", "shmq-push", "shmq-pop", "shmq-stat") if not place.program(name)]
        if absent:
            sys.exit(f"commands.py: not in {chosen.programs}: {', '.join(absent)}")
        print(f"{machine()}; {place.lines} lines of 100 bytes; {chosen.reps} repetitions\n", flush=True)
        meanwhile, times, figures = Meanwhile(), [], []
        for row in rows(chosen.lines, chosen.quick, chosen.long):
            if re.search(chosen.rows, row.name):
                more_times, more_figures = measure(place, row, chosen.reps)
                times += more_times
                figures += more_figures
        if re.search(chosen.rows, "memory"):
            figures += memory(place, chosen.reps)
        quiet = str(meanwhile)
    if not figures:
        sys.exit(f"commands.py: no row {chosen.rows}")
    table(["row", "way", "ms", "quartiles", "ns a message"], times)
    if chosen.quick:
        print("All bytes arrived. (--quick: no time above means anything.)")
    else:
        table(["row", "what", "median", "quartiles", "target", ""], [figure.cells() for figure in figures])
        print(quiet)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"commands.py: {failure}")
