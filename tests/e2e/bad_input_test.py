#!/usr/bin/env python3
"""What people, machines and peers get wrong: each time a message that names the cure, a failing exit status, and nothing lost.

  bad_input_test.py PATH-OF-QUOIN [TEST...]
"""
import contextlib
import os
import resource
import shutil
import socket
import ssl
import struct
import time

import quoin_e2e as e2e
from quoin_e2e import Pair, Process, Site, check, check_equal, check_refused, run


class Bench:
    """A site that can be spoilt and mended again."""

    def __init__(self, folder, site):
        self.folder, self.site, self.good = folder, site, site.config.read_text()

    def replaced(self, old, new):
        if self.good.count(old) != 1:
            raise KeyError(f"{old} is there {self.good.count(old)} times")
        self.site.config.write_text(self.good.replace(old, new))
        return next((i + 1 for i, line in enumerate(self.site.config.read_text().splitlines()) if new.splitlines()[0] in line), 0)

    def node(self, code, words, text):
        ran = Process("spoilt", ["node", "--config", self.site.config], self.folder).ended(15)
        check_refused(ran, code, words, text)
        self.site.config.write_text(self.good)


def configuration(folder):
    """Unknown names, mistyped values, files that are not there: the line, the nearest name, the cure."""
    pair = Pair(folder)
    alpha = pair.alpha
    bench = Bench(folder, alpha)
    line = bench.replaced("[protocol]", "[protocl]")
    bench.node(2, [f"site.toml:{line}:", "unknown section [protocl]", "did you mean [protocol]"], "an unknown section")
    line = bench.replaced("slots_per_block", "slot_per_blocks")
    bench.node(2, [f"site.toml:{line}:", "'slot_per_blocks'", "did you mean 'slots_per_block'"], "an unknown key")
    for old, new in (("slots_per_block = 25000000", 'slots_per_block = "many"'), ("slots_per_block = 25000000", "slots_per_block = -4"),
                     ("demonstration = true", "demonstration = 1"), ("epsilon_sec = 1e-10", 'epsilon_sec = "small"'),
                     ("mu = [", "mu = [1.0, "), ('name = "alpha"', "name = alpha"), ('role = "alice"', 'role = "eve"'),
                     ("epsilon_sec = 1e-10", "epsilon_sec = 2.0"), ("bootstrap_max_seconds = 300", "bootstrap_max_seconds = -1"),
                     ('saes = ["app-a"]', 'saes = "app-a"'), ("slots_per_block = 25000000", "slots_per_block = 10"),
                     ("secrecy_budget = 0.005", "secrecy_budget = 2"), ("secrecy_budget = 0.005", "secrecy_budget = 0.0"),
                     ("secrecy_budget_days = 365", "secrecy_budget_days = 0"),
                     ('proof = "variable_length_decoy2"', 'proof = "lim2013"'), ('proof = "variable_length_decoy2"', 'proof = "rusca2018"'),
                     ('fibre = "127.0.0.1:', 'fibre = "127.0.0.1;'), ("[device]", "[device")):
        line = bench.replaced(old, new)
        bench.node(2, [f"site.toml:{line}:", "; "], f"'{new}' is named with its line and a cure")
    bench.replaced("[device]", "[gateway]\nsae = \"x\"\n[device]")
    bench.node(2, ["[gateway] needs either 'entry' or 'exit'"], "half a gateway")
    ran = run(["node", "--config", folder / "nowhere.toml"])
    check_refused(ran, 2, ["nowhere.toml", "No such file"], "a configuration that is not there")
    ran = run(["node", "--config", folder])
    check_refused(ran, 2, [str(folder), "regular file"], "a folder as configuration")
    big = folder / "big.toml"
    big.write_bytes(b"#" * 10_000_000)
    check_refused(run(["node", "--config", big]), 2, ["big.toml"], "a configuration of ten megabytes")
    big.write_bytes(os.urandom(1000))
    check_refused(run(["node", "--config", big]), 2, ["big.toml"], "random bytes as configuration")
    bench.replaced("demonstration = true", "demonstration = false")
    bench.node(2, ["simulator", "demonstration = true"], "a simulator outside a demonstration")
    bench.replaced('name = "alpha"', 'name = "gamma"')
    bench.node(2, ["is for 'alpha', this site is 'gamma'", "pki issue"], "a name that is not the certificate's")


