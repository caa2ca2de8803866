// The CPU maxout cores on random shapes, with winners and products from anywhere: a winner beyond
// the pieces is refused before anything is written. The sanitizers see every access.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "maxout/maxout.h"

using namespace gantool;

namespace {

constexpr int kRounds = 150;

int64_t draw(std::mt19937& random, int64_t least, int64_t most) {
  return std::uniform_int_distribution<int64_t>(least, most)(random);
}

MaxoutVariant variant_of(int round) {
  const MaxoutVariant variants[] = {MaxoutVariant::kPortable, MaxoutVariant::kAvx2,
                                    MaxoutVariant::kAvx512};
  const MaxoutVariant variant = variants[round % 3];
  return maxout_cpu_variant_available(variant) ? variant : MaxoutVariant::kAuto;
}

MaxoutShape draw_shape(std::mt19937& random) {
  const int64_t pieces = draw(random, 0, 9) == 0 ? 256 : draw(random, 1, 9);
  return {draw(random, 0, 80), draw(random, 0, 70), draw(random, 0, pieces > 9 ? 3 : 20), pieces};
}

// One byte in `rarity` is any byte, the others are pieces.
std::vector<uint8_t> draw_winners(std::mt19937& random, int64_t count, int64_t pieces,
                                  int64_t rarity) {
  std::vector<uint8_t> winners(count);
  for (uint8_t& winner : winners) {
    const bool wild = draw(random, 1, rarity) == 1;
    winner = static_cast<uint8_t>(draw(random, 0, wild ? 255 : pieces - 1));
  }
  return winners;
}

std::vector<float> draw_floats(std::mt19937& random, int64_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

}  // namespace

TEST_CASE("whatever the winners are, the CPU cores stay within their buffers or refuse") {
  std::mt19937 random(1);
  int refused = 0, accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    const MaxoutShape shape = draw_shape(random);
    const int64_t cells = shape.batch * shape.units, columns = shape.units * shape.pieces;
    const auto winner = draw_winners(random, cells, shape.pieces, round % 2 == 0 ? 200 : 1 << 30);
    const auto grad = draw_floats(random, cells);
    const auto x = draw_floats(random, shape.batch * shape.inputs);
    const auto weight = draw_floats(random, columns * shape.inputs);
    // One element longer, so that an empty one has an address; the last must stay as it is.
    std::vector<float> grad_x(shape.batch * shape.inputs + 1, -7.0f);
    std::vector<float> grad_weight(columns * shape.inputs + 1, -7.0f);
    std::vector<float> scattered(shape.batch * columns + 1, -7.0f), bias(columns + 1, -7.0f);
    const std::vector<std::vector<float>*> outputs = {&grad_x, &grad_weight, &scattered, &bias};
    const MaxoutBackward arguments = {grad.data(),   winner.data(), x.data(),          shape.inputs,
                                      weight.data(), grad_x.data(), grad_weight.data()};
    const auto backward = [&] {
      maxout_backward_cpu(shape, arguments, variant_of(round), std_threads(2));
    };
    const auto scatter = [&] {
      maxout_scatter_cpu(shape, grad.data(), winner.data(), scattered.data(), std_threads(2));
    };
    const auto sum_bias = [&] {
      maxout_bias_gradient_cpu(shape, grad.data(), winner.data(), bias.data(), std_threads(2));
    };
    const bool beyond = std::any_of(winner.begin(), winner.end(),
                                    [&](uint8_t piece) { return piece >= shape.pieces; });
    if (beyond) {
      ++refused;
      CHECK_THROWS_AS(backward(), std::invalid_argument);
      CHECK_THROWS_AS(scatter(), std::invalid_argument);
      CHECK_THROWS_AS(sum_bias(), std::invalid_argument);
      for (const auto* output : outputs) {
        REQUIRE(std::all_of(output->begin(), output->end(), [](float v) { return v == -7.0f; }));
      }
      continue;
    }
    ++accepted;
    backward();
    scatter();
    sum_bias();
    for (const auto* output : outputs) REQUIRE(output->back() == -7.0f);
    double in = 0.0, out = 0.0;
    for (const float value : grad) in += value;
    for (int64_t i = 0; i < columns; ++i) out += bias[i];
    REQUIRE(std::abs(in - out) <= 1e-5 * (10.0 + static_cast<double>(cells)));
  }
  CHECK(refused > kRounds / 10);
  CHECK(accepted > kRounds / 10);
}

TEST_CASE("any products have a winner among the pieces") {
  std::mt19937 random(2);
  for (int round = 0; round < kRounds; ++round) {
    const MaxoutShape shape = draw_shape(random);
    const int64_t cells = shape.batch * shape.units;
    std::vector<float> product(cells * shape.pieces + 1);
    for (float& value : product) {  // any bits: infinities, NaN of every payload, denormals
      const auto bits = static_cast<uint32_t>(random());
      std::copy_n(reinterpret_cast<const char*>(&bits), 4, reinterpret_cast<char*>(&value));
    }
    std::vector<float> out(cells + 1, -7.0f);
    std::vector<uint8_t> winner(cells + 1, 255);
    maxout_select_cpu(shape, product.data(), out.data(), winner.data(), variant_of(round),
                      std_threads(2));
    for (int64_t i = 0; i < cells; ++i) REQUIRE(winner[i] < shape.pieces);
    REQUIRE(out[cells] == -7.0f);
    REQUIRE(winner[cells] == 255);
  }
}
