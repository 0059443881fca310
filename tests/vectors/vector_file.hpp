// Reads the files of known answers in this folder: records of "name = value" lines, an empty line
// between records, # for remarks. For tests only.
#pragma once

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/bytes.hpp"

namespace quoin {

class VectorRecord {
 public:
  void add(std::string name, std::string value) { values_[std::move(name)] = std::move(value); }
  bool empty() const { return values_.empty(); }
  const std::string& text(const std::string& name) const {
    const auto at = values_.find(name);
    if (at == values_.end()) throw std::runtime_error("a record has no " + name);
    return at->second;
  }
  Bytes bytes(const std::string& name) const {
    auto decoded = from_hex(text(name));
    if (!decoded) throw std::runtime_error(name + " is not hex");
    return std::move(decoded).value();
  }

 private:
  std::map<std::string, std::string> values_;
};

// `name` is a file of tests/vectors. A missing or empty file is an error, not a pass.
inline std::vector<VectorRecord> read_vectors(const std::string& name) {
  std::ifstream file(std::string(QUOIN_SOURCE_DIR) + "/tests/vectors/" + name);
  std::vector<VectorRecord> records;
  VectorRecord record;
  const auto close_record = [&] {
    if (!record.empty()) records.push_back(std::exchange(record, {}));
  };
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const std::size_t equals = line.find(" =");
    if (equals == std::string::npos) {
      close_record();
    } else {
      const std::size_t value = line.find_first_not_of(' ', equals + 2);
      record.add(line.substr(0, equals), value == std::string::npos ? "" : line.substr(value));
    }
  }
  close_record();
  if (records.empty()) throw std::runtime_error("no known answers in " + name);
  return records;
}

}  // namespace quoin
