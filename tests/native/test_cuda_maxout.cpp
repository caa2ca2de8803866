// The CUDA maxout kernels, run through the host model, against brute force in float64.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "cuda_maxout_layer.h"

using namespace maxout_layer;

namespace {

const std::vector<Shape> kShapes = {
    {1, 1, 1, 1},          // the least
    {3, 7, 5, 2},          // primes, nothing aligned
    {5, 40, 3, 5, 8},      // aligned rows with a stride
    {129, 16, 2, 3},       // one row more than a tile
    {2, 33, 27, 5, 3},     // two units more than a tile of columns, depth of no tile
    {7, 64, 30, 4, 0, 1},  // aligned but for where it begins
    {4, 24, 2, 200},       // a unit of more pieces than a tile has columns
    {3, 9, 1, 256},        // the most pieces
    {6, 100, 130, 1},      // one piece
    {70, 136, 1, 2},       // wider than a tile of columns in the backward pass
    {140, 8, 70, 2},       // deeper than one stage in both
};

}  // namespace

TEST_CASE_TEMPLATE("forward and backward against float64", Element, float, gantool::Float16Bits,
                   gantool::BFloat16Bits) {
  unsigned seed = 0;
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.batch);
    CAPTURE(shape.inputs);
    CAPTURE(shape.units);
    CAPTURE(shape.pieces);
    Layer<Element> layer(shape, ++seed);
    layer.forward();
    CHECK(forward_failures(layer) == 0);
    layer.backward();
    CHECK(backward_failures(layer) == 0);
  }
}

TEST_CASE_TEMPLATE("small integers are exact, and a tie goes to the lowest piece", Element, float,
                   gantool::Float16Bits, gantool::BFloat16Bits) {
  Layer<Element> layer({9, 24, 14, 5}, 3);
  std::mt19937 random(5);
  std::uniform_int_distribution<int> digit(-1, 1);
  for (auto* array : {&layer.x, &layer.weight, &layer.bias}) {
    for (Element& value : array->storage) value = element<Element>(digit(random));
  }
  layer.forward();
  int ties = 0;
  for (int64_t b = 0; b < 9; ++b) {
    for (int64_t u = 0; u < 14; ++u) {
      double best = -1e9;
      int winner = -1;
      for (int p = 0; p < 5; ++p) {
        double value = number(layer.bias.at(u * 5 + p));
        for (int64_t i = 0; i < 24; ++i) value += layer.x_at(b, i) * layer.weight_at(u, p, i);
        ties += value == best ? 1 : 0;
        if (value > best) {
          best = value;
          winner = p;
        }
      }
      CHECK(number(layer.out.at(b * 14 + u)) == best);
      CHECK(layer.winner_at(b, u) == winner);
    }
  }
  CHECK(ties > 5);
}

TEST_CASE("float32 is within twice the error of sums taken in order") {
  Layer<float> layer({20, 784, 6, 5}, 11);
  layer.forward();
  double own = 0.0, plain = 0.0;
  for (int64_t b = 0; b < 20; ++b) {
    for (int64_t u = 0; u < 6; ++u) {
      const int p = layer.winner_at(b, u);
      double truth = number(layer.bias.at(u * 5 + p));
      float sum = 0.0f;
      for (int64_t i = 0; i < 784; ++i) {
        truth += layer.x_at(b, i) * layer.weight_at(u, p, i);
        sum += layer.x.at(b * 784 + i) * layer.weight.at((u * 5 + p) * 784 + i);
      }
      sum += layer.bias.at(u * 5 + p);
      own = std::max(own, std::fabs(number(layer.out.at(b * 6 + u)) - truth));
      plain = std::max(plain, std::fabs(static_cast<double>(sum) - truth));
    }
  }
  CHECK(own <= 2.0 * plain);
}

