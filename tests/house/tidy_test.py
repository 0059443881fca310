"""tools/tidy.py finds what it is there to find: every planted violation must be reported, and its lawful twin not."""
import contextlib
import io
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import tidy  # noqa: E402


class Tidy(unittest.TestCase):
    def setUp(self):
        self.tree = Path(tempfile.mkdtemp(prefix="quoin-house-"))
        self.addCleanup(shutil.rmtree, self.tree)

    def check(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out = io.StringIO()
        with contextlib.redirect_stdout(out), mock.patch.object(sys, "argv", ["tidy.py", str(self.tree)]):
            code = tidy.main()
        path.unlink()
        return code, out.getvalue()

    def assert_found(self, name, text, message):
        code, out = self.check(name, text)
        self.assertEqual(code, 1, f"not found in {name}: {text}")
        self.assertIn(message, out)

    def assert_fine(self, name, text):
        code, out = self.check(name, text)
        self.assertEqual(code, 0, out)

    def test_long_function(self):
        body = "void f() {\n" + "  g();\n" * 70 + "}\n"
        self.assert_found("src/core/a.cpp", body, "src/core/a.cpp:1: a function of 72 lines")
        self.assert_fine("src/core/a.cpp", "// Long on purpose: one table.\n" + body)
        self.assert_fine("src/core/a.cpp", "void f() {\n" + "  g();\n" * 68 + "}\n")

    def test_long_file(self):
        lines = "int x;\n" * 1001
        self.assert_found("src/core/a.cpp", lines, "1001 lines")
        self.assert_fine("src/core/a.cpp", "// Long on purpose: a table of constants.\n" + lines)

    def test_functions_are_seen(self):
        code = tidy.blank_literals(
            "namespace q {\n"
            "Foo::Foo(int a)\n    : a_(a), b_{a} {\n  x('{');\n}\n"
            "template <class T>\nstruct S {\n  int f() const { return 1; }\n};\n"
            "const int table[] = {1, 2,\n 3};\n"
            "static auto g = [](int x) { return x; };\n"
            "Result<int> h(std::span<const int> in) {\n  for (int i : in) {\n    use(\"}\", i);\n  }\n  return 1;\n}\n"
            "}\n")
        self.assertEqual(list(tidy.functions_of(code)), [(2, 5), (8, 8), (12, 12), (13, 18)])

    def test_names(self):
        self.assert_found("src/core/string_util.cpp", "\n", "a file named 'util'")
        self.assert_found("src/core/KeyStore.cpp", "\n", "snake_case")
        self.assert_found("src/core/a.cpp", "class KeyManager;\n", "KeyManager says nothing")

    def test_randomness_and_time(self):
        self.assert_found("src/link/a.cpp", "std::shuffle(a, b, c);\n", "PublicRandom or SecretRandom")
        self.assert_found("src/link/a.cpp", "int x = rand();\n", "PublicRandom or SecretRandom")
        self.assert_fine("src/link/a.cpp", "int x = operand(1) + grand();\n")
        self.assert_fine("src/sim/a.cpp", "std::mt19937 dice;\n")
        self.assert_found("src/link/a.cpp", "auto t = std::chrono::steady_clock::now();\n", "Clock port")
        self.assert_found("tests/link/a.cpp", "std::this_thread::sleep_for(x);\n", "nothing sleeps")

    def test_secrets(self):
        cure = "equal_constant_time"
        self.assert_found("src/auth/a.cpp", "if (memcmp(a, b, 16)) {}\n", cure)
        self.assert_found("src/auth/a.cpp", "bool same = a.expose_secret()[0] == b;\n", cure)
        self.assert_found("src/auth/a.cpp", "bool same = b == a.expose_secret()[0];\n", cure)
        self.assert_found("src/auth/a.cpp", "return std::ranges::equal(a.expose_secret(), b);\n", cure)
        self.assert_fine("src/auth/a.cpp", "if (a.expose_secret().size() == 16) use(a.expose_secret());\n")
        self.assert_found("src/auth/a.cpp", "std::cerr << a.expose_secret()[0];\n", "never printed")
        self.assert_fine("src/apps/a.cpp", "// Printed on purpose: this command hands out a key.\nstd::cout << k.expose_secret()[0];\n")
        self.assert_found("src/auth/a.hpp", "// X.\n#pragma once\nostream& operator<<(ostream&, const SecretBytes&);\n",
                          "no operator<<")
        self.assert_fine("src/auth/a.cpp", "// memcmp(a, b) would leak; \"expose_secret() == x\" too\n")

    def test_failures_are_values(self):
        self.assert_found("src/auth/a.cpp", "throw 1;\n", "failures are values")

    def test_headers(self):
        self.assert_found("src/core/a.hpp", "#pragma once\n", "opens with a comment")
        self.assert_found("src/core/a.hpp", "// A thing.\n", "#pragma once is missing")
        self.assert_found("src/core/a.hpp", "// A thing.\n#pragma once\n#include <format>\n", "<format> in a header")

    def test_flags(self):
        self.assert_found("src/CMakeLists.txt", "target_compile_options(x PRIVATE -mavx2)\n", "Highway dispatches")
        self.assert_found("cmake/a.cmake", "add_compile_options(-ffast-math)\n", "equal on every machine")

    def test_words(self):
        self.assert_found("README.md", "See /home" + "/somebody/quoin.\n", "belongs to one machine")
        self.assert_found("src/core/a.cpp", "// TODO: later\n", "without the place where it is tracked")
        self.assert_fine("src/core/a.cpp", "// TODO(issue 7): later\n")
        self.assert_found("README.md", "no newline", "no newline at the end")

    def test_what_pages_name_exists(self):
        self.assert_found("docs/a.md", "See `src/core/nowhere.cpp`.\n", "docs/a.md:1: src/core/nowhere.cpp does not exist")
        self.assert_found("docs/a.md", "See `Ledger.NeverWritten`.\n", "no test Ledger.NeverWritten")
        case = self.tree / "tests/auth/ledger_test.cpp"
        case.parent.mkdir(parents=True)
        case.write_text("TEST(Ledger, IsWritten) {}\n", encoding="utf-8")
        self.assert_fine("docs/a.md", "See `Ledger.IsWritten` in `tests/auth/ledger_test.cpp`.\n")

    def test_links(self):
        self.assert_found("README.md", "[page](docs/page.md)\n", "README.md:1: link to docs/page.md")
        self.assert_found("README.md", "# Top\n[there](#bottom)\n", "no heading #bottom")
        self.assert_fine("README.md", "# Where it runs\n[there](#where-it-runs) and [out](https://example.org)\n")


if __name__ == "__main__":
    unittest.main()
