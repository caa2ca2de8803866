// Which samples may lie within a limit of a query: two levels of lower bounds on distances.
//
// Level 1, codes (encode.h). With T the limit on squared distances, a row within it has
//   |c_q - c_x| <= L = [sqrt(1 + epsilon) (sqrt(T) + e(q) + max e(x)) + g'(q) + max g'(x)] / step
// the maxima over a cell of samples. In integers: with offset = -floor(|c_x|^2 / 2), a row is kept
// where offset + c_q . c_x >= floor((|c_q|^2 - L^2) / 2) - 1; floor and the 1 only keep more.
//
// Level 2, bytes (quantise.h). n^2 = |k_q - k_x|^2 exactly, d^ = step sqrt(n^2) to 2.5 u, and
//   lower = d^ - e(q) - e(x) - 4e-7 d^ (at least 0), squared, (1 - 5 u) of it
//   upper = d^ + e(q) + e(x) + 4e-7 d^,              squared, (1 + 3 u) of it
// so that lower <= |q - x|^2 <= upper. Nothing is clamped at a constant: a ceiling would make a
// false minimum.
//
// The limit is the k-th smallest upper so far, plus a reach. It only falls, so that what was beyond
// it once is beyond it at the end; the rows that set it are never beyond it. Cells are met from the
// nearest on, so that it falls early.
#pragma once

#include <cstdint>
#include <vector>

#include "screen/cpu/encode.h"

namespace gantool::screen {

constexpr int kLeafQueries = 2 * kPanelQueries;
constexpr int kCellSamples = 16 * kTileSamples;

struct Bounds {
  float lower;  // of a squared distance, in scaled units
  float upper;
};

Bounds byte_bounds(int32_t square, float step, float query_error, float sample_error);

// |k_q - k_x|^2 from the product of q's bytes with x's, which are k - 128.
inline int32_t byte_square(int32_t query_square, int32_t query_sum, int32_t sample_square,
                           int32_t dot) {
  return query_square + sample_square - 2 * (dot + 128 * query_sum);
}

// The least score that a row within `limit` can have: INT32_MIN where all can.
int32_t least_score(const Encoder& encoder, double limit, double query_error, double sample_error,
                    double query_code_error, double sample_code_error, int32_t query_square);

// The limits on the squared distances of some queries, in scaled units.
class Limits {
 public:
  // The `neighbours`-th smallest upper bound plus `reach`; with no neighbours, `reach` itself.
  Limits(int64_t queries, int neighbours, double reach);

  int neighbours() const { return static_cast<int>(neighbours_); }
  float limit(int64_t query) const { return limits_[static_cast<size_t>(query)]; }
  // The smallest upper bound that was offered; needs a neighbour.
  float nearest(int64_t query) const { return uppers_[static_cast<size_t>(query * neighbours_)]; }

  // The upper bound of a row, each row once. Returns whether the limit fell.
  bool offer(int64_t query, float upper);

  // The limit is at most that of these rows alone, which are to be offered yet.
  void cap(int64_t query, float* uppers, int count);

 private:
  bool lower(int64_t query, float kth);

  int64_t neighbours_;
  double reach_;
  std::vector<float> uppers_;  // [queries, neighbours], ascending
  std::vector<float> limits_;
};

// Samples in the layout of level 1: cells of tiles, each filled up with rows that stand for none.
struct Cells {
  struct Cell {
    int64_t first_tile;
    int64_t end_tile;
    float error;       // the largest e
    float code_error;  // the largest g'
    float centre[kCodes];
  };
  std::vector<Cell> cells;
  std::vector<int8_t> tiles;     // [tile][kCodeGroups][kTileSamples][kGroupBytes]
  std::vector<int32_t> offsets;  // [tile, kTileSamples]
  std::vector<int32_t> rows;     // [tile, kTileSamples], -1 for none

  explicit Cells(const Encoded& samples);
};

struct Candidate {
  int32_t query;  // within the leaf
  int32_t row;    // of the samples
  float lower;
};

// Appends every sample within the limits of the leaf's queries, and some beyond, cell by cell;
// those that are not finite get none.
void sweep_leaf(const Encoder& encoder, const Encoded& queries, const int32_t* leaf, int count,
                const Encoded& samples, const Cells& cells, Limits* limits,
                std::vector<Candidate>* candidates);

}  // namespace gantool::screen
