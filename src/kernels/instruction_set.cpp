#include "kernels/instruction_set.hpp"

#include <hwy/targets.h>

#include <algorithm>
#include <array>

namespace quoin {

namespace {

// A name stands for its targets and all those below it. Where Highway has no instruction for
// carry-less products, the kernels that need one are plain C++: that is what `scalar` means.
struct Named {
  std::string_view name;
  std::int64_t targets;
};

constexpr std::int64_t plain = HWY_SCALAR | HWY_EMU128;
#if HWY_ARCH_X86
constexpr std::int64_t plain_here = plain | HWY_SSE2 | HWY_SSSE3;
constexpr std::array<Named, 5> names{
    {{"scalar", plain_here},
     {"sse4", HWY_SSE4},
     {"avx2", HWY_AVX2},
     {"avx512", HWY_AVX3},
     {"avx512-gfni", ~(plain_here | HWY_SSE4 | HWY_AVX2 | HWY_AVX3)}}};
#elif HWY_ARCH_ARM
constexpr std::int64_t plain_here = plain | HWY_NEON_WITHOUT_AES;
constexpr std::array<Named, 3> names{
    {{"scalar", plain_here}, {"neon", HWY_NEON}, {"sve", ~(plain_here | HWY_NEON)}}};
#else
constexpr std::array<Named, 2> names{{{"scalar", plain}, {"vectors", ~plain}}};
#endif

std::int64_t generated_and_supported() {
  std::int64_t all = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) all |= target;
  return all;
}

void allow(std::int64_t targets) {
  hwy::DisableTargets(~targets);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

std::vector<std::string> instruction_sets() {
  const std::int64_t all = generated_and_supported();
  std::vector<std::string> out;
  for (const Named& one : names)
    if ((one.targets & all) != 0) out.emplace_back(one.name);
  return out;
}

std::string instruction_set_in_use() {
  const std::vector<std::string> all = instruction_sets();
  return all.empty() ? "scalar" : all.back();
}

Status limit_instruction_set(std::string_view name) {
  allow(~std::int64_t{0});
  if (name.empty() || name == "best") return success();
  const std::vector<std::string> known = instruction_sets();
  if (std::ranges::find(known, name) == known.end()) {
    std::string list;
    for (const std::string& one : known) list += " " + one;
    return fail(ErrorCode::configuration,
                "this machine has no instruction set called " + std::string(name),
                "it has:" + list);
  }
  std::int64_t allowed = 0;
  for (const Named& one : names) {
    allowed |= one.targets;
    if (one.name == name) break;
  }
  allow(allowed);
  return success();
}

}  // namespace quoin
