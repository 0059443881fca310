#!/usr/bin/env python3
"""quoin proof: counts as JSON in, the length of the key and every step of its derivation out.

  proof_test.py PATH-OF-QUOIN [TEST...]
"""
import json
import math

import quoin_e2e as e2e
from quoin_e2e import Pair, check, check_equal, check_refused, run, wait_until

LIM = {"n_x": [7000000, 820000, 9000], "n_z": [780000, 91000, 1000], "m_x": [80000, 9600, 4300], "m_z": [9000, 1100, 480],
       "mu": [0.5, 0.2, 0.0005], "p": [0.7, 0.2, 0.1], "eps_sec": 1e-9, "eps_cor": 1e-15, "leak_ec": 851302.882}
RUSCA = {"n_z": [8000000, 1310000], "n_x": [600000, 98000], "m_z": [90000, 16000], "m_x": [7000, 1250], "mu": [0.5, 0.15],
         "p": [0.65, 0.35], "eps_sec": 1e-9, "eps_cor": 1e-15, "leak_ec": 970289.129}
TOMAMICHEL = {"n": 1000000, "k": 100000, "q_tol": 0.025, "leak_ec": 1.1e6 * 0.16866093149667025, "eps_sec": 1e-10, "eps_cor": 1e-15}


def ask(name, given, *more):
    return run(["proof", name, *more], typed=given if isinstance(given, bytes) else json.dumps(given).encode())


def answer(name, given):
    ran = ask(name, given, "--json")
    check(ran.code == 0 and not ran.err and ran.out.count("\n") == 1, f"{name} answers with one line", ran)
    return json.loads(ran.out)


def check_close(got, wanted, text):
    check(math.isclose(got, wanted, rel_tol=1e-6), text, (got, wanted))


def numbers(folder):
    """The integer vectors of Lim 2014 and Rusca 2018 and a row of Tomamichel 2012, field by field."""
    out = answer("lim2014", LIM)
    for name, wanted in {"tau0": 0.688267625, "tau1": 0.245084936, "s_x0": 0, "s_x1": 4349414.06, "s_z1": 407540.612,
                         "v_z1": 9371.48028, "phi_x": 0.0251933309, "penalty": 256.566943, "length": 2759838.81}.items():
        check_close(out[name], wanted, f"lim2014 {name}")
    check_equal(out["secret_key_length"], 2759838, "lim2014 length")
    check("reason" not in out, "a key needs no reason", out)
    out = answer("rusca2018", RUSCA)
    for name, wanted in {"s_z0_lower": 0, "s_z0_upper": 100042.766, "s_z1": 5432734.85, "s_x1": 371970.34, "v_x1": 10686.4125,
                         "phi_z": 0.0312587358}.items():
        check_close(out[name], wanted, f"rusca2018 {name}")
    check_equal(out["secret_key_length"], 3372027, "rusca2018 length")
    out = answer("tomamichel2012", TOMAMICHEL)
    check(abs(out["mu"] - 0.01638708) < 1e-8, "tomamichel2012 mu", out)
    check_equal(out["secret_key_length"], 565739, "tomamichel2012 length")
    check_equal(answer("six_state", {"n": 1e6, "m": 1e5, "f_ec": 1})["secret_key_length"], 152415, "six_state length")
    check_equal(answer("asymptotic_bb84", {"n": 1e6, "m": 1e4})["secret_key_length"], 825486, "asymptotic_bb84 length")
    released = answer("variable_length_decoy2", LIM)["secret_key_length"]
    check(2_000_000 < released < 2759838, "released key is shorter than the textbook's", released)


def every_proof(folder):
    """--list names all; each one's own example gives a key, as JSON and as a table."""
    listed = run(["proof", "--list"])
    known = json.loads(run(["proof", "--list", "--json"]).out)
    names = [proof["name"] for proof in known]
    check({"asymptotic_bb84", "gllp", "lim2014", "rusca2018", "tomamichel2012", "six_state", "sarg04"} <= set(names), "all are listed", names)
    for proof in known:
        line = next(line for line in listed.out.splitlines() if line.endswith(f"' | quoin proof {proof['name']}"))
        example = json.loads(line.split("'")[1])
        out = answer(proof["name"], example)
        check(out["secret_key_length"] > 0 and len(out) > 5, f"the example of {proof['name']} gives a key", out)
        table = ask(proof["name"], example)
        check(table.code == 0 and all(step in table.out for step in out if step not in ("proof", "reason")), "the table has every step", table)
        for field in proof["fields"]:
            if field["required"]:
                check_refused(ask(proof["name"], {k: v for k, v in example.items() if k != field["name"]}), 2, [f"'{field['name']}'"],
                              f"{proof['name']} without {field['name']}")


