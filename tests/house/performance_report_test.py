"""tools/performance_report.py: the page follows the rows, and what is no row is refused."""
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import performance_report as report  # noqa: E402

ROW = {"stage": "amplification", "point": "2^20", "metric": "mbps", "value": 1466.0, "unit": "Mb/s", "baseline": 20.0,
       "ratio": 73.3}


class PerformanceReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="quoin-house-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, value in (("FOLDER", self.folder), ("PAGE", self.folder / "page.md")):
            patch = mock.patch.object(report, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        (self.folder / "machine.txt").write_text("A machine.\n")

    def write(self, *rows):
        (self.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def check(self):
        with mock.patch.object(sys, "argv", ["performance_report.py", "--check"]):
            report.main()

    def test_a_page_of_other_rows_is_found(self):
        self.write(ROW)
        report.PAGE.write_text(report.page_of(report.read_rows(), "A machine."))
        self.check()
        self.write({**ROW, "value": 1467.0})
        with self.assertRaises(SystemExit):
            self.check()

    def test_what_is_no_row_is_refused(self):
        for wrong in ({**ROW, "stage": "amplify"}, {**ROW, "extra": 1}, {"stage": "amplification"}):
            self.write(wrong)
            with self.assertRaises(SystemExit):
                report.read_rows()

    def test_the_finite_length_limit_lies_above_one_and_falls_with_length(self):
        for q in (0.0035, 0.02, 0.08):
            self.assertGreater(report.finite_length_limit(q), 1)
            self.assertLess(report.finite_length_limit(q, bits=10**7), report.finite_length_limit(q))


if __name__ == "__main__":
    unittest.main()
