"""What the end-to-end tests share: the program `quoin` as a process, two sites made by its own commands, counted checks.

A test is a function that takes a folder of its own; main() runs them. Loopback and ports that the system chooses only. Every
process is started here, dies with the test, and is ended by its pid. QUOIN_E2E_KEEP=1 keeps the folders of failed tests.
"""
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

PR_SET_PDEATHSIG = 1
program = ""  # path of quoin, set by main()
running = []  # processes that were started and not yet waited for
started = []  # all processes of the test that runs
passed = failed = 0
libc = ctypes.CDLL(None)


# ---- Checks ----

def check(is_true, text, detail=""):
    """Counts a check, prints it, and gives back whether it held. `detail` is printed when it did not."""
    global passed, failed
    if is_true:
        passed += 1
    else:
        failed += 1
    print(f"{'ok  ' if is_true else 'FAIL'}  {text}", flush=True)
    if not is_true and detail != "":
        print("      | " + str(detail)[-3000:].replace("\n", "\n      | "), flush=True)
    return bool(is_true)


def check_equal(got, wanted, text):
    return check(got == wanted, text, f"got {got!r}, wanted {wanted!r}")


def check_refused(ran, code, words, text):
    """A command that failed as it should: its exit status, every one of `words` in its message, and no crash."""
    said = ran.err
    missing = [word for word in words if word not in said]
    crashed = [word for word in ("terminate called", "Assertion", "Sanitizer", "Traceback", "core dumped") if word in said]
    return check(ran.code == code and not missing and not crashed and "quoin" in said, text,
                 f"wanted exit {code}; missing {missing}; crash {crashed}\n{ran}")


def wait_until(condition, limit_s, what):
    """The first true answer of condition(), asked again and again; TimeoutError after limit_s."""
    end = time.monotonic() + limit_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit_s} s in vain for {what}")
        time.sleep(0.02)
    return answer


# ---- Processes ----

class Ran:
    """A command that has ended."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __repr__(self):
        return f"exit {self.code} after {self.seconds:.1f} s\nstdout: {self.out[-1500:]}\nstderr: {self.err[-1500:]}"

    def json(self):
        """The last line of standard output."""
        return json.loads(self.out.strip().splitlines()[-1])


def before_exec(limits):
    def prepare():
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if limits:
            limits()
    return prepare


def run(arguments, limit_s=60, command=None, cwd=None, limits=None, typed=b""):
    """`quoin ARGUMENTS`, or another program, to its end; `typed` is its standard input."""
    start = time.monotonic()
    done = subprocess.run([command or program, *map(str, arguments)], input=typed, capture_output=True,
                          timeout=limit_s, cwd=cwd, preexec_fn=before_exec(limits), check=False)
    ran = Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"),
              time.monotonic() - start)
    if ran.seconds > 5:
        print(f"slow  {ran.seconds:.1f} s: {Path(command or program).name} {' '.join(map(str, arguments))[:80]}", flush=True)
    return ran


class Process:
    """`quoin ARGUMENTS` in the background. Its output goes to NAME.out and NAME.err in `folder`, behind what is there."""

    def __init__(self, name, arguments, folder, limits=None):
        self.name = name
        self.paths = [Path(folder, f"{name}.{end}") for end in ("out", "err")]
        self.begins = [path.stat().st_size if path.exists() else 0 for path in self.paths]
        with open(self.paths[0], "ab") as out, open(self.paths[1], "ab") as err:
            self.child = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          preexec_fn=before_exec(limits))
        running.append(self)
        started.append(self)

    def said(self, number):
        return self.paths[number].read_bytes()[self.begins[number]:].decode(errors="replace")

    out = property(lambda self: self.said(0))
    err = property(lambda self: self.said(1))
    pid = property(lambda self: self.child.pid)
    is_running = property(lambda self: self.child.poll() is None)

    def signal(self, number):
        if self.is_running:
            self.child.send_signal(number)

    def wait(self, limit_s=20):
        """The exit status; the negative number of the signal that ended it."""
        code = self.child.wait(timeout=limit_s)
        if self in running:
            running.remove(self)
        return code

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self, limit_s=20):
        """SIGTERM, and the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return "did not stop"

    def ended(self, limit_s=30):
        """Waits for the end that the program chooses itself: what it said and its exit status, as of run()."""
        try:
            code = self.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            code = "still running"
        return Ran(code, self.out, self.err, limit_s)

    def wait_for(self, look, limit_s, what):
        """The first true answer of look(); RuntimeError when the program ends before."""
        def look_while_running():
            had_ended = not self.is_running
            answer = look()
            if not answer and had_ended:
                raise RuntimeError(f"{self.name} ended ({self.child.returncode}) before {what}: {self.err[-800:]}")
            return answer
        return wait_until(look_while_running, limit_s, f"{what} of {self.name}")

    def wait_match(self, pattern, limit_s=20):
        return self.wait_for(lambda: re.search(pattern, self.out), limit_s, f"'{pattern}'")

    def events(self, kind=None):
        """The events that a node with --json has told: of one kind, or all."""
        lines = self.out.split("\n")[:-1]
        events = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in events if kind in (None, event["event"])]

    def wait_event(self, kind, number=1, limit_s=40):
        """The number-th event of its kind."""
        return self.wait_for(lambda: self.events(kind)[number - 1:number], limit_s, f"{kind} {number}")[0]

    def wait_port(self, what):
        """Where a node with --json listens for 'link', 'delivery' or 'gateway'."""
        def look():
            return [event["port"] for event in self.events("listening") if event["what"] == what]
        return self.wait_for(look, 20, f"the port for {what}")[0]


