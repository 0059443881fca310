#include "distill/proof_calculators.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "distill/asymptotic.hpp"
#include "distill/gllp.hpp"
#include "distill/lim2014.hpp"
#include "distill/rusca2018.hpp"
#include "distill/tomamichel2012.hpp"
#include "distill/variable_length.hpp"

namespace quoin {

namespace {

double one(const ProofNumbers& numbers, std::string_view name) {
  return numbers.find(name)->second.front();
}

template <std::size_t K>
std::array<double, K> several(const ProofNumbers& numbers, std::string_view name) {
  std::array<double, K> out{};
  std::copy_n(numbers.find(name)->second.begin(), K, out.begin());
  return out;
}

double correctness_bits(const ProofNumbers& in) { return std::log2(2 / one(in, "eps_cor")); }

// The X basis makes key (Lim 2014).
template <std::size_t K, class Input>
Input decoy_input_x(const ProofNumbers& in) {
  Input out;
  out.key = {several<K>(in, "n_x"), several<K>(in, "m_x")};
  out.test = {several<K>(in, "n_z"), several<K>(in, "m_z")};
  out.source = {several<K>(in, "mu"), several<K>(in, "p")};
  out.leak_bits = one(in, "leak_ec");
  out.correctness_bits = correctness_bits(in);
  out.epsilon_sec = one(in, "eps_sec");
  return out;
}

KeyLength run_lim2014(const ProofNumbers& in) {
  return lim2014_length(decoy_input_x<3, LimInput>(in), one(in, "eps_cor"));
}

KeyLength run_variable_length_decoy2(const ProofNumbers& in) {
  return variable_length(decoy_input_x<3, VariableLengthInput<3>>(in), one(in, "eps_cor"));
}

KeyLength run_variable_length_decoy1(const ProofNumbers& in) {
  return variable_length(decoy_input_x<2, VariableLengthInput<2>>(in), one(in, "eps_cor"));
}

// The Z basis makes key (Rusca 2018).
KeyLength run_rusca2018(const ProofNumbers& in) {
  RuscaInput out;
  out.key = {several<2>(in, "n_z"), several<2>(in, "m_z")};
  out.test = {several<2>(in, "n_x"), several<2>(in, "m_x")};
  out.source = {several<2>(in, "mu"), several<2>(in, "p")};
  out.leak_bits = one(in, "leak_ec");
  out.correctness_bits = correctness_bits(in);
  out.epsilon_sec = one(in, "eps_sec");
  return rusca2018_length(out, one(in, "eps_cor"));
}

KeyLength run_tomamichel2012(const ProofNumbers& in) {
  return tomamichel2012_length({.n = one(in, "n"),
                                .k = one(in, "k"),
                                .q_tol = one(in, "q_tol"),
                                .leak_bits = one(in, "leak_ec"),
                                .epsilon_sec = one(in, "eps_sec"),
                                .epsilon_cor = one(in, "eps_cor")});
}

Leakage leakage(const ProofNumbers& in) {
  return {.bits = one(in, "leak_ec"), .efficiency = one(in, "f_ec")};
}

// One of n_test and m_test without the other is refused as a count: -1 stands for none.
KeyLength run_asymptotic_bb84(const ProofNumbers& in) {
  Bb84Input out{.key = {one(in, "n"), one(in, "m")}, .leakage = leakage(in)};
  const SiftedCounts test{one(in, "n_test"), one(in, "m_test")};
  if (test.n >= 0 || test.m >= 0) out.test = test;
  return asymptotic_bb84_length(out);
}

KeyLength run_six_state(const ProofNumbers& in) {
  return six_state_length({.key = {one(in, "n"), one(in, "m")}, .leakage = leakage(in)});
}

KeyLength run_sarg04(const ProofNumbers& in) {
  return sarg04_length({.all = {one(in, "n"), one(in, "m")},
                        .singles = {one(in, "s_1"), one(in, "v_1")},
                        .doubles = {one(in, "s_2"), one(in, "v_2")},
                        .leakage = leakage(in)});
}

KeyLength run_gllp(const ProofNumbers& in) {
  return gllp_length({.mu = several<3>(in, "mu"),
                      .sent = several<3>(in, "sent"),
                      .detected = several<3>(in, "n"),
                      .errors = several<3>(in, "m"),
                      .leak_bits = one(in, "leak_ec"),
                      .efficiency = one(in, "f_ec")});
}

constexpr ProofField eps_sec{"eps_sec", "the key is secret except with this probability"};
constexpr ProofField eps_cor{"eps_cor", "the keys are equal except with this probability"};
constexpr ProofField leak_ec{"leak_ec", "bits that error correction disclosed"};
constexpr ProofField leak_or_f{
    "leak_ec", "bits that error correction disclosed; without it: f_ec times the Shannon limit", 1,
    -1.0};
constexpr ProofField f_ec{"f_ec", "efficiency of error correction, 1 at the Shannon limit", 1,
                          1.16};

template <std::size_t K>
constexpr std::array<ProofField, 9> decoy_fields{{
    {"n_x", "detections in the X basis, an entry per intensity, brightest first", K},
    {"n_z", "detections in the Z basis", K},
    {"m_x", "errors in the X basis", K},
    {"m_z", "errors in the Z basis", K},
    {"mu", "mean photon numbers, brightest first", K},
    {"p", "probabilities of the intensities", K},
    eps_sec,
    eps_cor,
    leak_ec,
}};
constexpr auto three_intensities = decoy_fields<3>;
constexpr auto two_intensities = decoy_fields<2>;

constexpr std::array<ProofField, 6> tomamichel_fields{{
    {"n", "key bits"},
    {"k", "test bits, measured in the other basis"},
    {"q_tol", "error rate of the test bits above which the run is aborted"},
    leak_ec,
    eps_sec,
    eps_cor,
}};
constexpr std::array<ProofField, 6> asymptotic_fields{{
    {"n", "sifted bits of the key basis"},
    {"m", "errors among them"},
    {"n_test", "sifted bits of the other basis; without both: the same error rate", 1, -1.0},
    {"m_test", "errors among them", 1, -1.0},
    leak_or_f,
    f_ec,
}};
constexpr std::array<ProofField, 4> six_state_fields{{
    {"n", "sifted bits of all three bases"},
    {"m", "errors among them"},
    leak_or_f,
    f_ec,
}};
constexpr std::array<ProofField, 8> sarg04_fields{{
    {"n", "sifted bits"},
    {"m", "errors among them"},
    {"s_1", "sifted bits from single photons, lower bound"},
    {"v_1", "errors among these, upper bound"},
    {"s_2", "sifted bits from two-photon pulses, lower bound"},
    {"v_2", "errors among these, upper bound"},
    leak_or_f,
    f_ec,
}};
constexpr std::array<ProofField, 6> gllp_fields{{
    {"sent", "pulses of equal bases: signal, first decoy, second decoy", 3},
    {"n", "detections of these", 3},
    {"m", "errors of these", 3},
    {"mu", "mean photon numbers: signal, first decoy, second decoy (0 for vacuum)", 3},
    leak_or_f,
    f_ec,
}};

constexpr std::string_view two_decoys_example =
    R"({"n_x":[7000000,820000,9000],"n_z":[780000,91000,1000],"m_x":[80000,9600,4300],)"
    R"("m_z":[9000,1100,480],"mu":[0.5,0.2,0.0005],"p":[0.7,0.2,0.1],"eps_sec":1e-9,)"
    R"("eps_cor":1e-15,"leak_ec":851303})";

const std::array<ProofCalculator, 9> calculators{{
    {"asymptotic_bb84", "BB84 with single photons, infinitely long",
     "Shor, Preskill, PRL 85, 441 (2000)", R"({"n":1000000,"m":30000})", asymptotic_fields,
     run_asymptotic_bb84},
    {"gllp", "BB84 with decoys (vacuum and weak, or two), infinitely long",
     "Gottesman et al., QIC 4, 325 (2004); Ma et al., PRA 72, 012326 (2005)",
     R"({"sent":[1e9,2e8,1e8],"n":[6429380,137300,170],"m":[212963,4574,85],"mu":[0.48,0.05,0]})",
     gllp_fields, run_gllp},
    {"lim2014", "BB84 with two decoys, finite; key from X",
     "Lim et al., PRA 89, 022307 (2014), Eqs. (1) to (5)", two_decoys_example, three_intensities,
     run_lim2014},
    {"rusca2018", "BB84 with one decoy, finite; key from Z",
     "Rusca et al., APL 112, 171104 (2018), appendices A, B",
     R"({"n_z":[8000000,1310000],"n_x":[600000,98000],"m_z":[90000,16000],"m_x":[7000,1250],)"
     R"("mu":[0.5,0.15],"p":[0.65,0.35],"eps_sec":1e-9,"eps_cor":1e-15,"leak_ec":970290})",
     two_intensities, run_rusca2018},
    {"tomamichel2012", "BB84 with single photons and BBM92, finite",
     "Tomamichel et al., Nat. Commun. 3, 634 (2012), Eq. (2)",
     R"({"n":1000000,"k":100000,"q_tol":0.025,"leak_ec":185544,"eps_sec":1e-10,"eps_cor":1e-15})",
     tomamichel_fields, run_tomamichel2012},
    {"six_state", "six states with single photons, infinitely long",
     "Bruss, PRL 81, 3018 (1998); Lo, QIC 1, 81 (2001)", R"({"n":1000000,"m":50000})",
     six_state_fields, run_six_state},
    {"sarg04", "SARG04 with one- and two-photon pulses, infinitely long",
     "Fung, Tamaki, Lo, PRA 73, 012337 (2006)",
     R"({"n":1000000,"m":10000,"s_1":600000,"v_1":6000,"s_2":200000,"v_2":2000})", sarg04_fields,
     run_sarg04},
    {"variable_length_decoy2", "released key of a link, two decoys; key from X",
     "arXiv:2408.17349 and arXiv:2405.16578, see docs/proofs.md", two_decoys_example,
     three_intensities, run_variable_length_decoy2},
    {"variable_length_decoy1", "released key of a link, one decoy; key from X",
     "arXiv:2408.17349 and arXiv:2405.16578, see docs/proofs.md",
     R"({"n_x":[8000000,1310000],"n_z":[600000,98000],"m_x":[90000,16000],"m_z":[7000,1250],)"
     R"("mu":[0.5,0.15],"p":[0.65,0.35],"eps_sec":1e-9,"eps_cor":1e-15,"leak_ec":970290})",
     two_intensities, run_variable_length_decoy1},
}};

struct StepMeaning {
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<StepMeaning, 46> meanings{{
    {"n", "sifted bits"},
    {"k", "test bits"},
    {"n_x", "detections in the X basis"},
    {"n_z", "detections in the Z basis"},
    {"m_x", "errors in the X basis"},
    {"m_z", "errors in the Z basis"},
    {"tau0", "probability that a pulse is empty"},
    {"tau1", "probability that a pulse holds one photon"},
    {"s_x0", "vacuum events in the key basis, at least"},
    {"s_x0_lower", "vacuum events in the key basis, at least"},
    {"s_x0_upper", "vacuum events in the X basis, at most"},
    {"s_x0_counted", "vacuum events that count as secret"},
    {"s_x1", "single-photon events in the X basis, at least"},
    {"s_z0", "vacuum events in the Z basis, at least"},
    {"s_z0_lower", "vacuum events in the Z basis, at least"},
    {"s_z0_upper", "vacuum events in the Z basis, at most"},
    {"s_z1", "single-photon events in the Z basis, at least"},
    {"v_z1", "single-photon errors in the Z basis, at most"},
    {"v_x1", "single-photon errors in the X basis, at most"},
    {"phi_x", "phase error rate of the key's single photons, at most"},
    {"phi_z", "phase error rate of the key's single photons, at most"},
    {"leak_ec", "bits disclosed by error correction"},
    {"penalty", "bits that the finite size and verification cost"},
    {"textbook_length", "length by the fixed-length bound without vacuum; never exceeded"},
    {"length", "secret bits before rounding down"},
    {"q_tol", "tolerated error rate of the test bits"},
    {"mu", "statistical deviation of the phase error rate"},
    {"phase_error", "phase error rate"},
    {"h_phase_error", "its binary entropy"},
    {"qber", "bit error rate"},
    {"eve_bits", "bits that Eve knows of each sifted bit"},
    {"rate", "secret bits per sifted bit (gllp: per signal pulse)"},
    {"e_1", "error rate of single photons"},
    {"e_2", "error rate of two-photon pulses"},
    {"phi_1", "phase error rate of single photons"},
    {"phi_2", "phase error rate of two-photon pulses"},
    {"q_signal", "gain of signal pulses"},
    {"e_signal", "error rate of signal pulses"},
    {"q_decoy1", "gain of the first decoy"},
    {"e_decoy1", "error rate of the first decoy"},
    {"q_decoy2", "gain of the second decoy"},
    {"e_decoy2", "error rate of the second decoy"},
    {"y0", "yield of vacuum, at least"},
    {"y1", "yield of single photons, at least"},
    {"q1", "gain of single photons among signals, at least"},
    {"e1", "error rate of single photons, at most"},
}};

std::string field_names(const ProofCalculator& calculator) {
  std::string names;
  for (const ProofField& field : calculator.fields) {
    if (!names.empty()) names += ", ";
    names += field.name;
  }
  return names;
}

Failure wrong(std::string message, std::string cure) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::move(cure));
}

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

Status check_field(const ProofField& field, const std::vector<double>& values) {
  if (values.size() != field.entries)
    return wrong(quoted(field.name) + " has " + std::to_string(values.size()) + " entries",
                 "give " + std::to_string(field.entries) +
                     (field.entries == 1 ? " number" : " numbers in an array"));
  for (const double value : values)
    if (!(std::abs(value) < 1e18))
      return wrong(quoted(field.name) + " holds a number that is too large", "stay below 1e18");
  return success();
}

}  // namespace

