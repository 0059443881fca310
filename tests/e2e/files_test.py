#!/usr/bin/env python3
"""`quoin seal` and `quoin open`: files of every size arrive; altered ones leave nothing behind.

  files_test.py PATH-OF-QUOIN [TEST...]
"""
import os
import resource
import stat

import quoin_e2e as e2e
from quoin_e2e import Pair, check, check_equal, check_refused

CHUNK = 65536


def started_pair(folder):
    pair = Pair(folder)
    pair.start()
    pair.wait_blocks()
    return pair, *pair.sites


def sealed(site, path, content, *more):
    """Writes a file and seals it: the path of what came out."""
    path.write_bytes(content)
    ran = site.quoin("seal", path, "--peer", site.peer_sae, *more)
    if ran.code != 0:
        raise RuntimeError(f"seal: {ran}")
    return path.with_name(path.name + ".quoin")


def every_size(folder):
    """Empty, one byte, around the border of a chunk, and five megabytes; from alpha to beta and back."""
    pair, alpha, beta = started_pair(folder)
    desk, far = folder / "desk", folder / "far"
    desk.mkdir()
    far.mkdir()
    key_ids = set()
    sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5_000_000]
    for number, size in enumerate(sizes):
        here, there = (alpha, beta) if number != 4 else (beta, alpha)
        content = os.urandom(size)
        path = desk / f"file-{size}"
        path.write_bytes(content)
        ran = here.quoin("seal", path, "--peer", here.peer_sae, "--json")
        check(ran.code == 0 and path.exists(), f"{size} bytes are sealed, the original stays", ran)
        key_ids.add(ran.json()["key_ID"])
        letter = desk / f"file-{size}.quoin"
        check_equal(ran.json()["output"], str(letter), "the output is named")
        check(len(content) < 16 or content[:16] not in letter.read_bytes(), "nothing of it is readable")
        letter.rename(far / letter.name)
        ran = there.quoin("open", far / letter.name)
        check_equal((ran.code, (far / f"file-{size}").read_bytes() == content), (0, True), f"{size} bytes are opened, equal")
    check_equal(len(key_ids), len(sizes), "each file has a key of its own")
    check_equal(sorted(os.listdir(desk)), sorted(f"file-{size}" for size in sizes), "no temporary file is left where they were sealed")
    check_equal(len(os.listdir(far)), 2 * len(sizes), "nor where they were opened")
    pair.stop()