def stop_everything():
    for process in list(running):
        process.kill()


def show_last_words():
    """What the processes of a test that broke off said in the end, the last run of each name first."""
    for process in {process.name: process for process in started}.values():
        state = "is running" if process.is_running else f"ended with {process.child.returncode}"
        words = "\n".join(line[:300] for line in (process.out.splitlines()[-8:] + process.err.splitlines()[-8:]))
        print(f"      > {process.name} {state}\n      > " + words.replace("\n", "\n      > "), flush=True)


def children_of(pid):
    """Direct children as {pid: command line}."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, IndexError):
            continue
    return found


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def free_port():
    """A port that was free a moment ago: for what must be known before anybody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listening_ports(pid):
    """TCP ports at which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
        except OSError:
            continue
        if match:
            inodes.add(match.group(1))
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


# ---- Sites ----

class Site:
    """A site's folder, made by `quoin site init`, and its node."""

    def __init__(self, folder, name, peer, role, fibre_port, listens, delivery):
        self.name, self.role, self.listens = name, role, listens
        self.folder = Path(folder, name)
        self.config, self.pki, self.data = self.folder / "site.toml", self.folder / "pki", self.folder / "data"
        self.logs = Path(folder, "logs")
        self.logs.mkdir(exist_ok=True)
        self.sae, self.peer_sae = ("app-a", "app-b") if role == "alice" else ("app-b", "app-a")
        self.node, self.delivery_port = None, 0
        self.must("site", "init", "--dir", self.folder, "--name", name, "--peer", peer, "--role", role,
                  "--listen" if listens else "--connect", "127.0.0.1:0", "--fibre", f"127.0.0.1:{fibre_port}", "--delivery",
                  delivery, "--sae", self.sae, "--peer-sae", self.peer_sae, "--host", "127.0.0.1")

    @staticmethod
    def must(*arguments):
        ran = run(arguments)
        if ran.code != 0:
            raise RuntimeError(f"quoin {' '.join(map(str, arguments[:2]))}: {ran}")
        return ran.out

    def quoin(self, *arguments, limit_s=60, limits=None):
        """A subcommand at this site."""
        return run([*arguments, "--config", self.config], limit_s, limits=limits)

    def set(self, section, key, value):
        """Gives a key of the configuration another value, as TOML text."""
        text = self.config.read_text()
        start = text.index(f"[{section}]")
        following = text.find("\n[", start)
        end = len(text) if following < 0 else following
        body, count = re.subn(rf"(?m)^{key} = .*$", lambda _: f"{key} = {value}", text[start:end])
        if count != 1:
            raise KeyError(f"[{section}] {key} is there {count} times")
        self.config.write_text(text[:start] + body + text[end:])

    def start(self, limits=None):
        self.node = Process(self.name, ["node", "--config", self.config, "--json"], self.logs, limits)
        return self.node

    def keep_ports(self):
        """Ports that the system chose at the first start stay this site's ports: the commands read them."""
        if "[delivery]" in self.config.read_text():
            self.delivery_port = self.node.wait_port("delivery")
            self.set("delivery", "listen", f'"127.0.0.1:{self.delivery_port}"')
        if self.listens:
            self.set("link", "listen", f'"127.0.0.1:{self.node.wait_port("link")}"')

    # Keys, by the program's own client. A key is (key_ID, base64).
    def get(self, number=1, *more):
        ran = self.quoin("key", "get", "--peer", self.peer_sae, "--number", number, "--json", *more)
        return [(key["key_ID"], key["key"]) for key in ran.json()["keys"]] if ran.code == 0 else ran

    def fetch(self, ids):
        ran = self.quoin("key", "fetch", "--peer", self.peer_sae, "--json", *ids)
        return [(key["key_ID"], key["key"]) for key in ran.json()["keys"]] if ran.code == 0 else ran

    def status(self):
        return self.quoin("status", "--json").json()

    def curl(self, path, *more, sae=None, pki=None, ca=None):
        """ETSI GS QKD 014 by curl, with the application's certificate: (HTTP status or curl's failure, body)."""
        pki, sae = pki or self.pki, sae or self.sae
        ran = run(["-sS", "--max-time", 20, "--cacert", ca or self.pki / "ca.crt", "--cert", pki / f"sae-{sae}.crt", "--key",
                   pki / f"sae-{sae}.key", "-w", "\n%{http_code}", *more,
                   f"https://127.0.0.1:{self.delivery_port}/api/v1/keys/{path}"], command="curl")
        body, _, code = ran.out.rpartition("\n")
        return (int(code), body) if ran.code == 0 else (f"curl {ran.code}", ran.err)


