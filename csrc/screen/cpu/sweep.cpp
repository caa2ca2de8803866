#include "screen/cpu/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "screen/cpu/order.h"

namespace gantool::screen {
namespace {

constexpr float kUnit = 0x1p-24F;
constexpr int32_t kKeepAll = std::numeric_limits<int32_t>::min();
constexpr int32_t kKeepNone = std::numeric_limits<int32_t>::max();
constexpr double kLargestScore = 1 << 29;
constexpr int kCacheLine = 64;  // bytes

// One leaf of queries on its way past the cells.
class Leaf {
 public:
  Leaf(const Encoder& encoder, const Encoded& queries, const int32_t* rows, int count,
       const Encoded& samples, const Cells& cells, Limits* limits,
       std::vector<Candidate>* candidates)
      : encoder_(encoder),
        queries_(queries),
        rows_(rows),
        count_(count),
        samples_(samples),
        cells_(cells),
        limits_(*limits),
        candidates_(*candidates) {
    std::fill_n(scores_, kLeafQueries, kKeepNone);
    for (int q = 0; q < count; ++q) {
      own_[q] = {queries.bounds[index(q)].error, queries.bounds[index(q)].square,
                 queries.sum[index(q)]};
    }
    for (int q = 0; q < kLeafQueries; ++q) {
      uint8_t* panel = panels_ + q / kPanelQueries * kPanelBytes;
      const int8_t* code = &queries.codes[index(std::min(q, count - 1)) * kCodes];
      for (int c = 0; c < kCodes; ++c) {
        const int group = c / kGroupBytes, byte = c % kGroupBytes;
        panel[(group * kPanelQueries + q % kPanelQueries) * kGroupBytes + byte] =
            static_cast<uint8_t>(code[c] + 128);
      }
    }
  }

  void run() {
    const std::vector<size_t> nearest_first = order_of_cells();
    for (const size_t c : nearest_first) {
      const Cells::Cell& cell = cells_.cells[c];
      cell_ = &cell;
      if (c == nearest_first.front()) seed(cell);
      for (int q = 0; q < count_; ++q) set_score(q);
      for (int64_t tile = cell.first_tile; tile < cell.end_tile; ++tile) {
        for (int panel = 0; panel * kPanelQueries < count_; ++panel) meet(tile, panel);
      }
    }
    for (int q = 0; q < count_; ++q) compare(q);
  }

 private:
  static constexpr int kPanelBytes = kPanelQueries * kCodes;

  struct Query {
    float error;
    int32_t square;
    int32_t sum;
  };

  size_t index(int q) const { return static_cast<size_t>(rows_[q]); }

  std::vector<size_t> order_of_cells() const {
    float centre[kCodes] = {};
    for (int q = 0; q < count_; ++q) {
      for (int c = 0; c < kCodes; ++c) {
        centre[c] += static_cast<float>(queries_.codes[index(q) * kCodes + c]);
      }
    }
    std::vector<float> distances;
    for (const Cells::Cell& cell : cells_.cells) {
      float distance = 0;
      for (int c = 0; c < kCodes; ++c) {
        const float difference = centre[c] / static_cast<float>(count_) - cell.centre[c];
        distance += difference * difference;
      }
      distances.push_back(distance);
    }
    std::vector<size_t> order(distances.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return distances[a] < distances[b]; });
    return order;
  }

  void set_score(int q) {
    const size_t i = index(q);
    scores_[q] = queries_.finite[i] ? least_score(encoder_, limits_.limit(rows_[q]), own_[q].error,
                                                  cell_->error, queries_.code_error[i],
                                                  cell_->code_error, queries_.code_square[i])
                                    : kKeepNone;
  }

  Bounds bounds(int q, int32_t row, int32_t dot) const {
    const RowBound& sample = samples_.bounds[static_cast<size_t>(row)];
    const Query& query = own_[q];
    const int32_t square = byte_square(query.square, query.sum, sample.square, dot);
    return byte_bounds(square, encoder_.grid.step, query.error, sample.error);
  }

