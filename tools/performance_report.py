#!/usr/bin/env python3
"""Makes docs/performance.md and its plots from the rows of one benchmark run.

Rows are what `./dev bench --json` prints, one JSON object a line, in docs/performance/rows.jsonl; the machine is described
in docs/performance/machine.txt. Plots are drawn by gnuplot.

  tools/performance_report.py            write docs/performance.md and docs/performance/*.svg
  tools/performance_report.py --check    exit 1 when docs/performance.md is not what the rows say (gnuplot is not needed)
"""
import json
import math
import subprocess
import sys
from pathlib import Path
from statistics import NormalDist

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "performance"
PAGE = ROOT / "docs" / "performance.md"
KEYS = ["stage", "point", "metric", "value", "unit", "baseline", "ratio"]

STAGES = {
    "simulator": "Link simulator. Baseline: every pulse drawn, one after the other.",
    "sifting": "Sifting. Baseline: Alice's side going through the detections one by one.",
    "cascade": "Cascade. Megabits of sifted key per second of one party's processor time.",
    "ldpc": "LDPC.",
    "amplification": "Privacy amplification at half compression, input bits. `mbps_shared_seed`: the seed's transform was made "
                     "for an earlier block. Baseline: the same product by libgf2x as Debian builds it (without carry-less "
                     "multiplication instructions).",
    "authentication": "Authentication hash; points are bytes of message. Baseline: OpenSSL's GHASH, as GMAC over AES-256.",
    "keystore": "Key store on disk, by the clock on the wall; 4096 keys of 256 bits to a durable batch.",
    "chain": "The whole chain, both ends, at P1 over the record link.",
}
QBER = {"P1": 0.0035, "P2": 0.01, "P3": 0.02, "P4": 0.05, "P5": 0.08}
PLOTS = {
    "throughput": "Reconciliation: throughput against QBER",
    "efficiency": "Reconciliation: f against QBER; dashed, the least that one-way reconciliation of a frame of 65536 bits can "
                  "reach with a failure rate of 1e-4 (Tomamichel, Martinez-Mateo, Pacher, Elkouss, arXiv:1401.5194)",
    "amplification": "Amplification: throughput against block length",
    "chain": "The chain by stage: milliseconds per secret megabit",
}


def read_rows():
    rows = []
    for number, line in enumerate((FOLDER / "rows.jsonl").read_text().splitlines(), 1):
        row = json.loads(line)
        if list(row) != KEYS or row["stage"] not in STAGES:
            sys.exit(f"rows.jsonl:{number}: not a row of {KEYS}")
        rows.append(row)
    return rows


def number(value):
    if value is None:
        return ""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if abs(value) >= 0.001 else f"{value:.2e}"


def page_of(rows, machine):
    out = ["# Performance", "",
           "Made by `tools/performance_report.py` from [the rows of one run](performance/rows.jsonl); `./dev bench --report` runs "
           "the benchmarks and writes this page anew. Processor time of one pinned thread, medians of interleaved runs; a ratio "
           "compares two things measured in the same run.", "", machine.strip(), ""]
    for name, title in PLOTS.items():
        if points_of(name, rows):
            out += [f"![{title}](performance/{name}.svg)", "", title + ".", ""]
    for stage, title in STAGES.items():
        mine = [row for row in rows if row["stage"] == stage]
        if not mine:
            continue
        out += [f"## {stage}", "", title, "", "| point | metric | value | unit | baseline | ratio |", "|---|---|---|---|---|---|"]
        for row in mine:
            cells = [row["point"], row["metric"], number(row["value"]), row["unit"], number(row["baseline"]), number(row["ratio"])]
            out.append("| " + " | ".join(cells) + " |")
        out.append("")
    return "\n".join(out)


def select(rows, stage, metric):
    return [row for row in rows if row["stage"] == stage and row["metric"] == metric]