TEST_CASE_TEMPLATE("NaN reaches its own row alone, and wins", Element, float,
                   gantool::BFloat16Bits) {
  for (const int64_t pieces : {3, 150}) {
    Layer<Element> layer({6, 16, 4, pieces}, 2);
    layer.x.at(2 * 16 + 5) = element<Element>(std::numeric_limits<double>::quiet_NaN());
    layer.bias.at(1 * pieces + 2) = element<Element>(std::numeric_limits<double>::quiet_NaN());
    layer.bias.at(3 * pieces + 1) = element<Element>(-std::numeric_limits<double>::infinity());
    layer.forward();
    for (int64_t b = 0; b < 6; ++b) {
      for (int64_t u = 0; u < 4; ++u) {
        const double result = number(layer.out.at(b * 4 + u));
        CHECK(std::isnan(result) == (b == 2 || u == 1));
        if (b == 2) CHECK(layer.winner_at(b, u) == 0);
        if (b != 2 && u == 1) CHECK(layer.winner_at(b, u) == 2);
        if (b != 2 && u == 3) CHECK(layer.winner_at(b, u) != 1);
      }
    }
  }
}

TEST_CASE_TEMPLATE("empty shapes: nothing to write, or sums over nothing", Element, float,
                   gantool::Float16Bits) {
  for (const Shape& shape : {Shape{0, 5, 3, 2}, {4, 0, 3, 2}, {4, 5, 0, 2}}) {
    Layer<Element> layer(shape, 1);
    layer.forward();
    CHECK(forward_failures(layer) == 0);
    layer.backward();
    CHECK(backward_failures(layer) == 0);
  }
}

TEST_CASE("gradients that are not wanted are left alone, equal calls give equal bits") {
  Layer<float> layer({30, 20, 9, 4}, 8);
  layer.forward();
  const std::vector<float> before = layer.grad_weight.storage;
  layer.backward(true, false, true);
  CHECK(layer.grad_weight.storage == before);
  layer.backward();
  const std::vector<float> once = layer.grad_weight.storage, out = layer.out.storage;
  layer.forward();
  layer.backward();
  CHECK(layer.grad_weight.storage == once);
  CHECK(layer.out.storage == out);
}

TEST_CASE("shapes without meaning are refused") {
  Layer<float> layer({2, 2, 2, 2}, 1);
  gantool::MaxoutCudaShape shape = layer.cuda_shape();
  const auto refused = [&] {
    CHECK_THROWS_AS(gantool::maxout_forward_cuda(shape, {}, nullptr), std::invalid_argument);
    CHECK_THROWS_AS(gantool::maxout_backward_cuda(shape, {}, nullptr), std::invalid_argument);
    shape = layer.cuda_shape();
  };
  shape.pieces = 257;
  refused();
  shape.pieces = 0;
  refused();
  shape.batch = -1;
  refused();
  shape.units = int64_t{1} << 30;
  refused();
  shape.element = CudaElement::kFloat64;
  refused();
}

TEST_CASE_TEMPLATE("a winner beyond the pieces stands for no piece", Element, float,
                   gantool::Float16Bits, gantool::BFloat16Bits) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> any(0, 255);
  for (const Shape& shape : {Shape{5, 7, 3, 2}, {3, 40, 9, 5, 8}, {2, 9, 1, 200}, {130, 8, 2, 3}}) {
    Layer<Element> wild(shape, 5), tamed(shape, 5);
    for (uint8_t& winner : wild.winner) winner = static_cast<uint8_t>(any(random));
    // The same sums by the rules that are tested elsewhere: no gradient at all where none won.
    tamed.winner = wild.winner;
    for (int64_t i = 0; i < shape.batch * shape.units; ++i) {
      uint8_t& winner = tamed.winner[static_cast<std::size_t>(i)];
      if (winner < shape.pieces) continue;
      winner = 0;
      tamed.grad_out.at(i) = element<Element>(0.0);
    }
    wild.backward();
    tamed.backward();
    CHECK(backward_failures(tamed) == 0);
    const auto same = [](auto& one, auto& other) {
      const auto count = static_cast<int64_t>(one.storage.size() - one.begin);
      for (int64_t i = 0; i < count; ++i) {
        if (number(one.at(i)) != number(other.at(i))) return false;
      }
      return true;
    };
    CHECK(same(wild.grad_x, tamed.grad_x));
    CHECK(same(wild.grad_weight, tamed.grad_weight));
    CHECK(same(wild.grad_bias, tamed.grad_bias));
  }
}
