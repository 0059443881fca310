#include "kernels/counter_rng.hpp"

#include <bit>
#include <cstring>

#include "core/check.hpp"

namespace quoin {

namespace {

using Block = std::array<std::uint8_t, 16>;

// Multiplication by x in AES's field GF(2^8), modulo x^8 + x^4 + x^3 + x + 1.
constexpr std::uint8_t times_x(std::uint8_t a) {
  return static_cast<std::uint8_t>(a << 1 ^ ((a & 0x80) != 0 ? 0x1b : 0));
}

// FIPS 197, 5.1.1: the inverse in the field, then an affine map. Inverses by walking the powers of
// the generator x + 1 up with p and those of its inverse down with q.
constexpr std::array<std::uint8_t, 256> make_s_box() {
  std::array<std::uint8_t, 256> box{};
  std::uint8_t p = 1;
  std::uint8_t q = 1;
  do {
    p = static_cast<std::uint8_t>(p ^ times_x(p));
    q = static_cast<std::uint8_t>(q ^ q << 1);
    q = static_cast<std::uint8_t>(q ^ q << 2);
    q = static_cast<std::uint8_t>(q ^ q << 4);
    if ((q & 0x80) != 0) q ^= 0x09;
    const auto turned = static_cast<std::uint8_t>(q ^ std::rotl(q, 1) ^ std::rotl(q, 2) ^
                                                  std::rotl(q, 3) ^ std::rotl(q, 4));
    box[p] = turned ^ 0x63;
  } while (p != 1);
  box[0] = 0x63;
  return box;
}

constexpr std::array<std::uint8_t, 256> s_box = make_s_box();

Block key_of_seed(std::uint64_t seed) {
  // The second half names the purpose, so that no other use of a small number gives these words.
  Block key{};
  constexpr char purpose[] = "simulate";
  static_assert(std::endian::native == std::endian::little, "words are stored as they are");
  std::memcpy(key.data(), &seed, 8);
  std::memcpy(key.data() + 8, purpose, 8);
  return key;
}

// FIPS 197, 5.2.
void expand_key(const Block& key, std::span<std::uint8_t> schedule) {
  std::memcpy(schedule.data(), key.data(), 16);
  std::uint8_t round_constant = 1;
  for (std::size_t i = 16; i < schedule.size(); i += 4) {
    std::array<std::uint8_t, 4> word{schedule[i - 4], schedule[i - 3], schedule[i - 2],
                                     schedule[i - 1]};
    if (i % 16 == 0) {
      word = {static_cast<std::uint8_t>(s_box[word[1]] ^ round_constant), s_box[word[2]],
              s_box[word[3]], s_box[word[0]]};
      round_constant = times_x(round_constant);
    }
    for (std::size_t j = 0; j < 4; ++j) schedule[i + j] = schedule[i + j - 16] ^ word[j];
  }
}

void add_round_key(Block& state, const std::uint8_t* round_key) {
  for (std::size_t i = 0; i < 16; ++i) state[i] ^= round_key[i];
}

// SubBytes and ShiftRows.
Block substitute_and_shift(const Block& state) {
  Block out;
  for (std::size_t column = 0; column < 4; ++column)
    for (std::size_t row = 0; row < 4; ++row)
      out[4 * column + row] = s_box[state[4 * ((column + row) % 4) + row]];
  return out;
}

void mix_columns(Block& state) {
  for (std::size_t c = 0; c < 16; c += 4) {
    const std::array<std::uint8_t, 4> a{state[c], state[c + 1], state[c + 2], state[c + 3]};
    const auto all = static_cast<std::uint8_t>(a[0] ^ a[1] ^ a[2] ^ a[3]);
    for (std::size_t i = 0; i < 4; ++i)
      state[c + i] = static_cast<std::uint8_t>(
          a[i] ^ all ^ times_x(static_cast<std::uint8_t>(a[i] ^ a[(i + 1) % 4])));
  }
}

}  // namespace

CounterKey::CounterKey(std::uint64_t seed) : CounterKey(key_of_seed(seed)) {}

CounterKey::CounterKey(const std::array<std::uint8_t, 16>& key) : round_keys_{} {
  expand_key(key, round_keys_);
}

std::array<std::uint8_t, 16> encrypt_counter_block(const CounterKey& key,
                                                   const std::array<std::uint8_t, 16>& block) {
  const std::uint8_t* round_keys = key.round_keys().data();
  Block state = block;
  add_round_key(state, round_keys);
  for (std::size_t round = 1; round < CounterKey::rounds; ++round) {
    state = substitute_and_shift(state);
    mix_columns(state);
    add_round_key(state, round_keys + 16 * round);
  }
  state = substitute_and_shift(state);
  add_round_key(state, round_keys + 16 * CounterKey::rounds);
  return state;
}

void fill_counter_words_scalar(const CounterStream& stream, std::uint64_t first_block,
                               std::span<std::uint64_t> out) {
  for (std::size_t i = 0; i < out.size(); i += 2) {
    const std::array<std::uint64_t, 2> counter{
        stream.index, std::uint64_t{stream.domain} << 48 | (first_block + i / 2)};
    const Block words = encrypt_counter_block(*stream.key, std::bit_cast<Block>(counter));
    std::memcpy(&out[i], words.data(), 16);
  }
}

void fill_counter_words(const CounterStream& stream, std::uint64_t first_block,
                        std::span<std::uint64_t> out) {
  QUOIN_INVARIANT(out.size() % 2 == 0 && first_block + out.size() / 2 <= counter_blocks_max,
                  "counter words come in blocks of two");
  fill_counter_words_simd(stream, first_block, out);
}

}  // namespace quoin