class Pair:
    """Sites alpha (Alice, listens) and beta (Bob, connects) with a fibre, set up as a person would by hand.

    The fibre makes a block of some 2.7 million sifted bits per second, which keeps a core a quarter busy.
    """

    def __init__(self, folder, slots=25_000_000, fibre=("--rate", 25_000_000, "--distance", 10), delivery="127.0.0.1:0"):
        self.folder = Path(folder)
        self.fibre = Process("fibre", ["fibre", "--listen", "127.0.0.1:0", *fibre], folder)
        self.fibre_port = int(self.fibre.wait_match(r"port (\d+)").group(1))
        self.alpha = Site(folder, "alpha", "beta", "alice", self.fibre_port, True, delivery)
        self.beta = Site(folder, "beta", "alpha", "bob", self.fibre_port, False, delivery)
        self.sites = (self.alpha, self.beta)
        lines = [site.must("link", "pair", "--config", site.config).strip() for site in self.sites]
        for site, line in zip(self.sites, reversed(lines)):
            site.must("link", "pair", "--config", site.config, line)
            site.set("protocol", "slots_per_block", slots)

    def start(self):
        """Both nodes, with ports that stay."""
        self.alpha.start()
        self.alpha.keep_ports()
        self.beta.set("link", "connect", f'"127.0.0.1:{self.alpha.node.wait_port("link")}"')
        self.beta.start()
        self.beta.keep_ports()

    def wait_blocks(self, number=1, limit_s=60):
        """Until both have committed so many blocks since they started."""
        for site in self.sites:
            site.node.wait_event("block_committed", number, limit_s)

    def stop(self):
        """Both nodes: they end well and say so."""
        check_equal([site.node.stop() for site in self.sites], [0, 0], "both nodes stop with exit status 0")


# ---- A TCP peer for the gateways ----

class Sink:
    """Listens for one connection, keeps all that comes, answers with `answer`, and closes."""

    def __init__(self, answer=b""):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.got = b""
        self.thread = threading.Thread(target=self.serve, args=(answer,), daemon=True)
        self.thread.start()

    def serve(self, answer):
        self.listener.settimeout(60)
        connection, _ = self.listener.accept()
        with connection:
            connection.settimeout(60)
            sending = threading.Thread(target=send_all, args=(connection, answer), daemon=True)
            sending.start()
            self.got = receive_all(connection)
            sending.join(60)
        self.listener.close()

    def wait(self):
        self.thread.join(60)
        return self.got


def send_all(connection, data):
    with contextlib.suppress(ConnectionError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def receive_all(connection):
    """What comes until the other end closes or breaks off."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def exchange_through(port, data):
    """Sends `data` to a port while it receives: what came back until the other end closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        sending = threading.Thread(target=send_all, args=(connection, data), daemon=True)
        sending.start()
        got = receive_all(connection)
        sending.join(60)
    return got


# ---- Running tests ----

def main(*tests):
    """`SCRIPT PROGRAM [NAME...]`: runs the tests, or those named; the exit status says whether all held."""
    global program, failed
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH-OF-QUOIN [TEST...]")
    program = os.path.abspath(sys.argv[1])
    wanted = sys.argv[2:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        print(f"---- {test.__name__}: {(test.__doc__ or '').strip().splitlines()[0]}", flush=True)
        folder = tempfile.mkdtemp(prefix=f"quoin-e2e-{test.__name__}-")
        failed_before, start = failed, time.monotonic()
        try:
            test(Path(folder))
        except Exception:  # a test that breaks off has failed; the others still run
            check(False, f"{test.__name__} runs to its end", traceback.format_exc())
            show_last_words()
        finally:
            stop_everything()
            started.clear()
        print(f"---- {test.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        if failed > failed_before and os.environ.get("QUOIN_E2E_KEEP"):
            print(f"kept: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(0 if failed == 0 and passed > 0 else 1)
