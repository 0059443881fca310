#!/usr/bin/env python3
"""What must not compile.

Each snippet of this folder is compiled twice: as it stands, which must work (so that it fails for the right reason),
and with MUST_NOT_COMPILE defined, which must fail with a message that matches one of its `// expect: REGEX` lines.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{HERE.parent.parent / 'src'}"]


def compile_snippet(compiler, path, broken):
    command = [compiler, *FLAGS, *(["-DMUST_NOT_COMPILE"] if broken else []), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "LC_ALL": "C"})
    return run.returncode == 0, run.stderr


def judge(compiler, path):
    """None when the snippet behaves, else what is wrong."""
    text = path.read_text(encoding="utf-8")
    expected = re.findall(r"^// expect: (.+)$", text, re.M)
    if not expected or "MUST_NOT_COMPILE" not in text:
        return "the snippet names no expected message, or has nothing under MUST_NOT_COMPILE"
    compiles, messages = compile_snippet(compiler, path, broken=False)
    if not compiles:
        return f"the control does not compile:\n{messages}"
    compiles, messages = compile_snippet(compiler, path, broken=True)
    if compiles:
        return "it compiles"
    if not any(re.search(pattern, messages) for pattern in expected):
        return f"it fails for another reason than {expected}:\n{messages}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default="g++-14")
    parser.add_argument("--folder", type=Path, default=HERE)
    args = parser.parse_args()
    snippets = sorted(args.folder.glob("*.cpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda path: judge(args.compiler, path), snippets))
    for path, verdict in zip(snippets, verdicts):
        print(f"{'ok  ' if verdict is None else 'FAIL'} {path.name}{'' if verdict is None else ': ' + verdict}")
    failed = sum(verdict is not None for verdict in verdicts)
    print(f"{len(snippets) - failed} passed, {failed} failed")
    return 1 if failed or not snippets else 0


if __name__ == "__main__":
    sys.exit(main())