def certificates_and_keys(folder):
    """Missing, expired, of another, for others to read; not paired; a damaged store."""
    pair = Pair(folder)
    alpha = pair.alpha
    bench = Bench(folder, alpha)
    key, ca = alpha.pki / "site-alpha.key", alpha.pki / "peer-ca.crt"
    kept = ca.read_bytes()
    ca.unlink()
    bench.node(2, ["not paired with 'beta'", "quoin link pair"], "a site that is not paired")
    check_refused(alpha.quoin("link", "check", "--wait", 1), 2, ["not paired", "quoin link pair"], "link check at such a site")
    ca.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n")
    bench.node(2, ["peer-ca.crt"], "a damaged authority")
    ca.write_bytes(kept)
    for section_line, name in (('certificate = "pki/site-alpha.crt"\nkey', "none.crt"), ('key = "pki/site-alpha.key"\nca = "pki/peer', "none.key")):
        spoilt = section_line.replace("site-alpha.crt", name) if name == "none.crt" else section_line.replace("site-alpha.key", name)
        alpha.config.write_text(bench.good.replace(section_line, spoilt, 1))
        bench.node(2, [name, "No such file"], f"a missing file: {name}")
    alpha.config.write_text(bench.good.replace("site-alpha.key", "sae-app-a.key", 1))
    bench.node(2, ["sae-app-a.key", "does not belong to the certificate"], "the key of another certificate")
    alpha.config.write_text(bench.good.replace("site-alpha.key", "sae-app-a.key", 1).replace("site-alpha.crt", "sae-app-a.crt", 1))
    bench.node(2, ["names no site", "pki issue"], "an application's certificate for a site")
    key.chmod(0o644)
    bench.node(2, [str(key), f"chmod 600 {key}"], "a key that others may read")
    check_refused(alpha.quoin("key", "status", "--peer", "app-b"), 1, ["nothing listens"], "the application's key is not concerned")
    key.chmod(0o600)
    sae_key = alpha.pki / "sae-app-a.key"
    sae_key.chmod(0o640)
    check_refused(alpha.quoin("key", "status", "--peer", "app-b"), 2, [f"chmod 600 {sae_key}"], "an application's key for others to read")
    sae_key.chmod(0o600)

    own = alpha.pki / "site-alpha.crt"
    good = own.read_bytes()
    made = run(["req", "-x509", "-key", key, "-subj", "/CN=alpha", "-addext", "subjectAltName=URI:quoin:site:alpha", "-not_before",
                "20240101000000Z", "-not_after", "20240201000000Z", "-CA", alpha.pki / "ca.crt", "-CAkey", alpha.pki / "ca.key",
                "-out", own], command="openssl")
    check_equal(made.code, 0, "openssl makes an expired certificate")
    bench.node(2, ["site-alpha.crt", "expired on 2024-02-01", "pki issue"], "an expired certificate")
    own.write_bytes(good)

    file_key = alpha.data / "key-encryption.key"
    file_key.chmod(0o640)
    bench.node(2, [f"chmod 600 {file_key}"], "a store's key that others may read")
    file_key.chmod(0o600)
    file_key.rename(folder / "away")
    bench.node(2, ["key-encryption.key", "site init"], "a store's key that is not there")
    (folder / "away").rename(file_key)
    store = alpha.data / "site.db"
    store.write_bytes(os.urandom(100_000))
    bench.node(2, ["site.db", "damaged"], "a damaged store")
    store.unlink()

    check_refused(alpha.quoin("link", "pair", "quoin-pair-1:beta:bob:00ff"), 2, ["pairing line", "copy the whole line"], "half a line")
    check_refused(alpha.quoin("link", "pair", "hello"), 2, ["pairing line"], "another line")
    line = alpha.must("link", "pair", "--config", pair.beta.config).strip()
    check_refused(alpha.quoin("link", "pair", line.replace(":beta:", ":gamma:")), 2, ["'gamma'", "'beta'"], "another site's line")
    check_refused(pair.beta.quoin("link", "pair", line), 2, ["'beta'"], "one's own line")
    ran = run(["site", "init", "--dir", alpha.folder, "--name", "alpha", "--peer", "beta", "--role", "alice", "--listen", "127.0.0.1:1"])
    check_refused(ran, 2, ["exists already"], "a site where one is already")
    check_equal(alpha.config.read_text(), bench.good, "and it stays as it was")
    check_refused(run(["site", "init", "--dir", folder / "new", "--name", "a b", "--peer", "beta", "--role", "alice", "--listen", ":1"]), 2,
                  ["names have", "choose another name"], "a name that is none")
    check(not (folder / "new").exists(), "of which nothing is left")


