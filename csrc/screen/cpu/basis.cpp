// Three rounds of subspace iteration on the rows' second moments: with 1,024 rows of 784 columns,
// 0.3 billion multiply-adds in float32. What it finds decides how tight the bound is, never whether
// it holds, so that nothing here is rounded with care but epsilon and the reach.
#include "screen/cpu/basis.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace gantool::screen {
namespace {

constexpr int kAxes = kCodes - 1;
constexpr int kRounds = 3;
constexpr double kLargestEpsilon = 0.009;
// A column with this share of its square left is dropped: of the iterates, all of which lean to the
// largest axis, what rounding left; of the axes, what would cost the bound epsilon.
constexpr double kNoise = 1e-10;
constexpr double kDependent = 1e-3;

using Floats = std::vector<float>;
using Square = std::vector<double>;  // [kCodes, kCodes]

size_t at(int64_t row, int64_t column) { return static_cast<size_t>(row * kCodes + column); }

// matrix [rows, kCodes]' matrix
template <typename Element>
Square gram(const Element* matrix, int64_t rows) {
  Square products(kCodes * kCodes, 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    double row[kCodes];
    std::copy_n(matrix + r * kCodes, kCodes, row);
    for (int i = 0; i < kAxes; ++i) {
      if (row[i] == 0) continue;
      for (int j = i; j < kAxes; ++j) products[at(i, j)] += row[i] * row[j];
    }
  }
  return products;
}

// The upper U with U'U = `products`, of which the upper half is read. A column that depends on
// those before it gets a zero row, and so does one that is zero.
Square cholesky(const Square& products, double dependent) {
  Square upper(kCodes * kCodes, 0.0);
  for (int i = 0; i < kAxes; ++i) {
    double pivot = products[at(i, i)];
    for (int k = 0; k < i; ++k) pivot -= upper[at(k, i)] * upper[at(k, i)];
    if (!(pivot > dependent * products[at(i, i)])) continue;
    const double root = std::sqrt(pivot);
    for (int j = i; j < kAxes; ++j) {
      double value = products[at(i, j)];
      for (int k = 0; k < i; ++k) value -= upper[at(k, i)] * upper[at(k, j)];
      upper[at(i, j)] = value / root;
    }
  }
  return upper;
}

// matrix [rows, kCodes] times the inverse of U; where U has no pivot, a zero column.
template <typename Element>
void divide(Element* matrix, int64_t rows, const Square& upper) {
  for (int64_t r = 0; r < rows; ++r) {
    double row[kCodes];
    std::copy_n(matrix + r * kCodes, kCodes, row);
    for (int i = 0; i < kAxes; ++i) {
      row[i] = upper[at(i, i)] > 0 ? row[i] / upper[at(i, i)] : 0;
      for (int j = i + 1; j < kAxes; ++j) row[j] -= row[i] * upper[at(i, j)];
    }
    row[kAxes] = 0;
    for (int i = 0; i < kCodes; ++i) matrix[r * kCodes + i] = static_cast<Element>(row[i]);
  }
}

void orthonormalise(Floats* matrix, int64_t rows) {
  divide(matrix->data(), rows, cholesky(gram(matrix->data(), rows), kNoise));
}

// Uniform values: the same on every platform, which std::normal_distribution is not.
Floats random_matrix(int64_t rows, std::mt19937* generator) {
  Floats matrix(static_cast<size_t>(rows * kCodes), 0.0F);
  for (int64_t r = 0; r < rows; ++r) {
    for (int i = 0; i < kAxes; ++i) {
      matrix[at(r, i)] = static_cast<float>((*generator)() >> 8) * 0x1p-23F - 1;
    }
  }
  return matrix;
}

// out [rows, kCodes] = left [rows, depth] right [depth, kCodes]
void multiply(const Kernels& kernels, const Threads& threads, const Floats& left, int64_t rows,
              int64_t depth, const Floats& right, Floats* out) {
  threads.run(rows, 64, [&](int64_t begin, int64_t end) {
    kernels.multiply(left.data() + begin * depth, end - begin, depth, right.data(),
                     out->data() + begin * kCodes);
  });
}

// The axes of the largest second moments, turned at random: [dimension, kCodes].
Floats leading_axes(const uint8_t* bytes, int64_t count, int64_t dimension, int64_t width,
                    const Kernels& kernels, const Threads& threads) {
  Floats rows(static_cast<size_t>(count * dimension)), columns(rows.size());
  for (int64_t begin = 0; begin < dimension; begin += 16) {  // blocks: both sides stay in cache
    const int64_t end = std::min(begin + 16, dimension);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t d = begin; d < end; ++d) {
        const float value = bytes[r * width + d];
        rows[static_cast<size_t>(r * dimension + d)] = value;
        columns[static_cast<size_t>(d * count + r)] = value;
      }
    }
  }
  std::mt19937 generator(1);
  Floats axes = random_matrix(dimension, &generator);
  Floats seen(static_cast<size_t>(count * kCodes));
  for (int round = 0; round < kRounds; ++round) {
    multiply(kernels, threads, rows, count, dimension, axes, &seen);
    multiply(kernels, threads, columns, dimension, count, seen, &axes);
    orthonormalise(&axes, dimension);
  }
  Floats turn = random_matrix(kCodes, &generator);
  for (int i = 0; i < kCodes; ++i) turn[at(kAxes, i)] = 0;
  orthonormalise(&turn, kCodes);
  Floats turned(axes.size());
  multiply(kernels, threads, axes, dimension, kCodes, turn, &turned);
  return turned;
}

