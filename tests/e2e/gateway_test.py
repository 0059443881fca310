#!/usr/bin/env python3
"""The gateway: as a program of its own that asks the key managers, and inside the nodes of profile `unit`.

  gateway_test.py PATH-OF-QUOIN [TEST...]
"""
import contextlib
import os
import re
import signal
import socket
import threading

import quoin_e2e as e2e
from quoin_e2e import Pair, Process, Sink, check, check_equal, check_refused, exchange_through


def carry(entry_port, sink, there, back, what):
    came_back = exchange_through(entry_port, there)
    got = sink.wait()
    check(got == there, f"{what}: {len(there)} bytes came out as they went in", (len(got), len(there)))
    check(came_back == back, f"{what}: {len(back)} bytes came back as they were sent", (len(came_back), len(back)))


def gateway(pair, site, name, end, forward, *more):
    started = Process(name, ["gateway", "--config", site.config, "--peer", site.peer_sae, f"--{end}", "127.0.0.1:0", "--forward",
                             f"127.0.0.1:{forward}", "--rekey-megabytes", 1, *more], pair.folder)
    return started, int(started.wait_match(r"port (\d+)").group(1))


def re_keyed_every_megabyte(folder):
    """Twenty megabytes in both directions at once, a new key for each megabyte; several connections; who comes later."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    alpha, beta = pair.sites
    there, back = os.urandom(20_000_000), os.urandom(20_000_000)
    sink = Sink(back)
    exit_side, exit_port = gateway(pair, beta, "exit", "exit", sink.port)
    entry_side, entry_port = gateway(pair, alpha, "entry", "entry", exit_port)
    carry(entry_port, sink, there, back, "20 MB each way")
    entry_side.signal(signal.SIGTERM)
    said = entry_side.ended()
    counters = re.search(r"(\d+) connections, (\d+) bytes in, (\d+) bytes out, (\d+) keys", said.out)
    check(said.code == 0 and counters is not None, "the entry ends well and counts what it did", said)
    connections, bytes_in, bytes_out, keys = map(int, counters.groups())
    check_equal((connections, bytes_in, bytes_out), (1, len(there), len(back)), "one connection with all of these bytes")
    # A key is asked for after a megabyte; from two on users wait for it, and what is on its way still goes under the old one.
    check(keys >= 10, "forty megabytes took ten keys or more", keys)
    exit_side.stop()
    pair.stop()


def closed_early(folder):
    """A target that is away, a user that leaves, records that someone alters: the connection ends, the gateway goes on."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    alpha, beta = pair.sites
    sinks = [Sink(os.urandom(300_000)) for _ in range(2)]
    away = e2e.free_port()
    exit_side, exit_port = gateway(pair, beta, "exit", "exit", away)
    entry_side, entry_port = gateway(pair, alpha, "entry", "entry", exit_port)
    check_equal(closing_is_quiet(entry_port, b"hello"), b"", "a target that is away: the user's connection is closed")
    check(entry_side.is_running and exit_side.is_running, "and both gateways go on")

    # In between sits someone who flips a bit far inside.
    flipping = Flipper(exit_port)
    flipped_entry, flipped_port = gateway(pair, alpha, "flipped", "entry", flipping.port)
    second_exit, second_port = gateway(pair, beta, "second-exit", "exit", sinks[0].port)
    flipping.target = second_port
    sent = os.urandom(300_000)
    closing_is_quiet(flipped_port, sent)
    got = sinks[0].wait()
    check(len(got) < len(sent) and sent.startswith(got), "of an altered stream only what came before the change comes out",
          (len(got), len(sent)))
    check(flipping.has_flipped, "it was altered")
    e2e.wait_until(lambda: "gateway" in second_exit.err, 10, "the exit's word about it")
    check(second_exit.is_running and flipped_entry.is_running, "both gateways go on")
    pair.stop()


def closing_is_quiet(port, data):
    """As exchange_through, for connections that are expected to break: what came back until then."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            got = e2e.receive_all(connection)
        except ConnectionError:
            pass
    return got


class Flipper:
    """Forwards one connection and flips a bit in the 200 000th byte from the user's side."""

    def __init__(self, target):
        self.target, self.has_flipped = target, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        near, _ = self.listener.accept()
        far = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.pump, args=(far, near, None), daemon=True).start()
        self.pump(near, far, 200_000)

    def pump(self, source, target, flip_at):
        seen = 0
        try:
            while piece := bytearray(source.recv(65536)):
                if flip_at is not None and seen <= flip_at < seen + len(piece):
                    piece[flip_at - seen] ^= 1
                    self.has_flipped = True
                seen += len(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def profile_unit(folder):
    """Gateways inside the nodes: traffic flows, and there is no port at which a key could be had."""
    pair = Pair(folder, delivery="")
    alpha, beta = pair.sites
    there, back = os.urandom(3_000_000), os.urandom(2_000_000)
    sink = Sink(back)
    exit_port = e2e.free_port()
    for site, text in ((alpha, f'entry = "127.0.0.1:0"\nforward = "127.0.0.1:{exit_port}"\nsae = "gw-a"\npeer_sae = "gw-b"\n'),
                       (beta, f'exit = "127.0.0.1:{exit_port}"\nforward = "127.0.0.1:{sink.port}"\nsae = "gw-b"\npeer_sae = "gw-a"\n')):
        site.config.write_text(site.config.read_text() + "\n[gateway]\n" + text + "rekey_megabytes = 1\n")
    pair.start()
    pair.wait_blocks()
    entry_port, link_port = alpha.node.wait_port("gateway"), alpha.node.wait_port("link")
    carry(entry_port, sink, there, back, "through the nodes")
    check_equal(e2e.listening_ports(alpha.node.pid), {link_port, entry_port}, "alpha listens for its link and its users only")
    check_equal(e2e.listening_ports(beta.node.pid), {exit_port}, "beta listens for alpha's gateway only")
    check(not any(event["what"] == "delivery" for site in pair.sites for event in site.node.events("listening")),
          "neither speaks of a delivery port")
    ran = alpha.quoin("key", "get", "--peer", "app-b")
    check_refused(ran, 2, ["unit", "inside the process"], "key get says that there is no delivery here")
    status = alpha.status()
    check_equal(status["link"], "running", "the link went on meanwhile")
    pair.stop()


if __name__ == "__main__":
    e2e.main(re_keyed_every_megabyte, closed_early, profile_unit)
