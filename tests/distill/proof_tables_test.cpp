// Every row of the reference tables, to 1e-6: the real-valued cores of the proofs.
#include <gtest/gtest.h>

#include "distill/asymptotic.hpp"
#include "distill/gllp.hpp"
#include "distill/lim2014.hpp"
#include "distill/rusca2018.hpp"
#include "distill/statistics.hpp"
#include "distill/tomamichel2012.hpp"
#include "proof_records.hpp"

namespace quoin {
namespace {

// Detection and joint error probability of a pulse of mean photon number mu.
struct Gain {
  double detected;
  double error;
};
Gain lim_gain(const VectorRecord& record, double mu) {
  const double eta = number(record, "eta0") * std::pow(10.0, -0.02 * number(record, "L"));
  const double arrives = 1 - std::exp(-eta * mu);
  const double misaligned = number(record, "ed") * arrives;
  if (record.text("model") == "simple") {
    const double y0 = number(record, "Y0");
    return {y0 + arrives, y0 / 2 + misaligned};
  }
  const double pdc = number(record, "pdc");
  const double pap = number(record, "pap");
  const double clicks = 1 - (1 - 2 * pdc) * std::exp(-eta * mu);
  return {clicks * (1 + pap), pdc + misaligned + pap * clicks / 2};
}

LimInput lim_input(const VectorRecord& record) {
  LimInput in;
  in.source = {numbers<3>(record, "mu"), numbers<3>(record, "p")};
  in.epsilon_sec = number(record, "eps_sec");
  if (record.text("case") == "splitting") {
    in.key.detected = numbers<3>(record, "key_n");
    return in;
  }
  in.correctness_bits = std::log2(2 / number(record, "eps_cor"));
  if (record.text("case") == "integers") {
    in.key = {numbers<3>(record, "key_n"), numbers<3>(record, "key_m")};
    in.test = {numbers<3>(record, "test_n"), numbers<3>(record, "test_m")};
  } else {
    const double q = number(record, "q");
    double per_pulse = 0;
    for (std::size_t k = 0; k < 3; ++k)
      per_pulse += q * q * in.source.p[k] * lim_gain(record, in.source.mu[k]).detected;
    const double pulses = record.text("case").find("nX") != std::string::npos
                              ? number(record, "key_detections") / per_pulse
                              : number(record, "pulses");
    for (std::size_t k = 0; k < 3; ++k) {
      const Gain g = lim_gain(record, in.source.mu[k]);
      const double key = pulses * q * q * in.source.p[k];
      const double test = pulses * (1 - q) * (1 - q) * in.source.p[k];
      in.key.detected[k] = key * g.detected;
      in.key.errors[k] = key * g.error;
      in.test.detected[k] = test * g.detected;
      in.test.errors[k] = test * g.error;
    }
  }
  const double n_x = sum(in.key.detected);
  in.leak_bits = 1.16 * n_x * binary_entropy(sum(in.key.errors) / n_x);
  return in;
}

TEST(ProofTables, lim2014) {
  std::size_t rows = 0;
  for (const VectorRecord& record : read_vectors("lim2014.txt")) {
    const std::string label = record.text("case");
    if (label == "splitting") continue;
    ++rows;
    const LimInput in = lim_input(record);
    const LimBounds out = lim2014_bounds(in);
    if (label == "integers") {
      expect_close(record, label, "tau0", out.tau0);
      expect_close(record, label, "tau1", out.tau1);
      expect_close(record, label, "penalty", out.penalty_bits);
    } else {
      expect_close(record, label, "nX", sum(in.key.detected));
      expect_close(record, label, "nZ", sum(in.test.detected));
      expect_close(record, label, "mX", sum(in.key.errors));
      expect_close(record, label, "mZ", sum(in.test.errors));
    }
    expect_close(record, label, "sX0", out.s_x0);
    expect_close(record, label, "sX1", out.s_x1);
    expect_close(record, label, "sZ1", out.s_z1);
    expect_close(record, label, "vZ1", out.v_z1);
    expect_close(record, label, "phiX", out.phi_x);
    expect_close(record, label, "leak", in.leak_bits);
    expect_close(record, label, "ell", out.length_bits);
    const KeyLength length = lim2014_length(in, 1e-15);
    EXPECT_EQ(length.secret_bits, static_cast<std::uint64_t>(out.length_bits)) << label;
    EXPECT_EQ(length.reason, "");
  }
  EXPECT_EQ(rows, 17U);
}

TEST(ProofTables, photon_number_splitting_shows_in_the_bound_of_lim2014) {
  std::size_t rows = 0;
  for (const VectorRecord& record : read_vectors("lim2014.txt")) {
    if (record.text("case") != "splitting") continue;
    ++rows;
    LimInput in = lim_input(record);
    expect_close(record, "splitting", "sX1", lim2014_bounds(in).s_x1);
    in.test = in.key;
    in.correctness_bits = 50;
    const KeyLength length = lim2014_length(in, 1e-15);
    EXPECT_EQ(length.secret_bits, 0U);
    EXPECT_EQ(length.reason_code, "photon_number_splitting");
  }
  EXPECT_EQ(rows, 1U);
}

RuscaInput rusca_input(const VectorRecord& record) {
  RuscaInput in;
  in.source = {numbers<2>(record, "mu"), numbers<2>(record, "p")};
  in.epsilon_sec = 1e-9;
  in.correctness_bits = std::log2(2 / 1e-15);
  if (record.text("case") == "integers") {
    in.key = {numbers<2>(record, "key_n"), numbers<2>(record, "key_m")};
    in.test = {numbers<2>(record, "test_n"), numbers<2>(record, "test_m")};
  } else {
    const double eta = std::pow(10.0, -number(record, "dB") / 10);
    const double pdc = number(record, "pdc");
    const double pz = number(record, "pz");
    std::array<double, 2> detected{};
    std::array<double, 2> errors{};
    for (std::size_t k = 0; k < 2; ++k) {
      const double arrives = 1 - std::exp(-eta * in.source.mu[k]);
      detected[k] = in.source.p[k] * (arrives + pdc);
      errors[k] = in.source.p[k] * (arrives * number(record, "perr") + pdc / 2);
    }
    const double key = number(record, "nZ") / sum(detected);
    const double test = key * (1 - pz) * (1 - pz) / (pz * pz);
    for (std::size_t k = 0; k < 2; ++k) {
      in.key.detected[k] = key * detected[k];
      in.key.errors[k] = key * errors[k];
      in.test.detected[k] = test * detected[k];
      in.test.errors[k] = test * errors[k];
    }
  }
  const double n_z = sum(in.key.detected);
  in.leak_bits = 1.16 * n_z * binary_entropy(sum(in.key.errors) / n_z);
  return in;
}

TEST(ProofTables, rusca2018) {
  std::size_t rows = 0;
  for (const VectorRecord& record : read_vectors("rusca2018.txt")) {
    const std::string label = record.text("case");
    RuscaInput in = rusca_input(record);
    if (label == "gamma 19") in.gamma_terms = 19;
    const RuscaBounds out = rusca2018_bounds(in);
    ++rows;
    expect_close(record, label, "phiZ", out.phi_z);
    expect_close(record, label, "ell", out.length_bits);
    if (label == "gamma 19") continue;
    if (label == "integers") {
      expect_close(record, label, "tau0", out.tau0);
      expect_close(record, label, "tau1", out.tau1);
      expect_close(record, label, "sX0u", out.s_x0_upper);
      expect_close(record, label, "pen", out.penalty_bits);
    } else {
      expect_close(record, label, "nX", sum(in.test.detected));
      expect_close(record, label, "mZ", sum(in.key.errors));
      expect_close(record, label, "mX", sum(in.test.errors));
    }
    expect_close(record, label, "sZ0l", out.s_z0_lower);
    expect_close(record, label, "sZ0u", out.s_z0_upper);
    expect_close(record, label, "sZ1", out.s_z1);
    expect_close(record, label, "sX1", out.s_x1);
    expect_close(record, label, "vX1", out.v_x1);
    expect_close(record, label, "leak", in.leak_bits);
    EXPECT_EQ(rusca2018_length(in, 1e-15).secret_bits, static_cast<std::uint64_t>(out.length_bits))
        << label;
  }
  EXPECT_EQ(rows, 13U);
}

// Ma 2005 with the parameters of Gobby, Yuan, Shields (2004).
constexpr double gys_efficiency = 1.22;
constexpr double gys_sifting = 0.5;

TEST(ProofTables, gllp) {
  std::size_t rows = 0;
  for (const VectorRecord& record : read_vectors("gllp.txt")) {
    ++rows;
    const std::string label = "L = " + record.text("L");
    const GllpChannel channel{
        .y0 = 1.7e-6,
        .misalignment = 0.033,
        .transmittance = 0.045 * std::pow(10.0, -0.021 * number(record, "L"))};
    const double q = channel_gain(channel, 0.48);
    const double e = channel_error(channel, 0.48);
    expect_close(record, label, "Q", q);
    expect_close(record, label, "E", e);
    const GllpBounds ideal = infinite_decoy_values(channel, 0.48);
    expect_close(record, label, "asym_Q1", ideal.q1);
    expect_close(record, label, "asym_e1", ideal.e1);
    expect_close(record, label, "asym_R", gys_sifting * gllp_rate(ideal, q, e, gys_efficiency));
    const auto bounds = [&](double v1, double v2) {
      return gllp_bounds({.mu = {0.48, v1, v2},
                          .gain = {q, channel_gain(channel, v1), channel_gain(channel, v2)},
                          .error = {e, channel_error(channel, v1), channel_error(channel, v2)}});
    };
    const GllpBounds weak = bounds(0.05, 0);
    expect_close(record, label, "weak_Y1", weak.y1);
    expect_close(record, label, "weak_Q1", weak.q1);
    expect_close(record, label, "weak_e1", weak.e1);
    expect_close(record, label, "weak_R", gys_sifting * gllp_rate(weak, q, e, gys_efficiency));
    const GllpBounds two = bounds(0.1, 0.005);
    expect_close(record, label, "two_Y0", two.y0);
    expect_close(record, label, "two_Y1", two.y1);
    expect_close(record, label, "two_Q1", two.q1);
    expect_close(record, label, "two_e1", two.e1);
    expect_close(record, label, "two_R", gys_sifting * gllp_rate(two, q, e, gys_efficiency));
  }
  EXPECT_EQ(rows, 5U);
}

TEST(ProofTables, tomamichel2012) {
  std::size_t rows = 0;
  for (const VectorRecord& record : read_vectors("tomamichel2012.txt")) {
    ++rows;
    TomamichelInput in{.n = number(record, "n"),
                       .k = number(record, "k"),
                       .q_tol = number(record, "q_tol"),
                       .epsilon_sec = 1e-10,
                       .epsilon_cor = 1e-15};
    in.leak_bits = 1.1 * in.n * binary_entropy(in.q_tol);
    const TomamichelBounds out = tomamichel2012_bounds(in);
    expect_close(record, record.text("n"), "mu", out.mu);
    expect_close(record, record.text("n"), "ell", out.length_bits);
    EXPECT_EQ(tomamichel2012_length(in).secret_bits, static_cast<std::uint64_t>(out.length_bits));
  }
  EXPECT_EQ(rows, 5U);
}

// The root of a falling function, for thresholds.
template <class F>
double zero_of(F f, double low, double high) {
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (f(middle) > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

TEST(ProofTables, asymptotic_bb84) {
  expect_close("r(.01)", 0.82548683, bb84_rate(.01, .01, 1.16));
  expect_close("r(.03)", 0.58011359, bb84_rate(.03, .03, 1.16));
  expect_close("r(.05)", 0.38138257, bb84_rate(.05, .05, 1.16));
  expect_close("r(.08)", 0.13129295, bb84_rate(.08, .08, 1.16));
  const double zero = zero_of([](double q) { return bb84_rate(q, q, 1); }, 0.01, 0.2);
  EXPECT_NEAR(zero, 0.110028, 5e-7);
  const KeyLength length = asymptotic_bb84_length({.key = {1e6, 3e4}, .test = {}, .leakage = {}});
  EXPECT_EQ(length.secret_bits, 580'113U);
}

TEST(ProofTables, six_state) {
  const auto rate = [](double q) { return 1 - six_state_eve_bits(q) - binary_entropy(q); };
  expect_close("r(.01)", 0.86386485, rate(.01));
  expect_close("r(.05)", 0.49681627, rate(.05));
  expect_close("r(.10)", 0.15241532, rate(.10));
  EXPECT_NEAR(zero_of(rate, 0.01, 0.2), 0.126193, 5e-7);
  const KeyLength length = six_state_length({.key = {1e6, 5e4}, .leakage = {.efficiency = 1}});
  EXPECT_EQ(length.secret_bits, 496'816U);
}

TEST(ProofTables, sarg04) {
  EXPECT_NEAR(sarg04_double_phase_error(0), 0.146447, 5e-7);
  EXPECT_NEAR(sarg04_double_phase_error(.01), 0.206677, 5e-7);
  EXPECT_NEAR(sarg04_double_phase_error(.02), 0.237302, 5e-7);
  const auto doubles = [](double q) {
    return 1 - binary_entropy(q) - binary_entropy(sarg04_double_phase_error(q));
  };
  const auto singles = [](double q) {
    return 1 - binary_entropy(q) - binary_entropy(sarg04_single_phase_error(q));
  };
  EXPECT_NEAR(zero_of(doubles, 0.001, 0.1), 0.027101, 5e-7);
  EXPECT_NEAR(zero_of(singles, 0.001, 0.2), 0.088989, 5e-7);
}

// The closed form is the minimum that the paper asks for.
TEST(ProofTables, sarg04_minimum_is_the_minimum) {
  for (const double e : {0.001, 0.01, 0.03, 0.07, 0.12}) {
    double least = 1;
    for (double x = -5; x < 60; x += 1e-3) {
      const double root = std::sqrt(6 - 6 * std::sqrt(2.0) * x + 4 * x * x);
      least = std::min(least, x * e + (3 - 2 * x + root) / 6);
    }
    EXPECT_NEAR(sarg04_double_phase_error(e), least, 1e-6) << e;
  }
}

}  // namespace
}  // namespace quoin