def no_key(folder):
    """What violates an assumption gives length 0, a reason and status 0."""
    for change, code in (({"n_x": [700000, 250000, 3000], "m_x": [7000, 2500, 1500]}, "photon_number_splitting"),
                         ({"mu": [0.5, 0.6, 0.1]}, "intensities"), ({"p": [0.7, 0.2, 0.2]}, "probabilities"),
                         ({"m_z": [780001, 1100, 480]}, "counts"), ({"n_x": [-1, 0, 0]}, "counts"), ({"eps_sec": 0}, "epsilons"),
                         ({"leak_ec": 1e9}, "nothing_left"), ({"leak_ec": -1}, "leakage"), ({"n_z": [0, 0, 0], "m_z": [0, 0, 0]}, "no_detections"),
                         ({"m_z": [300000, 40000, 480]}, "phase_error"), ({"n_x": [1000000, 820000, 9000]}, None)):
        out = answer("lim2014", {**LIM, **change})
        check(out["secret_key_length"] == 0 and out["reason"] and code in (None, out["reason_code"]), f"no key: {code}", out)
    table = ask("lim2014", {**LIM, "leak_ec": 1e9})
    check(table.code == 0 and "no key (nothing_left)" in table.out, "the table tells the reason", table)


def bad_input(folder):
    """What is no input is refused with the field's name: exit status 2, nothing on standard output."""
    for given, words in ((b"", ["standard input is empty", "--list"]), (b"{", ["no JSON"]), (b"[1,2]", ["no object"]),
                         (b'{"n_x": NaN}', ["no JSON"]), (b"\xff\xfe", ["no JSON"]), (b"[" * 5000, ["no JSON"]),
                         (b'{"n_x":[1,2,3],"n_x":[1,2,3]}', ["twice"]), (b'{"a":"' + b"x" * 70000 + b'"}', ["65536"]),
                         ({**LIM, "n_x": [1, 2]}, ["'n_x'", "3 numbers"]), ({**LIM, "n_x": "many"}, ["'n_x'", "no number"]),
                         ({**LIM, "n_x": [1, [2], 3]}, ["'n_x'", "no number"]), ({**LIM, "mu": [[0.5] * 3]}, ["'mu'"]),
                         ({**LIM, "p": [0.1] * 17}, ["'p'", "16"]), ({**LIM, "nx": 1}, ["no field 'nx'", "n_x"]),
                         ({**LIM, "eps_sec": [1e-9, 1e-9]}, ["'eps_sec'", "1 number"]), ({**LIM, "leak_ec": 1e300}, ["'leak_ec'", "1e18"]),
                         ({**LIM, "leak_ec": True}, ["'leak_ec'", "no number"]), ({**LIM, "leak_ec": None}, ["'leak_ec'"])):
        ran = ask("lim2014", given, "--json")
        check_refused(ran, 2, words, f"refused: {str(given)[:40]}")
        check_equal(ran.out, "", "nothing on standard output")
    check_refused(ask("lim2015", LIM), 2, ["'lim2015'", "did you mean 'lim2014'", "--list"], "an unknown proof")
    check_refused(run(["proof"]), 2, ["--list"], "no name")


def budget(folder):
    """[link] secrecy_budget for two blocks: the link stops making key, the status says why, a restart changes nothing."""
    pair = Pair(folder)
    for site in pair.sites:
        site.set("link", "secrecy_budget", "2.5e-10")
    pair.start()

    def is_spent():
        ran = pair.beta.quoin("status", "--json")  # the first second there is none
        return ran.code == 0 and ran.json()["secrecy_budget"]["is_spent"]

    wait_until(is_spent, 60, "a budget that is spent")
    wait_until(lambda: pair.beta.status()["blocks"]["committed"] == 2, 30, "two blocks")
    status = pair.beta.status()
    secrecy = status["secrecy_budget"]
    check(secrecy["limit"] == 2.5e-10 and 2e-10 <= secrecy["spent"] <= 2.5e-10 and secrecy["total"] == secrecy["spent"]
          and secrecy["period_days"] == 365 and "secrecy_budget" in status["no_key_because"], "the status shows the budget", status)
    told = pair.beta.quoin("status").out
    check("no_key_because" in told and "secrecy budget is spent" in told, "quoin status tells it in words", told)
    check(any("secrecy budget" in line for line in pair.beta.node.err.splitlines() + pair.beta.node.out.splitlines()), "the node says so",
          pair.beta.node.out[-500:])
    check_equal(pair.beta.node.stop(), 0, "the node stops")
    pair.beta.start()
    wait_until(lambda: pair.beta.status()["node"] == "running" and pair.beta.status()["link"] == "running", 30, "the link again")
    after = pair.beta.status()
    check(after["secrecy_budget"]["total"] == secrecy["total"] and after["secrecy_budget"]["is_spent"] and after["blocks"]["committed"] == 2,
          "a restart gives no budget back", after)


if __name__ == "__main__":
    e2e.main(numbers, every_proof, no_key, bad_input, budget)
