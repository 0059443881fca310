#!/usr/bin/env python3
"""The house rules that a script can check. CONTRIBUTING.md says what they are for.

  tools/tidy.py [ROOT]     ROOT: a checkout, default the one this script lies in. Exit 1 when something is wrong.
"""
import re
import subprocess
import sys
from pathlib import Path

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
REASON = "Long on purpose:"  # in a comment in or right above a long function, or in the first ten lines of a long file

CODE = {".cpp", ".hpp", ".h", ".inl"}
TEXT = CODE | {".md", ".py", ".sh", ".cmake", ".txt", ".json", ".toml", ".yml", ".yaml", ".ts", ".svelte", ".css",
               ".html", ".service", ""}
BANNED_NAMES = {"util", "utils", "helper", "helpers", "manager", "misc", "data", "info"}
DECLARED_IN_NAME = re.compile(r"\b(?:class|struct|namespace|enum class)\s+(\w*(?:Util|Helper|Manager)\w*)\b")

# One line each: (pattern on code without comments and strings, folders it holds in, folders let off, what to do).
# Folders are "src", "src/apps", "tests" ...
LINE_RULES = [
    (r"std::(?:ranges::)?shuffle\b|\bmt19937|\brandom_device\b|(?<![\w.>:])s?rand\s*\(|\bdrand48\b|\bminstd_rand",
     ["src"], ["src/sim"], "no generators of your own: PublicRandom or SecretRandom"),
    (r"\bmemcmp\s*\(", ["src"], [], "equal_constant_time for secrets and tags, std::ranges::equal for public bytes"),
    (r"expose_secret\w*\(\)(?!\s*(?:\.|->)\s*(?:size|size_bytes|size_bits|empty|data)\b)[^;,]*(?<![<>])[=!]=(?!\s*0\b)",
     ["src"], [], "compare secrets with equal_constant_time"),
    (r"[=!]=\s*[\w.>\-]*expose_secret\w*\(\)(?!\s*\.\s*(?:size|empty))", ["src"], [],
     "compare secrets with equal_constant_time"),
    (r"(?:ranges::|std::)equal\s*\([^;]*expose_secret", ["src"], [], "compare secrets with equal_constant_time"),
    (r"(?:printf|std::cout|std::cerr|std::clog|std::format|std::print|fputs|fwrite)\b[^;]*expose_secret", ["src"], [],
     "secrets are never printed"),
    (r"operator<<\s*\([^)]*\b(?:Secret|StagedKey|RawKey|SiftedKey|ReconciledKey|VerifiedKey|SecretKey|Pad)\w*", ["src"],
     [], "secrets have no operator<<"),
    (r"\bthrow\b(?!\s+std::bad_alloc)", ["src"], [], "failures are values: return fail(...)"),
    (r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(|\bnanosleep\s*\(", ["src", "tests"], ["src/adapters", "src/apps"],
     "nothing sleeps; take an Instant"),
    (r"\b(?:system_clock|steady_clock|high_resolution_clock)\b|\bgettimeofday\b|\bclock_gettime\b", ["src"],
     ["src/adapters", "src/apps"], "time comes through the Clock port"),
    (r"\bstd::(?:cout|cerr|clog)\b|(?<![\w:])f?printf\s*\(", ["src"], ["src/apps", "src/core"],
     "only the program talks to the terminal"),
    (r"\busing namespace std\b", ["src", "tests", "bench", "fuzz"], [], "name what you use"),
    (r"\breinterpret_cast\b[^;]*\bconst_cast\b", ["src"], [], "rethink"),
]
HEADER_BANNED = re.compile(r"^\s*#\s*include\s*<(print|format|iostream|spdlog/[^>]*|boost/asio\.hpp)>", re.M)
FLAG_RULES = [
    (re.compile(r"-m(?:avx|bmi|pclmul|sse|aes|arch=native)"), "no instruction-set flags: Highway dispatches at run time"),
    (re.compile(r"-ffast-math|-Ofast|-fassociative-math"), "results must be equal on every machine"),
]
# Places of one machine and hosts that are no part of the project. Written so that this file does not match itself.
FOREIGN_WORDS = re.compile("|".join([
    r"(?<![\w.\-])/" + r"work/\w", r"(?<![\w.\-])/" + r"root/\w", r"(?<![\w.\-$}])/" + r"home/(?!user\b)\w", r"/tmp/" + r"briefs",
    r"[\w-]+\.pkg\." + r"dev\b", r"\bartifact" + r"ory\b", r"\b(?:10|192\.168)(?:\.\d+){2,3}:\d+/(?:simple|npm|apt)",
]))
TODO = re.compile(r"(?<!`)\b(?:TODO|FIXME|XXX|HACK)\b(?!\((?:issue \d+|docs/[\w./-]+)\))")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def tracked_files(root):
    """What is or would be in the repository; without git, everything outside build folders."""
    try:
        out = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                             capture_output=True, timeout=10).stdout.decode()
        names = [n for n in out.split("\0") if n]
    except (OSError, subprocess.SubprocessError):
        names = [p.relative_to(root).as_posix() for p in root.rglob("*")
                 if not re.match(r"(build|\.git)", p.relative_to(root).parts[0])]
    return [root / n for n in sorted(set(names)) if (root / n).is_file() and not (root / n).is_symlink()]


LITERALS = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
                      re.S)


