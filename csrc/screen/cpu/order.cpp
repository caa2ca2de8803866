#include "screen/cpu/order.h"

#include <algorithm>
#include <numeric>

namespace gantool::screen {
namespace {

constexpr int64_t kLookedAt = 64;  // rows that choose the coordinate of a split
constexpr float kFarOff = 3;       // times the error that three rows in four stay below

// The coordinate in which the rows differ most.
int widest_coordinate(const Encoded& rows, const int32_t* order, int64_t count) {
  const int64_t looked = std::min(count, kLookedAt);
  int32_t sums[kCodes] = {}, squares[kCodes] = {};
  for (int64_t i = 0; i < looked; ++i) {
    const int8_t* code = &rows.codes[static_cast<size_t>(order[i * count / looked]) * kCodes];
    for (int c = 0; c < kCodes; ++c) {
      sums[c] += code[c];
      squares[c] += code[c] * code[c];
    }
  }
  int widest = 0;
  int64_t largest = -1;
  for (int c = 0; c < kCodes; ++c) {
    const int64_t spread = looked * squares[c] - static_cast<int64_t>(sums[c]) * sums[c];
    if (spread > largest) {
      largest = spread;
      widest = c;
    }
  }
  return widest;
}

void split(const Encoded& rows, int32_t* order, int64_t begin, int64_t end, int64_t leaf,
           std::vector<int64_t>* leaves) {
  const int64_t count = end - begin;
  if (count <= leaf) {
    if (count > 0) leaves->push_back(begin);
    return;
  }
  const int64_t middle = begin + (count / 2 + leaf - 1) / leaf * leaf;
  const int c = widest_coordinate(rows, order + begin, count);
  std::nth_element(order + begin, order + middle, order + end, [&](int32_t a, int32_t b) {
    const int8_t left = rows.codes[static_cast<size_t>(a) * kCodes + c];
    const int8_t right = rows.codes[static_cast<size_t>(b) * kCodes + c];
    return left != right ? left < right : a < b;
  });
  split(rows, order, begin, middle, leaf, leaves);
  split(rows, order, middle, end, leaf, leaves);
}

}  // namespace

std::vector<int32_t> split_by_medians(const Encoded& rows, int leaf, std::vector<int64_t>* leaves) {
  std::vector<int32_t> order(static_cast<size_t>(rows.count));
  std::iota(order.begin(), order.end(), 0);
  const auto error = [&](int32_t i) {
    return rows.bounds[static_cast<size_t>(i)].error + rows.code_error[static_cast<size_t>(i)];
  };
  std::vector<float> errors(order.size());
  std::transform(order.begin(), order.end(), errors.begin(), error);
  const auto usual = errors.begin() + static_cast<int64_t>(errors.size()) * 3 / 4;
  std::nth_element(errors.begin(), usual, errors.end());
  const float most = errors.empty() ? 0 : kFarOff * *usual;
  const auto far = std::stable_partition(order.begin(), order.end(),
                                         [&](int32_t i) { return error(i) <= most; });
  leaves->clear();
  split(rows, order.data(), 0, far - order.begin(), leaf, leaves);
  split(rows, order.data(), far - order.begin(), rows.count, leaf, leaves);
  leaves->push_back(rows.count);
  return order;
}

}  // namespace gantool::screen
