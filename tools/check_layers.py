#!/usr/bin/env python3
"""Checks that the folders of src/ are layers.

Rows say which folder may include which; src/CMakeLists.txt and docs/architecture.md must say the same. Also checked:
third-party and operating-system headers per folder, and that no headers include each other in a circle.

  tools/check_layers.py [ROOT]     ROOT: a checkout, default the one this script lies in. Exit 1 when something is wrong.
"""
import re
import sys
from pathlib import Path

BELOW_SITE = ["core", "kernels", "crypto", "quantum", "distill", "auth", "planning", "link", "keystore", "kme",
              "delivery", "consumers"]

# The table of docs/architecture.md: a folder and the folders it may include from (its own always).
ROWS = {
    "core": [],
    "kernels": ["core"],
    "crypto": ["core"],
    "quantum": ["core", "kernels"],
    "distill": ["core", "kernels"],
    "auth": ["core", "kernels", "crypto"],
    "planning": ["core", "quantum", "distill"],
    "link": ["core", "quantum", "distill", "auth"],
    "keystore": ["core", "crypto"],
    "kme": ["core", "crypto", "keystore"],
    "delivery": ["core", "crypto", "kme"],
    "consumers": ["core", "crypto", "auth", "delivery"],
    "site": BELOW_SITE,
    "adapters": ["core", "crypto"],
    "lab": BELOW_SITE + ["site", "adapters"],
    "sim": BELOW_SITE + ["site", "lab"],
    "apps": BELOW_SITE + ["site", "adapters", "lab", "sim"],
}

# Headers outside core that declare a port: src/adapters implements these and may include them.
PORT_HEADERS = {
    "quantum/device.hpp",
    "quantum/fibre_protocol.hpp",
    "consumers/gateway_session.hpp",
}

# Third-party headers: a pattern of the include, and the folders that may have it.
THIRD_PARTY = [
    (r"boost/asio", {"adapters"}),
    (r"boost/beast", {"delivery"}),
    (r"boost/json", {"delivery", "apps"}),
    (r"boost/(core|system|utility)", {"delivery"}),
    (r"openssl/", {"crypto", "adapters"}),
    (r"sqlite3\.h$", {"adapters"}),
    (r"toml\+\+/", {"apps"}),
    (r"CLI/", {"apps"}),
    (r"hwy/", {"kernels"}),
    (r"p11-kit|pkcs11", {"crypto"}),
    (r"libpq|pqxx/|gpgme", {"adapters"}),
    (r"spdlog/|prometheus/", {"adapters", "apps"}),
]
ASIO_FILES_MAX = 5

# Protocol code performs no I/O: these headers of the system and of the standard library stay at the rim.
RIM = {"adapters", "apps", "lab"}
SYSTEM = re.compile(r"^(sys|netinet|arpa|net|linux|bits)/|^(unistd|fcntl|poll|pthread|signal|netdb|dirent|termios|sched"
                    r"|pwd|dlfcn|ifaddrs|malloc|time|syslog|spawn|getopt|stdlib|string|errno)\.h$")
SYSTEM_IN_CORE = {"sys/mman.h", "sys/resource.h", "sys/prctl.h", "unistd.h"}  # the locked arena
RIM_STANDARD = {"thread", "fstream", "filesystem", "iostream", "chrono", "future", "condition_variable", "csignal",
                "ctime"}
