#!/usr/bin/env python3
"""`quoin demo`: the story to its end, the JSON object, a file of one's own, an attack, a distance that is too far, every way to
end it.

  demo_test.py PATH-OF-QUOIN [TEST...]
"""
import hashlib
import os
import signal
from pathlib import Path

import quoin_e2e as e2e
from quoin_e2e import check, check_equal, check_refused, run

NUMBERS = ["sifted_bits", "secret_key_bits", "secret_key_rate_bps", "leak_ec_bits", "f_ec", "epsilon_sec", "epsilon_cor"]
MEMBERS = {"qber": ["key", "test"], "authentication": ["bootstrap", "bootstrap_seconds", "steady"],
           "keys": ["delivered", "equal"], "traffic": ["bytes", "sha256_sent", "sha256_received"]}


def stage_folders():
    return {str(path) for base in ("/dev/shm", "/tmp") for path in Path(base).glob("quoin-demo-*")}


def processes_below(pid):
    """All that descend from a process."""
    found, level = set(), {pid}
    while level:
        level = {child for parent in level for child in e2e.children_of(parent)}
        found |= level
    return found


def start_demo(folder, *arguments):
    """A demo, and the stage folder that it has made."""
    before = stage_folders()
    demo = e2e.Process("demo", ["demo", *arguments], folder)
    stage = e2e.wait_until(lambda: stage_folders() - before, 15, "the stage of the demo")
    return demo, stage.pop()


def play(folder, *arguments, limit_s=90):
    """Runs a demo to its end, and checks that nothing of it is left."""
    demo, stage = start_demo(folder, "--once", "--json", *arguments)
    demo.wait_for(lambda: "a process each" in demo.err or "verdict" in demo.err, 30, "two sites")
    below = processes_below(demo.pid)
    check(len(below) >= 3, "the fibre and two sites are processes of their own", below)
    ran = demo.ended(limit_s)
    check(not os.path.exists(stage), "the demo's folder is gone", stage)
    check(not [pid for pid in below if e2e.is_alive(pid)], "no process of the demo is left")
    return ran


def check_good_result(ran):
    check_equal(ran.code, 0, "exit status")
    result = ran.json()
    check_equal(ran.out.strip().count("\n"), 0, "standard output is one line")
    missing = [name for name in NUMBERS + ["verdict"] + list(MEMBERS) if name not in result]
    missing += [f"{name}.{part}" for name, parts in MEMBERS.items() for part in parts if part not in result.get(name, {})]
    if not check(not missing, "the object has every member", missing):
        return result
    for basis in ("key", "test"):
        check(0.003 <= result["qber"][basis] <= 0.012, f"QBER {basis} is that of the fibre", result["qber"])
    check(1.0 <= result["f_ec"] <= 1.2, "f_ec is between 1.0 and 1.2", result["f_ec"])
    check(0 < result["secret_key_bits"] < result["sifted_bits"], "secret key is shorter than sifted key", result)
    check(0 < result["leak_ec_bits"] < result["sifted_bits"] * 0.12, "leak_ec is what such a QBER costs", result)
    check(result["secret_key_rate_bps"] > 1e5, "the key rate is that of 25 km", result["secret_key_rate_bps"])
    check_equal((result["epsilon_sec"], result["epsilon_cor"]), (1e-10, 1e-15), "epsilons")
    check_equal(result["authentication"]["bootstrap"], "pki", "bootstrap by PKI")
    check_equal(result["authentication"]["steady"], "wegman-carter", "Wegman-Carter in the end")
    check(0 < result["authentication"]["bootstrap_seconds"] < 15, "the bootstrap window is measured", result)
    check(result["keys"]["delivered"] > 0, "keys were delivered", result["keys"])
    check_equal(result["keys"]["equal"], result["keys"]["delivered"], "all of them are equal at both sites")
    check_equal(result["verdict"], "ok", "verdict")
    return result