def blank_literals(text):
    """Comments and literals become blanks; line numbers stay."""
    def blank(match):
        found = match.group(0)
        quote = found[-1] if found[-1] in "\"'" and len(found) > 1 else ""
        return quote + re.sub(r"[^\n]", " ", found[len(quote):len(found) - len(quote)]) + quote
    return LITERALS.sub(blank, text)


NO_FUNCTION = re.compile(r"^\s*(?:namespace|class|struct|union|enum|extern|if|for|while|switch|do|else|try|catch|return)\b")
TOKENS = re.compile(r"[{};]|^[ \t]*#[^\n]*(?:\\\n[^\n]*)*", re.M)


def functions_of(code):
    """(first line, last line) of every function body; `code` has its literals blanked. Lambdas count to their function."""
    depth, start, body = [], 0, None
    for token in TOKENS.finditer(code):
        text = token.group(0)
        if text == "{":
            head = code[start:token.start()]
            glued = token.start() > 0 and (code[token.start() - 1].isalnum() or code[token.start() - 1] in "_>]({,")
            if body is None and not glued and ")" in head and not NO_FUNCTION.match(strip_template(head)) \
                    and not head.rstrip().endswith(("=", ",", "(")):
                body = len(depth)
                depth.append(code.count("\n", 0, start + len(head) - len(head.lstrip())) + 1)
            else:
                depth.append(None)
            if not glued:
                start = token.end()
        elif text == "}":
            first = depth.pop() if depth else None
            if body is not None and len(depth) == body:
                body = None
                yield first, code.count("\n", 0, token.start()) + 1
            if first is not None or body is None:
                glued_end = re.match(r"\s*[,{)]", code[token.end():token.end() + 40])
                if not glued_end:
                    start = token.end()
        else:
            start = token.end()


def strip_template(head):
    head = head.strip()
    while head.startswith("template"):
        level = 0
        for i, c in enumerate(head):
            level += (c == "<") - (c == ">")
            if c == ">" and level == 0:
                head = head[i + 1:].strip()
                break
        else:
            break
    return re.sub(r"^\[\[[^\]]*\]\]\s*", "", head)


def has_reason(lines, first, last):
    return any(REASON in line for line in lines[max(0, first - 1):last])


def check_sizes(name, text, code):
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX and not has_reason(lines, 0, 10):
        yield f"{name}: {len(lines)} lines, over {FILE_LINES_MAX}; split it, or say why: // {REASON} ..."
    for first, last in functions_of(code):
        above = first - 1
        while above > 0 and lines[above - 1].lstrip().startswith("//"):
            above -= 1
        if last - first + 1 > FUNCTION_LINES_MAX and not has_reason(lines, above + 1, last):
            yield f"{name}:{first}: a function of {last - first + 1} lines, over {FUNCTION_LINES_MAX}; split it, " \
                  f"or say why: // {REASON} ..."


def check_names(name, path, code):
    words = set(re.split(r"[_.\-]", path.name.lower()))
    for bad in sorted(words & BANNED_NAMES):
        yield f"{name}: a file named '{bad}' says nothing about what it holds"
    if code and name.startswith("src/"):
        for match in DECLARED_IN_NAME.finditer(code):
            yield f"{name}: {match.group(1)} says nothing about what it does"
    if code and not re.fullmatch(r"[a-z0-9_]+", path.stem):
        yield f"{name}: file names are snake_case"


def check_header(name, text):
    if not re.match(r"\s*(?://|/\*)", text):
        yield f"{name}: a header opens with a comment: what it is for and who may call it"
    if not re.search(r"^#pragma once$", text, re.M):
        yield f"{name}: #pragma once is missing"
    match = HEADER_BANNED.search(text)
    if match:
        yield f"{name}: <{match.group(1)}> in a header makes every build slow"


