#!/usr/bin/env python3
"""What is typed: every subcommand has help with an example, and what is mistyped is named.

  usage_test.py PATH-OF-QUOIN [TEST...]
"""
import re

import quoin_e2e as e2e
from quoin_e2e import check, check_equal, check_refused, run


def subcommands(path=()):
    """All of them, by what --help lists."""
    ran = run([*path, "--help"])
    names = re.findall(r"(?m)^  ([a-z]+)  ", ran.out.split("\nSubcommands:\n")[1]) if "\nSubcommands:\n" in ran.out else []
    found = [(path, ran)]
    for name in names:
        found += subcommands((*path, name))
    return found


def help_everywhere(folder):
    """--help of every subcommand: exit status 0, usage, an example of that very subcommand."""
    found = subcommands()
    names = {" ".join(path) for path, _ in found}
    check({"demo", "node", "status", "key get", "key fetch", "seal", "open", "gateway", "site init", "link pair", "link check", "pki issue",
           "fibre", "attack", "sim"} <= names and len(names) >= 22, "all subcommands are found", names)
    for path, ran in found:
        name = " ".join(["quoin", *path])
        has_example = f"Example: {name} " in ran.out or not path
        check(ran.code == 0 and "Usage:" in ran.out and has_example and not ran.err, f"{name} --help", ran)
    check("Exit status: 0 done" in found[0][1].out, "quoin --help tells the exit statuses", found[0][1])
    for path, ran in found[1:]:
        # Examples name no option that there is not.
        for line in re.findall(r"(?m)^(?:Example:)?\s+(quoin .*)$", ran.out):
            words = line.split()
            of = words[1:3] if tuple(words[1:3]) in [p for p, _ in found] else words[1:2]
            options = set(re.findall(r"--[a-z-]+", line))
            known = set(re.findall(r"--[a-z-]+", run([*of, "--help"]).out.split("Example")[0]))
            check(options <= known, f"the example '{line[:60]}' has known options", options - known)
    ran = run(["--version"])
    check(ran.code == 0 and re.fullmatch(r"quoin \d+\.\d+\.\d+\n", ran.out), "quoin --version", ran)


def mistyped(folder):
    """Unknown options and subcommands, missing and impossible values: exit status 2, what was meant, where help is."""
    for path, _ in subcommands():
        name = " ".join(["quoin", *path])
        check_refused(run([*path, "--no-such-option"]), 2, ["'--no-such-option'", f"see '{name} --help'"], f"{name} --no-such-option")
    for arguments, words in ((["dmeo"], ["'dmeo'", "did you mean 'demo'", "'quoin --help'"]),
                             (["key", "gte"], ["'gte'", "did you mean 'get'", "'quoin key --help'"]),
                             (["demo", "--distnce", "5"], ["'--distnce'", "did you mean '--distance'", "'quoin demo --help'"]),
                             ([], ["subcommand is required"]), (["key"], ["subcommand is required", "'quoin key --help'"]),
                             (["key", "get"], ["--peer is required", "'quoin key get --help'"]),
                             (["demo", "--distance", "far"], ["--distance", "far"]), (["demo", "--pace", "slow"], ["--pace", "slow", "realtime"]),
                             (["site", "init", "--name", "a", "--peer", "b", "--role", "eve"], ["--role", "eve", "alice"]),
                             (["node", "--config"], ["--config"]), (["gateway", "--peer", "x", "--forward", "h:1", "--rekey-megabytes", "0"],
                                                                    ["--rekey-megabytes"]),
                             (["demo", "--attack", "magic", "--once"], ["magic", "intercept-resend"]),
                             (["demo", "--distance", "-1", "--once"], ["distance"]), (["demo", "--rate", "0", "--once"], ["rate"]),
                             (["demo", "--strength", "7", "--attack", "intercept-resend", "--once"], ["--strength", "[0 - 1]"]),
                             (["pki", "show", folder / "none.crt"], ["none.crt"]), (["pki", "issue", "--dir", folder], ["--site", "--sae"])):
        check_refused(run(arguments, 30), 2, words, f"quoin {' '.join(map(str, arguments))[-60:]}")


def certificates(folder):
    """pki init, issue and show: what is made can be looked at, by openssl as well, and nothing is overwritten."""
    pki = folder / "pki"
    check_equal(run(["pki", "init", "--dir", pki, "--name", "our-authority"]).code, 0, "pki init")
    check_equal(run(["pki", "issue", "--dir", pki, "--site", "alpha", "--host", "alpha.example", "--host", "192.0.2.7"]).code, 0,
                "pki issue --site")
    check_equal(run(["pki", "issue", "--dir", pki, "--sae", "app-a"]).code, 0, "pki issue --sae")
    for name, kind, wanted in (("ca", "authority", "our-authority"), ("site-alpha", "site", "alpha"), ("sae-app-a", "SAE", "app-a")):
        shown = run(["pki", "show", pki / f"{name}.crt", "--json"]).json()
        check_equal((shown["name"], shown["kind"], shown["issuer"]), (wanted, kind, "our-authority"), f"pki show of {name}")
        check_equal((pki / f"{name}.key").stat().st_mode & 0o777, 0o600, f"the key of {name} is for its owner only")
        verified = run(["verify", "-CAfile", pki / "ca.crt", pki / f"{name}.crt"], command="openssl")
        check(verified.code == 0, f"openssl verifies {name}", verified)
    text = run(["x509", "-in", pki / "site-alpha.crt", "-noout", "-ext", "subjectAltName"], command="openssl").out
    check(all(word in text for word in ("URI:quoin:site:alpha", "DNS:alpha.example", "192.0.2.7")), "names and addresses are in it", text)
    before = (pki / "site-alpha.key").read_bytes()
    ran = run(["pki", "issue", "--dir", pki, "--site", "alpha"])
    check_refused(ran, 2, ["site-alpha.key", "--renew"], "a key that is there already is named, and how to replace it")
    check_equal((pki / "site-alpha.key").read_bytes(), before, "it is not overwritten")
    check_refused(run(["pki", "init", "--dir", pki, "--name", "again"]), 2, ["ca.key"], "nor is an authority")
    ran = run(["pki", "issue", "--dir", pki, "--site", "alpha", "--renew"])
    verified = run(["verify", "-CAfile", pki / "ca.crt", pki / "site-alpha.crt"], command="openssl")
    check(ran.code == 0 and verified.code == 0 and (pki / "site-alpha.key").read_bytes() != before, "--renew makes a new one", ran)


def simulation(folder):
    """quoin sim: a few seeds pass."""
    ran = run(["sim", "--seeds", "4", "--first", "11"], 120)
    check(ran.code == 0 and "4" in ran.out, "four seeds pass", ran)


if __name__ == "__main__":
    e2e.main(help_everywhere, mistyped, certificates, simulation)