def whole_story(folder):
    """Two sites, four blocks, eight megabytes: every member of the JSON object."""
    ran = play(folder)
    result = check_good_result(ran)
    check(result["first_key_seconds"] < 15, "the first key comes within 15 s", result["first_key_seconds"])
    check(result["traffic"]["bytes"] > 0, "bytes went through the gateway", result["traffic"])
    check_equal(result["traffic"]["sha256_received"], result["traffic"]["sha256_sent"], "and arrived as they were sent")
    for words in ("link up", "bootstrap", "AUTHENTICATION SWITCHED", "QBER", "EQUAL", "gateway", "verdict: ok"):
        check(words in ran.err, f"the story tells of '{words}'", ran.err)


def peak_memory(pid):
    """The largest resident size of a process so far, in MB of 10^6 bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6


def large_blocks(folder):
    """Blocks of ten million sifted bits, several in flight: a node stays under 300 MB."""
    demo, _ = start_demo(folder, "--once", "--json", "--slots", 175_000_000, "--blocks", 3, "--pace", "max")
    demo.wait_for(lambda: "link up" in demo.err, 30, "the link")
    nodes = [pid for pid in processes_below(demo.pid) if b"\0node\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    check_equal(len(nodes), 2, "there is a node at each site")
    peaks = dict.fromkeys(nodes, 0)

    def look():
        peaks.update({pid: max(peaks[pid], peak_memory(pid)) for pid in nodes})
        return "verdict" in demo.err
    e2e.wait_until(look, 120, "the end of the demo")
    result = demo.ended(20).json()
    check(result["sifted_bits"] > 30_000_000, "three blocks of ten million bits", result["sifted_bits"])
    check(0 < min(peaks.values()) and max(peaks.values()) < 300, "each node stays under 300 MB", peaks)


def files_of_ones_own(folder):
    """--send with nothing and with 30 MB: the hashes are those that Python computes."""
    for name, size in (("empty", 0), ("large", 30_000_000)):
        content = os.urandom(size)
        path = folder / name
        path.write_bytes(content)
        result = check_good_result(play(folder, "--send", path, "--blocks", "1"))
        wanted = hashlib.sha256(content).hexdigest()
        check_equal(result["traffic"], {"bytes": size, "sha256_sent": wanted, "sha256_received": wanted},
                    f"{size} bytes of one's own arrived")


def strong_attack(folder):
    """Eve takes every pulse: QBER near 25 %, no key, exit 3, the story says why."""
    ran = play(folder, "--attack", "intercept-resend")
    result = ran.json()
    check_equal(ran.code, 3, "exit status says: no key")
    check(0.23 <= result["qber"]["test"] <= 0.27, "the test QBER is near 25 %", result["qber"])
    check_equal(result["keys"], {"delivered": 0, "equal": 0}, "no key was delivered")
    check_equal(result["secret_key_bits"], 0, "no key was made")
    check(result["verdict"].startswith("no key: ") and len(result["verdict"]) > 20, "the verdict gives the reason", result)
    check("no key was released" in ran.err, "the story says so", ran.err)


def weak_attack(folder):
    """Eve takes a tenth: the error rate shows her, and the proof decides what is left."""
    ran = play(folder, "--attack", "intercept-resend", "--strength", "0.1", "--blocks", "2")
    result = ran.json()
    check(0.02 < result["qber"]["test"] < 0.045, "the test QBER has risen by 2.5 %", result["qber"])
    if result["secret_key_bits"] > 0:
        share = result["secret_key_bits"] / result["sifted_bits"]
        check(ran.code == 0 and share < 0.28, "less key than without her, for the errors are charged to her", (share, ran))
        check_equal(result["keys"]["equal"], result["keys"]["delivered"], "what is delivered is equal")
    else:
        check_equal(ran.code, 3, "no key, says the proof")
        check_equal(result["keys"]["delivered"], 0, "and none is delivered")


def too_far(folder):
    """300 km: the proof says no before anything is started."""
    ran = run(["demo", "--once", "--json", "--distance", "300"], 20)
    check_refused(ran, 3, ["no key is possible over 300", "--slots"], "300 km end with exit 3, the reason and a cure")
    check(ran.seconds < 5, "at once", ran.seconds)
    check(ran.json()["verdict"] not in ("ok", ""), "the object is there as well", ran.out)


def unreadable_files(folder):
    """--send with a file that is not there, and with a folder."""
    ran = run(["demo", "--once", "--send", folder / "nowhere"], 20)
    check_refused(ran, 2, ["nowhere"], "a file that is not there is named")
    ran = run(["demo", "--once", "--send", folder], 20)
    check(ran.code in (1, 2) and str(folder) in ran.err, "a folder is no file", ran)
    secret = folder / "unreadable"
    secret.write_bytes(b"x")
    secret.chmod(0)
    # The superuser reads everything: give the rights up first.
    def give_up_rights():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
    folder.chmod(0o755)
    ran = run(["demo", "--once", "--send", secret], 20, limits=give_up_rights)
    check(ran.code in (1, 2) and "unreadable" in ran.err and "ermission" in ran.err, "a file that may not be read is named", ran)


def check_ends(demo, stage, below, how):
    ran = demo.ended(12)
    check(ran.code == 0, f"{how}: exit status 0 within seconds", ran)
    check(not os.path.exists(stage), f"{how}: the folder is gone", stage)
    check(not [pid for pid in below if e2e.is_alive(pid)], f"{how}: no process is left")
    return ran


def stopped_at_every_stage(folder):
    """SIGINT, SIGTERM and SIGHUP while it sets up, before the first key, while it carries a file, and after."""
    large = folder / "large"
    with open(large, "wb") as file:
        file.truncate(20_000_000_000)  # takes up no space, and longer than the test
    for number, words, arguments in ((signal.SIGINT, "the fibre:", []), (signal.SIGTERM, "link up", []),
                                     (signal.SIGINT, "fingerprint", ["--send", large]),
                                     (signal.SIGHUP, "link up", []), (signal.SIGINT, "ctrl-C ends it", ["--pace", "max"])):
        demo, stage = start_demo(folder, *arguments)
        demo.wait_match(words, 40)
        below = processes_below(demo.pid)
        demo.signal(number)
        check_ends(demo, stage, below, f"{number.name} after '{words}'")
    # Nobody reads any more: `quoin demo | head -1`.
    before = stage_folders()
    pipeline = run(["-c", '"$0" demo | head -n 1', e2e.program], 30, command="bash")
    check(pipeline.code == 0 and "the fibre" in pipeline.out, "a reader that leaves ends it", pipeline)
    check_equal(stage_folders() - before, set(), "a reader that leaves: the folder is gone")


def killed(folder):
    """SIGKILL of the demo: its processes end by themselves, and the next demo removes what it left."""
    demo, stage = start_demo(folder)
    demo.wait_match("link up", 30)
    below = processes_below(demo.pid)
    check(len(below) >= 3, "there are processes to be left")
    demo.kill()
    e2e.wait_until(lambda: not [pid for pid in below if e2e.is_alive(pid)], 10, "the end of the demo's processes")
    check(True, "they end with the demo")
    next_demo, next_stage = start_demo(folder)
    next_demo.wait_match("the fibre:")
    check(not os.path.exists(stage), "the next demo removes what the killed one left", stage)
    one_more, _ = start_demo(folder)
    one_more.wait_match("the fibre:")
    check(os.path.exists(next_stage), "and leaves that of a running one alone")
    for demo in (next_demo, one_more):
        demo.signal(signal.SIGTERM)
        check_equal(demo.ended(15).code, 0, "both end well")


if __name__ == "__main__":
    e2e.main(whole_story, large_blocks, files_of_ones_own, strong_attack, weak_attack, too_far, unreadable_files, stopped_at_every_stage, killed)