// As int8 columns, each in units of its own, [dimension, kCodes].
std::vector<int8_t> rounded(const Floats& axes, int64_t dimension) {
  std::vector<int8_t> columns(axes.size());
  for (int i = 0; i < kCodes; ++i) {
    float largest = 0;
    for (int64_t d = 0; d < dimension; ++d) largest = std::max(largest, std::fabs(axes[at(d, i)]));
    const float scale = largest > 0 ? 127 / largest : 0;
    for (int64_t d = 0; d < dimension; ++d) {
      columns[at(d, i)] = static_cast<int8_t>(std::lround(axes[at(d, i)] * scale));
    }
  }
  return columns;
}

// epsilon and the reach of the weights as they were rounded.
void measure(const Square& products, float step, Basis* basis) {
  const double unit = step;
  double epsilon = 0, reach = 0;
  for (int i = 0; i < kAxes; ++i) {
    double image[kCodes] = {};  // B'B W, column i
    double z = 0;
    for (int k = 0; k < kAxes; ++k) {
      const double weight = basis->weights[at(k, i)];
      z += std::sqrt(products[at(k, k)]) * std::fabs(weight);
      for (int j = 0; j < kAxes; ++j) {
        image[j] += products[at(std::min(k, j), std::max(k, j))] * (weight / unit);
      }
    }
    reach += z * z;
    if (z == 0) continue;  // an axis that is not used
    for (int j = 0; j < kAxes; ++j) {
      double entry = j == i ? -1 : 0;
      for (int k = 0; k < kAxes; ++k) entry += (basis->weights[at(k, j)] / unit) * image[k];
      epsilon += entry * entry;
    }
  }
  basis->epsilon = std::sqrt(epsilon) * (1 + 1e-6) + 1e-9;
  basis->reach = std::sqrt(reach) * (1 + 1e-12);
}

}  // namespace

bool make_basis(const uint8_t* bytes, int64_t count, int64_t dimension, int64_t width, float step,
                const Kernels& kernels, const Threads& threads, Basis* basis) {
  const Floats axes = leading_axes(bytes, count, dimension, width, kernels, threads);
  if (!std::all_of(axes.begin(), axes.end(), [](float value) { return std::isfinite(value); })) {
    return false;
  }
  const std::vector<int8_t> columns = rounded(axes, dimension);
  const Square products = gram(columns.data(), dimension);  // of integers: exact
  const Square upper = cholesky(products, kDependent);
  Square inverse(kCodes * kCodes, 0.0);
  for (int i = 0; i < kAxes; ++i) inverse[at(i, i)] = upper[at(i, i)] > 0 ? 1 : 0;
  divide(inverse.data(), kCodes, upper);
  basis->width = width;
  basis->columns.assign(static_cast<size_t>(kCodes * width), 0);
  for (int i = 0; i < kAxes; ++i) {
    if (!(upper[at(i, i)] > 0)) continue;
    for (int64_t d = 0; d < dimension; ++d) {
      basis->columns[static_cast<size_t>(i * width + d)] = columns[at(d, i)];
    }
  }
  basis->weights.resize(kCodes * kCodes);
  for (size_t i = 0; i < inverse.size(); ++i) {
    basis->weights[i] = static_cast<float>(inverse[i] * static_cast<double>(step));
  }
  measure(products, step, basis);
  return basis->reach > 0 && basis->epsilon < kLargestEpsilon;
}

}  // namespace gantool::screen