def addresses(folder):
    """Ports in use, a fibre that is away, an address that is none."""
    pair = Pair(folder)
    bench = Bench(folder, pair.alpha)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for section, what in (("link", "the link's port"), ("delivery", "the delivery port")):
            pair.alpha.set(section, "listen", f'"127.0.0.1:{port}"')
            bench.node(2, ["port in use", f"127.0.0.1:{port}", "choose another port"], f"{what} in use")
        check_refused(run(["fibre", "--listen", f"127.0.0.1:{port}"]), 2, ["port in use", "choose another port"], "the fibre's port in use")
    bench.replaced(f"127.0.0.1:{pair.fibre_port}", f"127.0.0.1:{e2e.free_port()}")
    bench.node(1, ["optical device", "nothing listens there", "quoin fibre"], "a fibre that is away")
    bench.replaced("listen = \"127.0.0.1:0\"\ncertificate = \"pki/site-alpha.crt\"\nkey = \"pki/site-alpha.key\"\nca = \"pki/peer-ca.crt\"",
                   "listen = \"no..such.host:1\"\ncertificate = \"pki/site-alpha.crt\"\nkey = \"pki/site-alpha.key\"\nca = \"pki/peer-ca.crt\"")
    bench.node(2, ["no..such.host", "no such address"], "a host that does not exist")  # and that no name server has to be asked for
    for arguments in (["fibre", "--listen", "127.0.0.1"], ["fibre", "--listen", "127.0.0.1:99999"], ["attack", "none", "--fibre", ":x"]):
        check_refused(run(arguments), 2, ["host:port" if "99999" not in arguments[-1] and "x" not in arguments[-1] else "0 to 65535"],
                      f"quoin {' '.join(arguments)}")
    check_refused(run(["attack", "beam-splitting", "--fibre", f"127.0.0.1:{pair.fibre_port}"]), 2, ["beam-splitting", "intercept-resend"],
                  "an attack that there is not")
    check_refused(run(["fibre", "--listen", "127.0.0.1:0", "--distance", "-5"]), 2, ["distance"], "a negative distance")

    # The node's own second self.
    pair.start()
    pair.wait_blocks()
    second = Process("second", ["node", "--config", pair.alpha.config], folder).ended(20)
    check(second.code in (1, 2) and "another process has this store open" in second.err, "a second node on the same store", second)
    reset = pair.alpha.quoin("link", "reset")
    check(reset.code in (1, 2) and "another process has this store open" in reset.err, "link reset beside a running node", reset)
    check(pair.alpha.node.is_running and isinstance(pair.alpha.get(), list), "the first node has not noticed")

    # The fibre goes away and comes back: so does the link.
    port = pair.fibre_port
    pair.fibre.kill()
    pair.beta.node.wait_event("session_ended")
    taken_while_away = pair.alpha.get()
    check(isinstance(taken_while_away, list) and pair.beta.fetch([taken_while_away[0][0]]) == taken_while_away,
          "without the fibre, keys that are there are served", taken_while_away)
    before = len(pair.beta.node.events("block_committed"))
    pair.fibre = Process("fibre-2", ["fibre", "--listen", f"127.0.0.1:{port}", "--rate", 25_000_000, "--distance", 10], folder)
    pair.beta.node.wait_event("block_committed", before + 1, 60)
    check(True, "with the fibre, blocks come again")
    pair.stop()


def both_ended(pair, limit_s=15):
    """Starts both nodes; what they said when both have ended by themselves."""
    pair.alpha.start()
    pair.beta.set("link", "connect", f'"127.0.0.1:{pair.alpha.node.wait_port("link")}"')
    pair.beta.start()
    return [site.node.ended(limit_s) for site in pair.sites]


