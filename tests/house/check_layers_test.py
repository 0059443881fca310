"""tools/check_layers.py finds what it is there to find: every planted violation must be reported."""
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
import check_layers  # noqa: E402


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.tree = Path(tempfile.mkdtemp(prefix="quoin-house-"))
        self.addCleanup(shutil.rmtree, self.tree)
        for name in ("core/result.hpp", "kernels/bits.hpp", "quantum/device.hpp", "quantum/model.hpp", "link/session.hpp",
                     "site/site.hpp", "adapters/tls.hpp", "sim/network.hpp"):
            self.write(f"src/{name}", "// A header.\n#pragma once\n")

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def check(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), mock.patch.object(sys, "argv", ["check_layers.py", str(self.tree)]):
            code = check_layers.main()
        return code, out.getvalue()

    def assert_found(self, name, include, message):
        self.write(f"src/{name}", f"{include}\n")
        code, out = self.check()
        self.assertEqual(code, 1, f"{include} in {name} was not found")
        self.assertIn(f"src/{name}:1: ", out)
        self.assertIn(message, out)

    def assert_fine(self, name, include):
        self.write(f"src/{name}", f"{include}\n")
        code, out = self.check()
        self.assertEqual(code, 0, out)

    def test_allowed_includes(self):
        self.assert_fine("link/a.cpp", '#include "core/result.hpp"\n#include "quantum/device.hpp"\n#include <vector>')

    def test_a_layer_above(self):
        self.assert_found("core/a.cpp", '#include "kernels/bits.hpp"', "core may include from nothing")

    def test_a_layer_beside(self):
        self.assert_found("quantum/a.cpp", '#include "link/session.hpp"', "quantum may include from core, kernels")

    def test_the_simulation_has_no_real_sides(self):
        self.assert_found("sim/a.cpp", '#include "adapters/tls.hpp"', "sim may include from")

    def test_adapters_see_ports_only(self):
        self.assert_fine("adapters/a.cpp", '#include "quantum/device.hpp"')
        self.assert_found("adapters/b.cpp", '#include "quantum/model.hpp"', "adapters may include from core, crypto")

    def test_folder_is_written(self):
        self.assert_found("link/a.cpp", '#include "session.hpp"', "write the folder too")

    def test_missing_header(self):
        self.assert_found("link/a.cpp", '#include "core/nowhere.hpp"', "does not exist")

    def test_third_party(self):
        self.assert_found("link/a.cpp", "#include <boost/asio.hpp>", "belongs in adapters")
        self.assert_found("auth/b.cpp", "#include <openssl/evp.h>", "belongs in adapters, crypto")
        self.assert_found("core/c.cpp", "#include <hwy/highway.h>", "belongs in kernels")
        self.assert_found("keystore/d.cpp", "#include <sqlite3.h>", "belongs in adapters")
        self.assert_found("site/e.cpp", "#include <toml++/toml.hpp>", "belongs in apps")
        self.assert_found("kme/f.cpp", "#include <boost/json.hpp>", "belongs in apps, delivery")
        self.assert_found("kme/g.cpp", "#include <zlib.h>", "no row for this third-party header")

    def test_rim_headers(self):
        self.assert_found("link/a.cpp", "#include <sys/socket.h>", "performs no I/O")
        self.assert_found("distill/b.cpp", "#include <thread>", "use a port")
        self.assert_found("distill/c.cpp", "#include <random>", "PublicRandom")
        self.assert_found("kernels/d.cpp", "#include <immintrin.h>", "Highway")

    def test_asio_in_five_files_at_most(self):
        for i in range(6):
            self.write(f"src/adapters/pump_{i}.cpp", "#include <boost/asio/ip/tcp.hpp>\n")
        code, out = self.check()
        self.assertEqual(code, 1)
        self.assertIn("Asio is in 6 files, at most 5", out)

    def test_circle_of_headers(self):
        self.write("src/link/a.hpp", '#include "link/b.hpp"\n')
        self.write("src/link/b.hpp", '#include "link/a.hpp"\n')
        code, out = self.check()
        self.assertEqual(code, 1)
        self.assertIn("circle: link/a.hpp -> link/b.hpp -> link/a.hpp", out)

    def test_unknown_folder(self):
        self.write("src/extras/a.cpp", "\n")
        self.assertIn("folder extras has no row", self.check()[1])

    def rows(self, **change):
        text = (ROOT / "src/CMakeLists.txt").read_text(encoding="utf-8")
        for old, new in change.values():
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.write("src/CMakeLists.txt", text)

    def test_cmake_links_more_than_the_row(self):
        self.rows(change=("quoin_layer(kernels LAYERS core", "quoin_layer(kernels LAYERS core link"))
        self.assertIn("kernels links link, which its row does not allow", self.check()[1])

    def test_cmake_links_less_than_is_included(self):
        self.rows(change=("quoin_layer(quantum LAYERS core kernels", "quoin_layer(quantum LAYERS core"))
        self.write("src/quantum/a.cpp", '#include "kernels/bits.hpp"\n')
        self.assertIn("quantum includes kernels (a.cpp:1) but does not link it", self.check()[1])

    def test_document_differs(self):
        text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
        row = next(line for line in text.splitlines() if line.startswith("| `src/kme` |"))
        self.write("docs/architecture.md", text.replace(row, row.replace("keystore |", "link |")))
        self.assertIn("docs/architecture.md: the row of kme differs", self.check()[1])


if __name__ == "__main__":
    unittest.main()