  void dots(int q, const int32_t* rows, int count, int32_t* out) const {
    encoder_.kernels->dots(queries_.row(rows_[q]),
                           reinterpret_cast<const int8_t*>(samples_.bytes.get()), rows, count,
                           samples_.width, out);
  }

  // A first limit for every query, from some rows of the nearest cell: a scan without one would
  // keep all of the cell. They are met again, as all rows are.
  void seed(const Cells::Cell& cell) {
    const int64_t places = (cell.end_tile - cell.first_tile) * kTileSamples;
    const int64_t wanted = std::max<int64_t>(places / kTileSamples, 2 * limits_.neighbours());
    std::vector<int32_t> rows;
    for (int64_t i = 0; i < places; i += std::max<int64_t>(1, places / wanted)) {
      const int32_t row = cells_.rows[static_cast<size_t>(cell.first_tile * kTileSamples + i)];
      if (row >= 0) rows.push_back(row);
    }
    const auto count = static_cast<int>(rows.size());
    std::vector<int32_t> out(rows.size());
    std::vector<float> uppers(rows.size());
    for (int q = 0; q < count_; ++q) {
      if (!queries_.finite[index(q)]) continue;
      dots(q, rows.data(), count, out.data());
      for (size_t i = 0; i < rows.size(); ++i) uppers[i] = bounds(q, rows[i], out[i]).upper;
      limits_.cap(rows_[q], uppers.data(), count);
    }
  }

  void meet(int64_t tile, int panel) {
    uint32_t hits[kPanelQueries];
    const auto place = static_cast<size_t>(tile * kTileSamples);
    uint32_t any =
        encoder_.kernels->scan(panels_ + panel * kPanelBytes, &cells_.tiles[place * kCodes],
                               &cells_.offsets[place], scores_ + panel * kPanelQueries, hits);
    for (; any != 0; any &= any - 1) {
      const int i = __builtin_ctz(any);
      for (uint32_t rest = hits[i]; rest != 0; rest &= rest - 1) {
        const int32_t row = cells_.rows[place + static_cast<size_t>(__builtin_ctz(rest))];
        if (row >= 0) hold(panel * kPanelQueries + i, row);
      }
    }
  }

  // Rows wait until the product of bytes is taken of as many as it takes at a time; by then they
  // have come from memory.
  void hold(int q, int32_t row) {
    const uint8_t* bytes = samples_.row(row);
    for (int64_t d = 0; d < samples_.width; d += kCacheLine) __builtin_prefetch(bytes + d);
    held_[q][held_count_[q]++] = row;
    if (held_count_[q] == kTogether) compare(q);
  }

  void compare(int q) {
    int32_t out[kTogether];
    dots(q, held_[q], held_count_[q], out);
    bool fell = false;
    for (int i = 0; i < held_count_[q]; ++i) {
      const int32_t row = held_[q][i];
      const Bounds found = bounds(q, row, out[i]);
      fell |= limits_.offer(rows_[q], found.upper);
      if (found.lower <= limits_.limit(rows_[q])) candidates_.push_back({q, row, found.lower});
    }
    held_count_[q] = 0;
    if (fell) set_score(q);
  }

  const Encoder& encoder_;
  const Encoded& queries_;
  const int32_t* rows_;
  const int count_;
  const Encoded& samples_;
  const Cells& cells_;
  Limits& limits_;
  std::vector<Candidate>& candidates_;
  alignas(64) uint8_t panels_[2 * kPanelBytes];
  int32_t scores_[kLeafQueries];
  Query own_[kLeafQueries];
  const Cells::Cell* cell_ = nullptr;
  int32_t held_[kLeafQueries][kTogether];
  int held_count_[kLeafQueries] = {};
};

}  // namespace

Bounds byte_bounds(int32_t square, float step, float query_error, float sample_error) {
  const float distance = step * std::sqrt(static_cast<float>(square));
  const float slack = query_error + sample_error + 4e-7F * distance;
  const float lower = std::max(0.0F, distance - slack), upper = distance + slack;
  return {lower * lower * (1 - 5 * kUnit), upper * upper * (1 + 3 * kUnit)};
}