def peers(folder):
    """Other parameters, another link, the same role, another authority, another name."""
    pair = Pair(folder)
    alpha, beta = pair.sites
    for section, key, value, words in (("protocol", "slots_per_block", "30000000", ["slots_per_block", "configurations equal"]),
                                       ("protocol", "epsilon_sec", "1e-9", ["epsilon_sec", "configurations equal"]),
                                       ("protocol", "epsilon_cor", "1e-14", ["epsilon_cor", "configurations equal"]),
                                       ("link", "id", '"link-2"', ["[link] id"])):
        good = beta.config.read_text()
        beta.set(section, key, value)
        for ran, site in zip(both_ended(pair), pair.sites):
            check_refused(ran, 2, words, f"{key} differs: {site.name} says so")
        beta.config.write_text(good)

    good = beta.config.read_text()
    beta.set("protocol", "mu", "[0.6, 0.1, 0.0]")
    ran = beta.node = Process("mu", ["node", "--config", beta.config], folder).ended(15)
    check_refused(ran, 2, ["the device runs with another mu", "equal"], "a mu that is not the device's")
    beta.config.write_text(good)

    # Two who prepare, each with a fibre of its own.
    second = Process("second-fibre", ["fibre", "--listen", "127.0.0.1:0"], folder)
    port = second.wait_match(r"port (\d+)").group(1)
    beta.set("link", "role", '"alice"')
    alpha.start()
    alpha.node.wait_port("link")
    beta.start()
    first = beta.node.ended(30)
    check(first.code in (1, 2) and "role" in first.err, "a fibre has one Alice only", first)
    alpha.node.kill()
    beta.set("device", "fibre", f'"127.0.0.1:{port}"')
    for ran, site in zip(both_ended(pair), pair.sites):
        check_refused(ran, 2, ["both sites are configured as alice", "other bob"], f"both are Alice: {site.name} says so")
    beta.config.write_text(good)

    # Another authority at alpha: beta's attempt fails; it never worked, so beta ends.
    ca = alpha.pki / "peer-ca.crt"
    good = ca.read_bytes()
    alpha.must("pki", "init", "--dir", folder / "other", "--name", "other")
    ca.write_bytes((folder / "other/ca.crt").read_bytes())
    for name, words in (("another authority", ["does not trust the authority"]), ("another name", ["refuses our certificate"])):
        alpha.start()
        beta.set("link", "connect", f'"127.0.0.1:{alpha.node.wait_port("link")}"')
        beta.start()
        ran = beta.node.ended(15)
        check_refused(ran, 2, ["no link with 'alpha'", *words, "; "], f"{name}: beta ends and says so")
        e2e.wait_until(lambda: "alpha: link: the peer" in alpha.node.err, 10, "alpha's word about it")
        check(alpha.node.is_running, f"{name}: alpha says so and waits on: a stranger must not end it", alpha.node.err)
        check_equal(alpha.node.stop(), 0, f"{name}: alpha stops well")
        ca.write_bytes(good)
        alpha.set("link", "peer", '"gamma"')
    alpha.set("link", "peer", '"beta"')

    # Mended, it works, and when it has worked once, strangers do not end it.
    pair.start()
    pair.wait_blocks()
    beta.node.stop()
    ca.write_bytes((folder / "other/ca.crt").read_bytes())
    alpha.node.stop()
    alpha.start()
    beta.start()
    e2e.wait_until(lambda: "does not trust" in beta.node.err, 10, "beta's word about it")
    time.sleep(0.5)
    check(beta.node.is_running and isinstance(beta.curl("app-a/status")[0], int), "a link that has worked goes on serving its keys",
          beta.node.err)
    check(beta.node.err.count("does not trust") == 1, "and says it once", beta.node.err)
    pair.stop()


class Impostor:
    """Beta's certificate and key in other hands: TLS 1.3 to alpha's link port, then frames."""

    def __init__(self, pair, port):
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=pair.alpha.pki / "ca.crt")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.load_cert_chain(pair.beta.pki / "site-beta.crt", pair.beta.pki / "site-beta.key")
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))

    def send(self, frame):
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self):
        got = b""
        with contextlib.suppress(OSError):
            while piece := self.socket.recv(65536):
                got += piece
        return got


def text_of(words):
    return struct.pack(">I", len(words)) + words.encode()


def versions_and_nonsense(folder):
    """A peer with the right certificate that speaks another version, or none of our language."""
    pair = Pair(folder)
    alpha = pair.alpha
    alpha.start()
    port = alpha.node.wait_port("link")
    hello = struct.pack(">BQQQ", 1, 1, 0, 0)  # frame: type, counters, block
    version = text_of("quoin-link") + struct.pack(">H", 1) + text_of("9.9.9")

    def speak(*frames):
        impostor = Impostor(pair, port)
        for frame in frames:
            impostor.send(frame)
        impostor.receive()

    speak(text_of("quoin-link") + struct.pack(">H", 2) + text_of("9.9.9"))
    e2e.wait_until(lambda: "version 2 of the link framing (software 9.9.9)" in alpha.node.err, 10, "the word about the version")
    check("install the same release on both sites" in alpha.node.err, "another version of the framing is named, with the cure")
    check(alpha.node.is_running, "and does not end the node")
    speak(text_of("http") + b"xx")
    e2e.wait_until(lambda: "does not speak quoin's link protocol" in alpha.node.err, 10, "the word about nonsense")
    protocol = struct.pack(">H", 1)
    for nonsense in (b"", b"\0", b"\xff" * 40, hello, hello + protocol, hello + protocol + os.urandom(100), hello[:1] + bytes(300)):
        speak(version, nonsense)
    check(alpha.node.is_running, "after nonsense the node runs", alpha.node.err)
    with contextlib.suppress(OSError):
        impostor = Impostor(pair, port)
        impostor.socket.sendall(b"\xff\xff\xff\xff" + bytes(1000))
        impostor.receive()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        e2e.receive_all(plain)
    check(alpha.node.is_running, "after a huge length and plain text as well", alpha.node.err)
    speak(version, hello + struct.pack(">H", 7) + os.urandom(60))
    ran = alpha.node.ended(10)
    check_refused(ran, 2, ["the peer speaks link protocol 7, this side 1", "same version"], "another version of the protocol")


