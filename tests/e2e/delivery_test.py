#!/usr/bin/env python3
"""Two sites by hand; keys by ETSI GS QKD 014, with curl and with the program's own client; and no key where none belongs.

  delivery_test.py PATH-OF-QUOIN [TEST...]
"""
import base64
import json

import quoin_e2e as e2e
from quoin_e2e import Pair, check, check_equal, check_refused, run


def keys_of(answer):
    """key_ID -> key (base64) of an answer with keys."""
    code, body = answer
    return {key["key_ID"]: key["key"] for key in json.loads(body)["keys"]} if code == 200 else answer


def site_by_hand(folder):
    """site init, link pair, link check as two people would; then a key by get and fetch."""
    pair = Pair(folder)
    alpha, beta = pair.sites
    check_equal([oct(path.stat().st_mode & 0o777) for path in (alpha.pki / "ca.key", alpha.data / "key-encryption.key")],
                ["0o600", "0o600"], "secret files are for their owner only")
    # link check needs addresses that both know before either listens.
    port = e2e.free_port()
    alpha.set("link", "listen", f'"127.0.0.1:{port}"')
    beta.set("link", "connect", f'"127.0.0.1:{port}"')
    waiting = e2e.Process("check", ["link", "check", "--config", alpha.config, "--wait", 30], folder)
    checked = beta.quoin("link", "check", "--wait", 30)
    there = waiting.ended()
    check(checked.code == 0 and there.code == 0, "link check ends well at both sites", f"{checked}\n{there}")
    for words in ("X25519MLKEM768", "round trip", "clocks agree", "both sites run quoin"):
        check(words in checked.out, f"link check tells of '{words}'", checked)
    nobody = alpha.quoin("link", "check", "--wait", 1)
    check_refused(nobody, 1, ["no answer within 1 s"], "without a peer link check says so")

    pair.start()
    pair.wait_blocks()
    (key,) = alpha.get()
    check_equal(beta.fetch([key[0]]), [key], "key fetch at beta gives the key that key get gave at alpha")
    beside = [site.quoin("link", "check", "--wait", 1) for site in pair.sites]
    check(all(ran.code == 0 and "its link to" in ran.out for ran in beside), "link check beside a running node says so", beside)
    check_equal([len(site.node.events("session_started")) for site in pair.sites], [1, 1], "and leaves its link alone")
    def is_shown():
        status = alpha.status()
        return (status["link"], status["authentication"]) == ("running", "wegman-carter") and status["blocks"]["committed"] >= 1
    e2e.wait_until(is_shown, 10, "quoin status that shows the link")  # it is written every second
    check(True, "quoin status shows the link")
    told = alpha.quoin("status")
    check(told.code == 0 and "running" in told.out and "not running" not in told.out, "and for people", told)
    pair.stop()
    check("the node was stopped" in alpha.quoin("status").out, "quoin status says that the node was stopped")


def equal_keys_by_curl(folder):
    """status, enc_keys and dec_keys, GET and POST, in both directions."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    for here, there in (pair.sites, reversed(pair.sites)):
        way = f"{here.name} to {there.name}"
        code, body = here.curl(f"{here.peer_sae}/status")
        status = json.loads(body)
        check(code == 200 and status["master_SAE_ID"] == here.sae and status["slave_SAE_ID"] == here.peer_sae
              and status["stored_key_count"] > 100 and status["key_size"] == 256, f"{way}: status", (code, body))
        got = keys_of(here.curl(f"{here.peer_sae}/enc_keys?number=3&size=256"))
        check(len(got) == 3 and all(len(base64.b64decode(key)) == 32 for key in got.values()), f"{way}: three keys by GET", got)
        ids = list(got)
        fetched = keys_of(there.curl(f"{here.sae}/dec_keys?key_ID={ids[0]}"))
        check_equal(fetched, {ids[0]: got[ids[0]]}, f"{way}: the same key by GET dec_keys")
        wanted = json.dumps({"key_IDs": [{"key_ID": i} for i in ids[1:]]})
        fetched = keys_of(there.curl(f"{here.sae}/dec_keys", "-H", "Content-Type: application/json", "-d", wanted))
        check_equal(fetched, {i: got[i] for i in ids[1:]}, f"{way}: the same keys by POST dec_keys")
        posted = keys_of(here.curl(f"{here.peer_sae}/enc_keys", "-H", "Content-Type: application/json", "-d",
                                   json.dumps({"number": 2, "size": 512})))
        check(len(posted) == 2 and all(len(base64.b64decode(key)) == 64 for key in posted.values()),
              f"{way}: two keys of 512 bits by POST", posted)
        check_equal(dict(there.fetch(list(posted))), posted, f"{way}: the same by the program's client")
        check(len({*got, *posted}) == 5 and len({*got.values(), *posted.values()}) == 5, f"{way}: all keys differ")
        code, body = there.curl(f"{here.sae}/dec_keys?key_ID={ids[0]}")
        check(code == 400 and "message" in body, f"{way}: a key is fetched once: 400", (code, body))
        again = there.quoin("key", "fetch", "--peer", here.sae, ids[1])
        check(again.code != 0 and ids[1] not in again.out and again.err.startswith("quoin"), f"{way}: and by the client", again)
    pair.stop()


def who_may_not(folder):
    """No certificate, one of another authority, of another application; a key_ID that is not there; a mistyped request."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    alpha, beta = pair.sites
    (key,) = alpha.get()
    for arguments in (("pki", "init", "--dir", folder / "other", "--name", "other"),
                      ("pki", "issue", "--dir", folder / "other", "--sae", "app-b"),
                      ("pki", "issue", "--dir", beta.pki, "--sae", "app-x")):
        beta.must(*arguments)
    code, body = beta.curl(f"app-a/dec_keys?key_ID={key[0]}", pki=folder / "other")
    check(str(code).startswith("curl"), "a certificate of another authority is refused in the handshake", (code, body))
    code, body = beta.curl(f"app-a/dec_keys?key_ID={key[0]}", sae="app-x")
    check(code == 401, "an application that the site does not know: 401", (code, body))
    ran = run(["-sS", "--cacert", beta.pki / "ca.crt", f"https://127.0.0.1:{beta.delivery_port}/api/v1/keys/app-a/status"],
              command="curl")
    check(ran.code != 0, "no certificate is refused", ran)
    ran = run(["key", "status", "--peer", "app-a", "--kme", f"127.0.0.1:{beta.delivery_port}", "--site", "beta", "--cert",
               folder / "other/sae-app-b.crt", "--key", folder / "other/sae-app-b.key", "--ca", beta.pki / "ca.crt"])
    check(ran.code != 0 and ran.err.startswith("quoin"), "the client with such a certificate says that it was refused", ran)
    ran = run(["key", "status", "--peer", "app-a", "--kme", f"127.0.0.1:{beta.delivery_port}", "--site", "beta", "--cert",
               beta.pki / "sae-app-b.crt", "--key", beta.pki / "sae-app-b.key", "--ca", folder / "other/ca.crt"])
    check(ran.code != 0 and ran.err.startswith("quoin"), "a key manager of another authority is not believed", ran)
    ran = run(["key", "status", "--peer", "app-a", "--kme", f"127.0.0.1:{beta.delivery_port}", "--site", "gamma", "--cert",
               beta.pki / "sae-app-b.crt", "--key", beta.pki / "sae-app-b.key", "--ca", beta.pki / "ca.crt"])
    check(ran.code != 0 and "gamma" in ran.err, "nor one of another site", ran)
    code, body = beta.curl("app-a/dec_keys?key_ID=00000000-0000-4000-8000-000000000000")
    check(code == 400, "a key_ID that was never given: 400", (code, body))
    check_equal(alpha.curl("app-b/enc_keys?number=0")[0], 400, "no keys at all: 400")
    check_equal(alpha.curl("app-b/enc_keys?size=7")[0], 400, "a size that is no multiple of 8: 400")
    check(alpha.curl("app-z/enc_keys")[0] in (400, 401), "a slave that nobody knows is refused")
    ran = beta.quoin("key", "fetch", "--peer", "app-a", "no-key-id")
    check_refused(ran, 2, ["'no-key-id' is no key_ID", "key get"], "a mistyped key_ID is named")
    check_equal(beta.fetch([key[0]]), [key], "after all that the key is there for whom it is for")
    pair.stop()