def points_of(name, rows):
    """Data of a plot: label -> list of (x, y)."""
    data = {}
    if name in ("throughput", "efficiency"):
        metrics = {"throughput": ["mbps", "mbps_alice", "mbps_bob"], "efficiency": ["f"]}[name]
        for stage in ("cascade", "ldpc"):
            for metric in metrics:
                points = [(QBER[r["point"]] * 100, r["value"]) for r in select(rows, stage, metric) if r["point"] in QBER]
                if points:
                    data[f"{stage} {metric}"] = sorted(points)
    elif name == "amplification":
        for metric in ("mbps", "mbps_shared_seed"):
            points = [(int(r["point"][2:]), r["value"]) for r in select(rows, name, metric) if r["point"].startswith("2^")]
            if points:
                data[metric] = points
        base = [(int(r["point"][2:]), r["baseline"]) for r in select(rows, name, "mbps")
                if r["point"].startswith("2^") and r["baseline"]]
        if base:
            data["libgf2x"] = base
    else:
        suffix = "_ms_per_mbit"
        stages = [(r["metric"][:-len(suffix)], r["value"]) for r in rows
                  if r["stage"] == "chain" and r["metric"].endswith(suffix)]
        if stages:
            data["chain"] = stages
    return data


def finite_length_limit(q, bits=65536, failure=1e-4):
    """f of one-way reconciliation: n h(q) + sqrt(n v(q)) quantile(1 - failure) - log2(n) / 2 over n h(q)."""
    entropy = -q * math.log2(q) - (1 - q) * math.log2(1 - q)
    spread = math.sqrt(bits * q * (1 - q)) * math.log2((1 - q) / q) * NormalDist().inv_cdf(1 - failure)
    return (bits * entropy + spread - math.log2(bits) / 2) / (bits * entropy)


def draw(name, rows):
    data = points_of(name, rows)
    if not data:
        return
    script = [f"set terminal svg size 760,420 font 'sans-serif,13' background rgb 'white'",
              f"set output '{FOLDER / name}.svg'", "set grid ytics lc rgb '#dddddd'", "set key top right", "set yrange [0:*]"]
    blocks = list(data.items())
    if name == "chain":
        script += ["set style fill solid 0.7", "set boxwidth 0.6", "set ylabel 'ms per secret Mbit'", "unset key",
                   "set xtics rotate by -25"]
        plots = ["$d0 using 0:2:xtic(1) with boxes lc rgb '#3366aa'"]
    else:
        if name == "amplification":
            script += ["set xlabel 'block length, log2 of bits'", "set ylabel 'Mb/s of input'", "set logscale y",
                       "set yrange [*:*]", "set key bottom left"]
        else:
            script += ["set xlabel 'QBER, %'", "set logscale x", "set xtics (0.35, 1, 2, 5, 8)",
                       "set ylabel '" + ("Mb/s of sifted key" if name == "throughput" else "f") + "'"]
            if name == "efficiency":
                script.append("set yrange [1:*]")
                blocks.append(("limit, one way", [(100 * q, finite_length_limit(q)) for q in
                                                  [0.0035 * (0.08 / 0.0035) ** (i / 40) for i in range(41)]]))
        plots = [f"$d{i} using 1:2 with {'lines dt 2' if label.startswith('limit') else 'linespoints pt 7'} lw 2 "
                 f"title '{label.replace('_', ' ')}'" for i, (label, _) in enumerate(blocks)]
    for i, (_, points) in enumerate(blocks):
        script += [f"$d{i} << END"] + [f"{x} {y}" for x, y in points] + ["END"]
    script.append("plot " + ", ".join(plots))
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    rows = read_rows()
    page = page_of(rows, (FOLDER / "machine.txt").read_text())
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != page:
            sys.exit("docs/performance.md is not what docs/performance/rows.jsonl says: run tools/performance_report.py")
        return
    PAGE.write_text(page)
    for name in PLOTS:
        draw(name, rows)


if __name__ == "__main__":
    main()