def too_far_by_hand(folder):
    """A fibre of 250 km between two nodes: they say why there is no key, and so does who asks for one."""
    pair = Pair(folder, fibre=("--rate", 25_000_000, "--distance", 250))
    pair.start()
    event = pair.beta.node.wait_event("block_no_key")
    check(any(words in event["text"] for words in ("single-photon", "phase error", "no detections in the")),
          "the event gives the proof's reason", event)
    ran = pair.alpha.quoin("key", "get", "--peer", "app-b", limit_s=40)
    check(ran.code in (1, 3) and ran.err.startswith("quoin: ") and ran.out == "", "key get says that there is none", ran)
    status = e2e.wait_until(lambda: pair.beta.status() if pair.beta.status()["blocks"]["without_key"] else None, 5, "the status")
    # Perhaps of a later block, so without its figures.
    told = [seen["text"].split(" (bound")[0] for seen in pair.beta.node.events("block_no_key")]
    check(status["last_block_without_key"]["text"].split(" (bound")[0] in told, "quoin status gives the reason", (status, told))
    pair.stop()


def full_disk(folder):
    """No space for the store: the node ends with the cure; with space it goes on, and nothing is lost or served twice."""
    pair = Pair(folder)
    alpha, beta = pair.sites
    small = mount_small(alpha.data)
    try:
        limits = None if small else (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000)))
        print("a full tmpfs" if small else "a limit on the size of files", flush=True)
        alpha.start(limits)
        alpha.keep_ports()
        beta.set("link", "connect", f'"127.0.0.1:{alpha.node.wait_port("link")}"')
        beta.start()
        beta.keep_ports()
        pair.wait_blocks()
        keys, fetched = [], []
        deadline = time.monotonic() + 90
        while alpha.node.is_running and time.monotonic() < deadline:
            got = alpha.get(10)
            if isinstance(got, list):
                keys += got
                fetched += beta.fetch([i for i, _ in got[:5]]) or []
        ran = alpha.node.ended(1)
        check_refused(ran, 1, ["disk", "free some" if small else "check the disk"], "a full disk ends the node with the cure")
        check(len(keys) > 0, "keys were served before", len(keys))
        check(beta.node.is_running, "the other site goes on")
        if small:
            run(["-o", "remount,size=64m", alpha.data], command="mount")
        alpha.start()
        alpha.node.wait_event("authentication_switched")
        check(not alpha.node.events("bootstrap_started"), "with space, the link is back without bootstrap")
        have = {i for i, _ in fetched}
        rest = [(i, k) for i, k in keys if i not in have]
        got = [key for i in range(0, len(rest), 100) for key in beta.fetch([i for i, _ in rest[i:i + 100]])]
        check_equal(got, rest, "what was taken before is at the other site")
        new = alpha.get(20)
        check(not {i for i, _ in new} & {i for i, _ in keys} and not {k for _, k in new} & {k for _, k in keys},
              "no key is served twice")
        check_equal(beta.fetch([i for i, _ in new]), new, "new keys are equal")
        before = len(alpha.node.events("block_committed"))
        alpha.node.wait_event("block_committed", before + 1, 40)
        pair.stop()
    finally:
        e2e.stop_everything()
        if small:
            run(["-l", alpha.data], command="umount")


def mount_small(path):
    """A file system of a megabyte and a half in place of a folder, if the system lets us."""
    saved = path.with_name("saved")
    shutil.copytree(path, saved)
    mounted = os.getuid() == 0 and run(["-t", "tmpfs", "-o", "size=1500k,mode=0700", "tmpfs", path], command="mount").code == 0
    if mounted:
        for file in saved.iterdir():
            shutil.copy2(file, path)
    shutil.rmtree(saved)
    return mounted


if __name__ == "__main__":
    e2e.main(configuration, certificates_and_keys, addresses, peers, versions_and_nonsense, too_far_by_hand, full_disk)