BANNED_STANDARD = {"random": "draw through PublicRandom or SecretRandom", "regex": "write a bounded parser"}
INTRINSICS = re.compile(r"(intrin|arm_neon|arm_sve)\.?h?$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def source_files(root):
    src = root / "src"
    return sorted(p for p in src.rglob("*") if p.suffix in {".hpp", ".cpp", ".h", ".inl"}) if src.is_dir() else []


def includes_of(path):
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def check_own_include(folder, name, root):
    """A quoted include: "folder/file.hpp" of an allowed folder."""
    if "/" not in name:
        return f'"{name}": write the folder too, "{folder}/{name}"'
    target = name.split("/")[0]
    if name.endswith(".cpp") and not name == "hwy/foreach_target.h":
        if folder == "kernels" and target == "kernels":
            return None  # Highway includes a kernel's own file once per instruction set
        return f'"{name}": a .cpp file is no interface'
    if target not in ROWS:
        return check_foreign_include(folder, name)
    if not (root / "src" / name).is_file():
        return f'"{name}" does not exist'
    if target == folder or target in ROWS[folder]:
        return None
    if folder == "adapters" and name in PORT_HEADERS:
        return None
    allowed = ", ".join(ROWS[folder]) or "nothing"
    return f'"{name}": {folder} may include from {allowed}'


def check_foreign_include(folder, name):
    """A third-party, system or standard header."""
    for pattern, folders in THIRD_PARTY:
        if re.match(pattern, name):
            return None if folder in folders else f"<{name}> belongs in {', '.join(sorted(folders))}"
    if SYSTEM.match(name):
        if folder in RIM or (folder == "core" and name in SYSTEM_IN_CORE):
            return None
        return f"<{name}>: {folder} performs no I/O; go through a port of src/core/ports.hpp"
    if name in RIM_STANDARD:
        if folder == "crypto" and name == "ctime":
            return None  # the calendar types of certificate validity, not the clock
        return None if folder in RIM else f"<{name}>: {folder} has no clock, thread, file or console; use a port"
    if name in BANNED_STANDARD:
        return f"<{name}>: {BANNED_STANDARD[name]}"
    if INTRINSICS.search(name):
        return f"<{name}>: instruction sets are reached through Highway, in src/kernels"
    if "/" in name or name.endswith((".h", ".hpp")):
        return f"<{name}>: no row for this third-party header in tools/check_layers.py"
    return None


def check_includes(root):
    problems = []
    asio = []
    for path in source_files(root):
        where = path.relative_to(root)
        folder = where.parts[1]
        if len(where.parts) != 3:
            problems.append(f"{where}: src/ has one level of folders")
            continue
        if folder not in ROWS:
            problems.append(f"{where}: folder {folder} has no row in tools/check_layers.py")
            continue
        for line, own, foreign in includes_of(path):
            problem = check_own_include(folder, own, root) if own else check_foreign_include(folder, foreign)
            if problem:
                problems.append(f"{where}:{line}: {problem}")
            if (own or foreign).startswith("boost/asio") and where not in asio:
                asio.append(where)
    if len(asio) > ASIO_FILES_MAX:
        problems.append(f"Asio is in {len(asio)} files, at most {ASIO_FILES_MAX}: {', '.join(map(str, asio))}")
    return problems


def find_cycle(edges):
    """One circle of a graph {node: [nodes]}, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for nxt in edges.get(node, ()):
            found = visit(nxt)
            if found:
                return found
        path.pop()
        done.add(node)
        return None

    for start in sorted(edges):
        found = visit(start)
        if found:
            return found
    return None


def check_cycles(root):
    problems = []
    rows = find_cycle(ROWS)
    if rows:
        problems.append(f"the rows go in a circle: {' -> '.join(rows)}")
    files, folders = {}, {}
    for path in source_files(root):
        name = path.relative_to(root / "src").as_posix()
        folder = name.split("/")[0]
        for _, own, _ in includes_of(path):
            if not own or own.split("/")[0] not in ROWS or own.endswith(".cpp"):
                continue
            files.setdefault(name, []).append(own)
            if own.split("/")[0] != folder:
                folders.setdefault(folder, set()).add(own.split("/")[0])
    for kind, edges in (("headers", files), ("folders", {k: sorted(v) for k, v in folders.items()})):
        cycle = find_cycle(edges)
        if cycle:
            problems.append(f"{kind} include each other in a circle: {' -> '.join(cycle)}")
    return problems


def check_cmake(root):
    """Rows of src/CMakeLists.txt: nothing beyond the table, and everything that is included is linked."""
    listing = root / "src" / "CMakeLists.txt"
    if not listing.is_file():
        return []
    problems, linked = [], {}
    for row in re.findall(r"^quoin_layer\(([^)]*)\)", listing.read_text(encoding="utf-8"), re.M):
        words = row.split()
        name, layers, section = words[0], [], None
        for word in words[1:]:
            if word in {"LAYERS", "LIBS"}:
                section = word
            elif section == "LAYERS" or word.startswith("quoin_"):
                layers.append(word.removeprefix("quoin_"))
        linked[name] = layers
        if name not in ROWS:
            problems.append(f"src/CMakeLists.txt: {name} has no row in tools/check_layers.py")
            continue
        ports = {header.split("/")[0] for header in PORT_HEADERS} if name == "adapters" else set()
        for layer in layers:
            if layer not in ROWS[name] and layer not in ports:
                problems.append(f"src/CMakeLists.txt: {name} links {layer}, which its row does not allow")
    for path in source_files(root):
        folder = path.relative_to(root / "src").parts[0]
        if folder == "apps" or folder not in linked:
            continue
        for line, own, _ in includes_of(path):
            target = own.split("/")[0] if own else folder
            if target in ROWS and target != folder and target not in linked[folder]:
                linked[folder].append(target)  # one report per pair
                problems.append(f"src/CMakeLists.txt: {folder} includes {target} "
                                f"({path.name}:{line}) but does not link it")
    for name in ROWS:
        if name != "apps" and name not in linked:
            problems.append(f"src/CMakeLists.txt: no row for {name}")
    return problems


def check_document(root):
    """The table in docs/architecture.md: `| src/NAME | what | a, b |`."""
    page = root / "docs" / "architecture.md"
    if not page.is_file():
        return []
    problems, seen = [], set()
    for name, cell in re.findall(r"^\| `src/(\w+)` \|.*\|([^|]*)\|\s*$", page.read_text(encoding="utf-8"), re.M):
        seen.add(name)
        cell = cell.strip()
        said = set(re.findall(r"\w+", cell)) if cell not in {"nothing", "-"} else set()
        if cell.startswith("all above but "):
            names = list(ROWS)[:list(ROWS).index(name)] if name in ROWS else []
            said = set(names) - set(re.findall(r"\w+", cell)[3:])
        elif cell == "all above":
            said = set(list(ROWS)[:list(ROWS).index(name)]) if name in ROWS else set()
        elif cell.endswith("and the headers that declare a port"):
            said = set(re.findall(r"\w+", cell.split("and the headers")[0]))
        if said != set(ROWS.get(name, [])):
            problems.append(f"docs/architecture.md: the row of {name} differs from tools/check_layers.py")
    for name in ROWS:
        if name not in seen:
            problems.append(f"docs/architecture.md: no row for {name}")
    return problems


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    problems = check_includes(root) + check_cycles(root) + check_cmake(root) + check_document(root)
    for problem in problems:
        print(problem)
    if problems:
        print(f"layers: {len(problems)} problems")
        return 1
    print(f"layers: {len(source_files(root))} files keep to their rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