def altered(folder):
    """Cut, flipped, swapped, extended, mixed: refused, with no output and no temporary file; the undamaged file opens after."""
    pair, alpha, beta = started_pair(folder)
    box = folder / "box"
    box.mkdir()
    content = os.urandom(3 * CHUNK + 1000)

    def with_flip(letter, at):
        return letter[:at] + bytes([letter[at] ^ 0x10]) + letter[at + 1:]

    # Chunks lie at the end, each with its tag; the header takes the rest.
    letter = sealed(alpha, folder / "probe", content).read_bytes()
    header = len(letter) - len(content) - 4 * 16
    check(16 < header < 500, "the layout is a header and four chunks with tags", (len(letter), len(content)))
    chunk = CHUNK + 16
    start = [header + i * chunk for i in range(4)]
    alterations = {
        "cut inside the last chunk": lambda s: s[:-1],
        "cut after the third chunk": lambda s: s[:start[3]],
        "cut after the first chunk": lambda s: s[:start[1]],
        "cut inside the header": lambda s: s[:header // 2],
        "without the chunks": lambda s: s[:header],
        "empty": lambda s: b"",
        "a bit flipped in the first chunk": lambda s: with_flip(s, start[0] + 5),
        "a bit flipped in the last tag": lambda s: with_flip(s, len(s) - 1),
        "a bit flipped in the third chunk": lambda s: with_flip(s, start[2] + 100),
        "two chunks swapped": lambda s: s[:start[0]] + s[start[1]:start[2]] + s[start[0]:start[1]] + s[start[2]:],
        "a chunk left out": lambda s: s[:start[1]] + s[start[2]:],
        "a chunk twice": lambda s: s[:start[2]] + s[start[1]:],
        "a byte behind it": lambda s: s + b"\0",
        "a chunk behind it": lambda s: s + s[start[0]:start[1]],
        "the last chunk of another file": lambda s: s[:start[3]] + letter[start[3]:],
    }
    alterations |= {f"bit flipped in byte {at} of the header": lambda s, at=at: with_flip(s, at) for at in range(0, header, 13)}
    for name, alter in alterations.items():
        path = sealed(alpha, folder / "plain", content)
        (box / "letter.quoin").write_bytes(alter(path.read_bytes()))
        ran = beta.quoin("open", box / "letter.quoin")
        crashed = ran.code < 0 or "terminate" in ran.err
        check(ran.code in (1, 2) and not crashed and ran.err.startswith("quoin: ") and os.listdir(box) == ["letter.quoin"],
              f"refused, and nothing is left: {name}", f"{os.listdir(box)}\n{ran}")
        kept = sorted(beta.pki.glob("kept-*"))
        check(all(path.stat().st_mode & 0o077 == 0 for path in kept), "a key that is kept is for its owner only", kept)
        path.replace(box / "letter.quoin")
        ran = beta.quoin("open", box / "letter.quoin")
        is_equal = ran.code == 0 and (box / "letter").read_bytes() == content
        check(is_equal and not list(beta.pki.glob("kept-*")), "the undamaged file opens after that, and then its key is gone", ran)
        (box / "letter").unlink(missing_ok=True)
    pair.stop()


def where_it_does_not_belong(folder):
    """The wrong site, another application, a file opened before, an output that exists, a key manager that is away."""
    pair, alpha, beta = started_pair(folder)
    content = os.urandom(100_000)
    letter = sealed(alpha, folder / "letter", content)
    out = folder / "out"
    ran = alpha.quoin("open", letter, "--output", out)
    check(ran.code != 0 and not out.exists() and ran.err.startswith("quoin: "), "the site that sealed it cannot open it", ran)
    alpha.must("pki", "issue", "--dir", beta.pki, "--sae", "app-x")
    ran = beta.quoin("open", letter, "--output", out, "--sae", "app-x")
    check(ran.code != 0 and not out.exists(), "nor another application of the right site", ran)

    out.write_bytes(b"mine")
    ran = beta.quoin("open", letter, "--output", out)
    check(ran.code != 0 and out.read_bytes() == b"mine" and "exists" in ran.err and str(out) in ran.err,
          "an existing output is not overwritten", ran)
    ran = beta.quoin("open", letter, "--output", folder / "out-2")
    check_equal((ran.code, (folder / "out-2").read_bytes() == content), (0, True), "after all that it opens where it belongs")
    check_equal(stat.S_IMODE((folder / "out-2").stat().st_mode), 0o600, "what came out is for its owner only")
    ran = beta.quoin("open", letter, "--output", folder / "out-3")
    check(ran.code != 0 and not (folder / "out-3").exists(), "a key is fetched once, so a file is opened once", ran)

    keys_before = alpha.quoin("key", "status", "--peer", "app-b", "--json").json()["stored_key_count"]
    ran = alpha.quoin("seal", folder / "letter", "--peer", "app-b")
    check(ran.code != 0 and "exists" in ran.err, "sealing does not overwrite either", ran)
    ran = alpha.quoin("seal", folder / "nowhere", "--peer", "app-b")
    check_refused(ran, 2, ["nowhere"], "a file that is not there is named")
    ran = alpha.quoin("seal", folder / "letter", "--peer", "app-b", "--output", folder / "no-folder" / "x")
    check(ran.code != 0 and "no-folder" in ran.err, "so is an output folder that is not there", ran)

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    ran = alpha.quoin("seal", folder / "letter", "--peer", "app-b", "--output", folder / "too-big", limits=small_files)
    check(ran.code == 1 and not [n for n in os.listdir(folder) if "too-big" in n] and ran.err.startswith("quoin: "),
          "when the disk takes no more, an error and no output", ran)
    keys_after = alpha.quoin("key", "status", "--peer", "app-b", "--json").json()["stored_key_count"]
    check(keys_before - keys_after <= 1 or keys_after > keys_before, "no keys were spent on what could not be", (keys_before, keys_after))
    pair.stop()
    ran = alpha.quoin("seal", folder / "letter", "--peer", "app-b", "--output", folder / "away")
    check_refused(ran, 1, ["cannot connect"], "without its key manager, seal says so")
    check(not (folder / "away").exists(), "and leaves nothing")


if __name__ == "__main__":
    e2e.main(every_size, altered, where_it_does_not_belong)