std::span<const ProofCalculator> proof_calculators() { return calculators; }

const ProofCalculator* find_proof_calculator(std::string_view name) {
  const auto found = std::ranges::find(calculators, name, &ProofCalculator::name);
  return found == calculators.end() ? nullptr : &*found;
}

Result<ProofNumbers> complete_numbers(const ProofCalculator& calculator, ProofNumbers numbers) {
  for (const auto& [name, values] : numbers)
    if (std::ranges::find(calculator.fields, name, &ProofField::name) == calculator.fields.end())
      return wrong(std::string(calculator.name) + " has no field " + quoted(name),
                   "its fields are " + field_names(calculator));
  for (const ProofField& field : calculator.fields) {
    const auto found = numbers.find(field.name);
    if (found != numbers.end()) {
      QUOIN_TRY(check_field(field, found->second));
    } else if (field.default_value.has_value()) {
      numbers.emplace(field.name, std::vector<double>{*field.default_value});
    } else {
      return wrong(quoted(field.name) + " is missing: " + std::string(field.meaning),
                   std::string(calculator.name) + " needs " + field_names(calculator));
    }
  }
  return numbers;
}

std::string_view step_meaning(std::string_view step) {
  const auto found = std::ranges::find(meanings, step, &StepMeaning::name);
  return found == meanings.end() ? std::string_view() : found->meaning;
}

}  // namespace quoin