int32_t least_score(const Encoder& encoder, double limit, double query_error, double sample_error,
                    double query_code_error, double sample_code_error, int32_t query_square) {
  const double length = (encoder.root * (std::sqrt(limit) + query_error + sample_error) +
                         query_code_error + sample_code_error) /
                        encoder.step;
  const double score = (query_square - length * length * (1 + 1e-9)) / 2;
  return score > -kLargestScore ? static_cast<int32_t>(std::floor(score)) - 1 : kKeepAll;
}

Limits::Limits(int64_t queries, int neighbours, double reach)
    : neighbours_(neighbours),
      reach_(reach),
      uppers_(static_cast<size_t>(queries * neighbours), std::numeric_limits<float>::infinity()),
      limits_(static_cast<size_t>(queries),
              neighbours > 0 ? std::numeric_limits<float>::infinity() : rounded_up(reach)) {}

bool Limits::lower(int64_t query, float kth) {
  const float limit = rounded_up(static_cast<double>(kth) + reach_);
  float& current = limits_[static_cast<size_t>(query)];
  if (!(limit < current)) return false;
  current = limit;
  return true;
}

bool Limits::offer(int64_t query, float upper) {
  if (neighbours_ == 0) return false;
  float* const first = &uppers_[static_cast<size_t>(query * neighbours_)];
  float* const last = first + neighbours_ - 1;
  if (!(upper < *last)) return false;
  float* place = last;
  for (; place > first && place[-1] > upper; --place) *place = place[-1];
  *place = upper;
  return lower(query, *last);
}

void Limits::cap(int64_t query, float* uppers, int count) {
  if (neighbours_ == 0 || count < neighbours_) return;
  std::nth_element(uppers, uppers + neighbours_ - 1, uppers + count);
  lower(query, uppers[neighbours_ - 1]);
}

Cells::Cells(const Encoded& samples) {
  std::vector<int64_t> begins;
  const std::vector<int32_t> order = split_by_medians(samples, kCellSamples, &begins);
  for (size_t c = 0; c + 1 < begins.size(); ++c) {
    const int64_t count = begins[c + 1] - begins[c];
    Cell cell = {};
    cell.first_tile = static_cast<int64_t>(rows.size()) / kTileSamples;
    cell.end_tile = cell.first_tile + (count + kTileSamples - 1) / kTileSamples;
    const auto places = static_cast<size_t>(cell.end_tile * kTileSamples);
    rows.resize(places, -1);
    offsets.resize(places, 0);
    tiles.resize(places * kCodes, 0);
    for (int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(order[static_cast<size_t>(begins[c] + i)]);
      const auto place = static_cast<size_t>(cell.first_tile * kTileSamples + i);
      rows[place] = static_cast<int32_t>(row);
      offsets[place] = samples.score_offset(row);
      int8_t* tile = &tiles[place / kTileSamples * kTileSamples * kCodes];
      const int8_t* code = &samples.codes[row * kCodes];
      for (int k = 0; k < kCodes; ++k) {
        const size_t group = static_cast<size_t>(k / kGroupBytes), within = place % kTileSamples;
        tile[(group * kTileSamples + within) * kGroupBytes + k % kGroupBytes] = code[k];
        cell.centre[k] += static_cast<float>(code[k]) / static_cast<float>(count);
      }
      cell.error = std::max(cell.error, samples.bounds[row].error);
      cell.code_error = std::max(cell.code_error, samples.code_error[row]);
    }
    cells.push_back(cell);
  }
}

void sweep_leaf(const Encoder& encoder, const Encoded& queries, const int32_t* leaf, int count,
                const Encoded& samples, const Cells& cells, Limits* limits,
                std::vector<Candidate>* candidates) {
  Leaf(encoder, queries, leaf, count, samples, cells, limits, candidates).run();
}

}  // namespace gantool::screen