LET_OFF = re.compile(r"//.*\bon purpose: \S", re.I)  # on the line or right above it, with the reason


def check_lines(name, text, code):
    lines = text.splitlines()
    for pattern, folders, let_off, cure in COMPILED_RULES:
        if not any(name.startswith(f + "/") for f in folders) or any(name.startswith(f + "/") for f in let_off):
            continue
        for match in pattern.finditer(code):
            line = code.count(chr(10), 0, match.start())
            if any(LET_OFF.search(near) for near in lines[max(0, line - 1):line + 1]):
                continue
            yield f"{name}:{line + 1}: '{' '.join(match.group(0).split())[:60]}': {cure}"


COMPILED_RULES = [(re.compile(p), f, o, c) for p, f, o, c in LINE_RULES]


def check_words(name, text):
    for match in FOREIGN_WORDS.finditer(text):
        yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: '{match.group(0)}' belongs to one machine, not to the project"
    if not name.startswith(("tools/tidy.py", "tests/house/")):
        for match in TODO.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(0)} without the place where it is " \
                  "tracked: TODO(issue 7) or TODO(docs/page.md)"
    if "\r" in text:
        yield f"{name}: carriage returns"
    if text and not text.endswith("\n"):
        yield f"{name}: no newline at the end"


def check_flags(name, text):
    for pattern, cure in FLAG_RULES:
        for match in pattern.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(0)}: {cure}"


def anchors_of(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for heading in re.findall(r"^#+\s+(.*)$", text, re.M):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        yield plain.strip().replace(" ", "-")


def check_links(name, path, text, root):
    text = re.sub(r"```.*?```", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for match in LINK.finditer(text):
        target, _, anchor = match.group(1).partition("#")
        line = text.count("\n", 0, match.start()) + 1
        if re.match(r"(https?|mailto):", target):
            continue
        there = (path.parent / target).resolve() if target else path
        if not there.exists():
            yield f"{name}:{line}: link to {target}, which does not exist"
        elif root.resolve() not in there.resolve().parents and there.resolve() != root.resolve():
            yield f"{name}:{line}: link to {target} leaves the repository"
        elif anchor and there.suffix == ".md" and anchor not in set(anchors_of(there)):
            yield f"{name}:{line}: no heading #{anchor} in {target or name}"


NAMED_FILE = re.compile(r"`((?:src|tests|fuzz|bench|tools|docs|cmake)/[\w./-]+\.\w+)`")
NAMED_TEST = re.compile(r"`([A-Z]\w+)\.(?!(?:md|txt|json|cpp|hpp|py|sh)`)([A-Za-z]\w+)`")
TEST_CASE = re.compile(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)\(\s*(\w+),\s*(\w+)", re.M)


def check_named(name, text, root, tests):
    """Files and tests that a page names exist."""
    for match in NAMED_FILE.finditer(text):
        if not (root / match.group(1)).is_file():
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group(1)} does not exist"
    for match in NAMED_TEST.finditer(text):
        if match.groups() not in tests:
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: there is no test {'.'.join(match.groups())}"


def check_file(path, root):
    name = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        if not name.startswith(("fuzz/corpus/", "tests/vectors/")):
            yield f"{name}: not UTF-8"
        return
    if name.startswith("fuzz/corpus/"):
        return
    yield from check_words(name, text)
    is_code = path.suffix in CODE
    code = blank_literals(text) if is_code else ""
    yield from check_names(name, path, code)
    if is_code:
        yield from check_sizes(name, text, code)
        yield from check_lines(name, text, code)
    if path.suffix in {".hpp", ".h"}:
        yield from check_header(name, text)
    if path.name == "CMakeLists.txt" or path.suffix == ".cmake" or path.name == "CMakePresets.json":
        yield from check_flags(name, text)
    if path.suffix == ".md":
        yield from check_links(name, path, text, root)


def main():
    root = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent).resolve()
    files = [p for p in tracked_files(root) if p.suffix in TEXT]
    problems = [problem for path in files for problem in check_file(path, root)]
    tests = {found for path in files if path.suffix == ".cpp" and path.relative_to(root).parts[0] == "tests"
             for found in TEST_CASE.findall(path.read_text(encoding="utf-8"))}
    for path in files:
        if path.suffix == ".md":
            problems += check_named(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), root, tests)
    for problem in problems:
        print(problem)
    if problems:
        print(f"tidy: {len(problems)} problems")
        return 1
    print(f"tidy: {len(files)} files keep the house rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
