#!/usr/bin/env python3
"""kill -9 of one node and of both, at random moments: the link comes back with its own authentication key, no key is lost, none
is served twice.

  crash_test.py PATH-OF-QUOIN [TEST...]        QUOIN_E2E_SEED=N repeats the moments of an earlier run
"""
import os
import random
import time

import quoin_e2e as e2e
from quoin_e2e import Pair, check, check_equal

ROUNDS = 5


class Keys:
    """All that was handed out at either site."""

    def __init__(self):
        self.got = {}      # (master site, key_ID) -> key
        self.fetched = {}  # the same, at the other site
        self.twice = []

    def note(self, book, site, keys):
        for key_id, key in keys:
            if (site, key_id) in book:
                self.twice.append(key_id)
            book[site, key_id] = key

    def take(self, pair, number):
        """New keys at both sites, each as master; what fails while a node is down is no loss."""
        for site in pair.sites:
            keys = site.get(number)
            if isinstance(keys, list):
                self.note(self.got, site.name, keys)

    def fetch(self, pair, some_only=False):
        """What was not yet fetched, at its other site: what could not be fetched."""
        missing = []
        for master, slave in (pair.sites, reversed(pair.sites)):
            ids = [i for name, i in self.got if name == master.name and (name, i) not in self.fetched]
            for part in (ids[i:i + 100] for i in range(0, len(ids) // 2 if some_only else len(ids), 100)):
                keys = slave.fetch(part)
                if isinstance(keys, list):
                    self.note(self.fetched, master.name, keys)
                else:
                    missing.append((master.name, len(part), keys))
        return missing


def wait_for_link(pair, kinds, restarted):
    """Until both sites run a session again: what they told since `kinds` (numbers of events before)."""
    def new_events(site):
        return site.node.events()[0 if site in restarted else kinds[site.name]:]
    for site in pair.sites:
        def is_up(site=site):
            gone = [victim for victim in pair.sites if not victim.node.is_running]
            if gone:
                raise RuntimeError(f"{gone[0].name} has ended: {gone[0].node.err[-500:]}")
            names = [event["event"] for event in new_events(site)]
            return "authentication_switched" in names and site.status()["link"] == "running"
        site.node.wait_for(is_up, 40, "the link's return")
    return {site.name: new_events(site) for site in pair.sites}


def killed_at_random(folder):
    """Five times: keys are taken, a node or both die at a random moment, start again, and everything goes on."""
    seed = int(os.environ.get("QUOIN_E2E_SEED") or random.randrange(1 << 32))
    print(f"QUOIN_E2E_SEED={seed}", flush=True)
    moments = random.Random(seed)
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    keys = Keys()
    for number in range(ROUNDS):
        victims = [pair.sites[:1], pair.sites[1:], pair.sites][number % 3]
        names = " and ".join(site.name for site in victims)
        keys.take(pair, 20)
        failed = keys.fetch(pair, some_only=True)
        check(not failed, f"round {number}: keys are taken and fetched", failed)
        keys.take(pair, 20)  # these are fetched after the crash
        time.sleep(moments.uniform(0, 1.5))
        kinds = {site.name: len(site.node.events()) for site in pair.sites}
        for site in victims:
            site.node.kill()
        for site in moments.sample(victims, len(victims)):
            site.start()
        events = wait_for_link(pair, kinds, victims)
        told = [event for site in pair.sites for event in events[site.name]]
        check(not [event for event in told if event["event"] in ("bootstrap_started", "alarm")],
              f"round {number}: kill -9 of {names}: the link is back without bootstrap", told)
        e2e.wait_until(lambda: all(site.status()["authentication"] == "wegman-carter" for site in pair.sites), 10,
                       "authentication by the link's own key")
        failed = keys.fetch(pair)
        check(not failed, f"round {number}: keys taken before are fetched after", failed)

    # New blocks come, under the same bootstrap, with information-theoretic authentication.
    kinds = {site.name: len(site.node.events("block_committed")) for site in pair.sites}
    for site in pair.sites:
        block = site.node.wait_event("block_committed", kinds[site.name] + 1, 60)
        check_equal((block["grade"], block["anchor"]), ("information-theoretic", "pki"), f"{site.name}: a new block's grade")
    keys.take(pair, 20)
    check_equal(keys.fetch(pair), [], "keys of after all crashes are fetched")

    check(len(keys.got) > 200, "many keys were handed out", len(keys.got))
    check_equal(keys.twice, [], "no key_ID was given twice")
    check(len(set(keys.got.values())) == len(keys.got), "no key was given twice under another key_ID")
    check(keys.fetched == keys.got, "all keys are equal at both sites", (len(keys.got), len(keys.fetched)))
    for master, slave in (pair.sites, reversed(pair.sites)):
        ids = [i for name, i in keys.fetched if name == master.name]
        again = [i for i in ids[::23] if isinstance(slave.fetch([i]), list)]
        check_equal(again, [], f"{slave.name}: nothing that was fetched before any crash is served again")
    pair.stop()


def killed_while_serving(folder):
    """kill -9 while a client takes keys as fast as it can: what the client has is at the other site, and nothing comes twice."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    alpha, beta = pair.sites
    keys = Keys()
    for number in range(3):
        clients = [e2e.Process(f"client-{number}-{i}", ["key", "get", "--config", alpha.config, "--peer", "app-b", "--number", 100],
                               folder) for i in range(6)]
        e2e.wait_until(lambda: any(not client.is_running for client in clients), 20, "the first client")
        alpha.node.kill()
        ends = [client.ended() for client in clients]
        for ran in ends:
            lines = ran.out.split("\n")[:-1]
            keys.note(keys.got, alpha.name, [tuple(line.split()) for line in lines])
        check(any(ran.code == 0 for ran in ends), "some clients got their keys", ends)
        alpha.start()
        alpha.node.wait_event("authentication_switched")
        check_equal(keys.fetch(pair), [], "all that clients have is at the other site")
    check_equal(keys.twice, [], "no key_ID came twice")
    check(keys.got == keys.fetched and len(set(keys.got.values())) == len(keys.got) >= 300, "all keys are equal, and differ",
          (len(keys.got), len(keys.fetched)))
    pair.stop()


if __name__ == "__main__":
    e2e.main(killed_at_random, killed_while_serving)
