#include "apps/proof_command.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "apps/nearest.hpp"
#include "apps/proof_numbers.hpp"

namespace quoin {

namespace {

// Whole numbers as such; numbers that are none become null.
boost::json::value json_number(double value) {
  if (!std::isfinite(value)) return nullptr;
  constexpr double exact_max = 9007199254740992.0;  // 2^53
  if (value == std::floor(value) && std::abs(value) < exact_max)
    return static_cast<std::int64_t>(value);
  return value;
}

std::string table_number(double value) {
  std::array<char, 40> text{};
  const bool is_whole = value == std::floor(value) && std::abs(value) < 1e15;
  std::snprintf(text.data(), text.size(), is_whole ? "%.0f" : "%.9g", value);
  return text.data();
}

void print_json(const ProofCalculator& proof, const KeyLength& length) {
  boost::json::object out;
  out["proof"] = proof.name;
  for (const auto& [step, value] : length.derivation) out[step] = json_number(value);
  out["secret_key_length"] = length.secret_bits;
  if (!length.reason.empty()) {
    out["reason"] = length.reason;
    out["reason_code"] = length.reason_code;
  }
  std::cout << boost::json::serialize(out) << "\n";
}

void print_row(const std::string& name, const std::string& value, std::string_view meaning) {
  std::array<char, 80> head{};
  std::snprintf(head.data(), head.size(), "%-18s %18s", name.c_str(), value.c_str());
  std::cout << head.data() << "  " << meaning << "\n";
}

void print_table(const ProofCalculator& proof, const KeyLength& length) {
  std::cout << proof.name << ": " << proof.title << "\n" << proof.source << "\n\n";
  for (const auto& [step, value] : length.derivation)
    print_row(step, table_number(value), step_meaning(step));
  print_row("secret_key_length", std::to_string(length.secret_bits), "secret bits");
  if (!length.reason.empty())
    std::cout << "\nno key (" << length.reason_code << "): " << length.reason << "\n";
}

std::string field_kind(const ProofField& field) {
  return field.entries == 1 ? "number" : std::to_string(field.entries) + " numbers";
}

void list_as_json() {
  boost::json::array all;
  for (const ProofCalculator& proof : proof_calculators()) {
    boost::json::object entry;
    entry["name"] = proof.name;
    entry["title"] = proof.title;
    entry["source"] = proof.source;
    boost::json::array fields;
    for (const ProofField& field : proof.fields)
      fields.push_back({{"name", field.name},
                        {"entries", field.entries},
                        {"required", !field.default_value.has_value()},
                        {"meaning", field.meaning}});
    entry["fields"] = std::move(fields);
    all.push_back(std::move(entry));
  }
  std::cout << boost::json::serialize(all) << "\n";
}

void list_as_text() {
  for (const ProofCalculator& proof : proof_calculators()) {
    std::cout << proof.name << ": " << proof.title << "\n  " << proof.source << "\n";
    for (const ProofField& field : proof.fields)
      std::cout << "    " << field.name << " (" << field_kind(field)
                << (field.default_value.has_value() ? ", optional): " : "): ") << field.meaning
                << "\n";
    std::cout << "  echo '" << proof.example << "' | quoin proof " << proof.name << "\n\n";
  }
}

Result<std::string> read_input() {
  if (::isatty(STDIN_FILENO) == 1)
    std::cerr << "quoin proof: type a JSON object, then Ctrl-D" << std::endl;
  std::string text(proof_json_bytes_max + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    return fail(ErrorCode::malformed, "standard input is empty",
                "give the counts as a JSON object; 'quoin proof --list' shows examples");
  return text;
}

Result<KeyLength> compute(const ProofCalculator& proof) {
  QUOIN_TAKE(text, read_input());
  QUOIN_TAKE(given, parse_proof_numbers(text));
  QUOIN_TAKE(numbers, complete_numbers(proof, std::move(given)));
  return proof.compute(numbers);
}

Failure unknown_proof(const std::string& name) {
  std::vector<std::string> known;
  for (const ProofCalculator& proof : proof_calculators()) known.emplace_back(proof.name);
  if (name.empty())
    return fail(ErrorCode::invalid_argument, "which proof?", "'quoin proof --list' shows them");
  return fail(ErrorCode::invalid_argument, "no proof is called '" + name + "'",
              "did you mean '" + nearest_of(name, known) + "'? 'quoin proof --list' shows all");
}

}  // namespace

int run_proof(const ProofOptions& options) {
  if (options.lists) {
    options.as_json ? list_as_json() : list_as_text();
    return exit_ok;
  }
  const ProofCalculator* proof = find_proof_calculator(options.name);
  if (proof == nullptr) return report_failure(unknown_proof(options.name).error);
  const auto length = compute(*proof);
  if (!length) return report_failure(length.error());
  options.as_json ? print_json(*proof, *length) : print_table(*proof, *length);
  return exit_ok;
}

}  // namespace quoin