def traces_of(key):
    """What a key may look like in a file: raw, hexadecimal and base64, and parts of each."""
    raw = base64.b64decode(key)
    traces = {raw[i:i + 8] for i in range(0, len(raw) - 7, 8)}
    traces |= {trace.hex().encode() for trace in set(traces)} | {trace.hex().upper().encode() for trace in set(traces)}
    for i in range(3):  # base64 has three alignments
        text = base64.b64encode(raw[i:i + (len(raw) - i) // 3 * 3])
        texts = {text, text.replace(b"+", b"-").replace(b"/", b"_")}
        traces |= {t[j:j + 12] for t in texts for j in range(0, len(t) - 11, 12)}
    return traces


def files_with(keys, folder):
    """Which files below `folder` show a part of one of the keys."""
    traces = set().union(*(traces_of(key) for key in keys))
    return sorted(str(path) for path in folder.rglob("*") if path.is_file()
                  for content in [path.read_bytes()] if any(trace in content for trace in traces))


def canary(folder):
    """Keys that were delivered are in no file of the sites and in nothing that the nodes print."""
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks(2)
    alpha, beta = pair.sites
    keys = alpha.get(20)
    check_equal(beta.fetch([key[0] for key in keys]), keys, "twenty keys at both sites")
    half = alpha.get(20)  # taken at one side only
    canaries = [key for _, key in keys + half]

    # The scanner finds what is planted, in each form, whole or in part.
    raw = base64.b64decode(canaries[7])
    planted = beta.data / "planted"
    for form, content in (("raw", raw), ("hexadecimal", raw.hex().encode()), ("base64", canaries[7].encode()),
                          ("base64 behind a byte", base64.b64encode(b"x" + raw)), ("half of it", b"..." + raw[:16] + b"...")):
        planted.write_bytes(b"something before " + content + b" something after")
        check_equal(files_with(canaries, folder), [str(planted)], f"the scan finds a planted key: {form}")
        planted.unlink()

    stores = [path for site in pair.sites for path in site.data.iterdir() if path.name.startswith("site.db")]
    check(len(stores) >= 4 and sum(path.stat().st_size for path in stores) > 100_000, "there are stores and logs to look at",
          [(path.name, path.stat().st_size) for path in stores])
    check_equal(files_with(canaries, folder), [], "while the nodes run, no key is in any file")
    alpha.node.kill()
    check_equal(files_with(canaries, folder), [], "after kill -9, no key is in any file")
    alpha.start()
    alpha.node.wait_event("session_started", 1)
    check_equal(beta.fetch([key[0] for key in half]), half, "twenty keys taken before, fetched after")
    pair.stop()
    check_equal(files_with(canaries, folder), [], "after a clean stop, no key is in any file")
    said = sum(path.stat().st_size for path in (folder / "logs").iterdir())
    check(said > 2000, "the nodes have said something", said)


if __name__ == "__main__":
    e2e.main(site_by_hand, equal_keys_by_curl, who_may_not, canary)
