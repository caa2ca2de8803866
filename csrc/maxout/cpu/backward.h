// The maxout backward pass over winners, written once for every vector width.
//
//   grad_x[b, :]         = sum_u g[b, u] weight[u, winner[b, u], :]
//   grad_weight[u, p, :] = sum_{b : winner[b, u] = p} g[b, u] x[b, :]
//
// Each is a sum of scaled rows, so the work is bound by loading rows: one load a multiply-add.
// Columns are taken in chunks of at most eight vectors, whose sums stay in registers; rows are
// tiled so that what is loaded again and again (the weights of a few units; the inputs of a few
// rows) stays in L1.
//
// The including file sets its instruction set by a target pragma, and kLanes, before this header;
// everything here is in its anonymous namespace, so that no other file can pick up its code.
// No include stands here: a standard function compiled under the pragma could be linked elsewhere.

namespace gantool {
namespace {

typedef float Floats __attribute__((vector_size(kLanes * 4)));

constexpr int kMaxVectors = 8;  // sums in registers: half of AVX2's sixteen
constexpr int64_t kChunkColumns = kMaxVectors * kLanes;
constexpr int64_t kRowTile = 32;                 // rows of grad_x summed together
constexpr int64_t kBatchTile = 64;               // rows of x summed into a weight tile
constexpr int64_t kWeightTileBytes = 20 * 1024;  // weights of a unit tile within one chunk
constexpr int64_t kGradTileFloats = 32 * 1024;   // grad_weight of a unit tile: 128 KB

inline Floats load_floats(const float* from) {
  Floats value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

// One scaled row of a sum: which row, and by how much.
struct Term {
  int32_t row;
  float scale;
};

// The same columns of many rows: whole vectors, or the last columns that do not fill one.
struct Chunk {
  int64_t begin;
  int64_t columns;
  int vectors;  // 0 for the last columns
};

// Calls body(chunk) over `columns` columns, in chunks as even as they come: 49 vectors are 7 times
// 7 rather than 6 times 8 and a slow single one.
template <typename Body>
inline void for_each_chunk(int64_t columns, const Body& body) {
  const int64_t vectors = columns / kLanes;
  const int64_t chunks = (vectors + kMaxVectors - 1) / kMaxVectors;
  for (int64_t i = 0; i < chunks; ++i) {
    const int64_t begin = vectors * i / chunks, end = vectors * (i + 1) / chunks;
    body(Chunk{begin * kLanes, (end - begin) * kLanes, static_cast<int>(end - begin)});
  }
  const int64_t tail = columns - vectors * kLanes;
  if (tail > 0) body(Chunk{vectors * kLanes, tail, 0});
}

// sum[0, V vectors) += sum over terms of scale * rows[row * stride + ...], in registers.
template <int V>
inline void add_terms(float* sum, const Term* terms, int64_t count, const float* rows,
                      int64_t stride) {
  Floats total[V];
  for (int v = 0; v < V; ++v) total[v] = load_floats(sum + v * kLanes);
  for (int64_t t = 0; t < count; ++t) {
    const float* row = rows + terms[t].row * stride;
    const float scale = terms[t].scale;
    for (int v = 0; v < V; ++v) total[v] += scale * load_floats(row + v * kLanes);
  }
  __builtin_memcpy(sum, total, sizeof total);
}

inline void add_terms(const Chunk& chunk, float* sum, const Term* terms, int64_t count,
                      const float* rows, int64_t stride) {
  rows += chunk.begin;
  switch (chunk.vectors) {
    case 1:
      return add_terms<1>(sum, terms, count, rows, stride);
    case 2:
      return add_terms<2>(sum, terms, count, rows, stride);
    case 3:
      return add_terms<3>(sum, terms, count, rows, stride);
    case 4:
      return add_terms<4>(sum, terms, count, rows, stride);
    case 5:
      return add_terms<5>(sum, terms, count, rows, stride);
    case 6:
      return add_terms<6>(sum, terms, count, rows, stride);
    case 7:
      return add_terms<7>(sum, terms, count, rows, stride);
    case 8:
      return add_terms<8>(sum, terms, count, rows, stride);
  }
  for (int64_t t = 0; t < count; ++t) {
    const float* row = rows + terms[t].row * stride;
    for (int64_t c = 0; c < chunk.columns; ++c) sum[c] += terms[t].scale * row[c];
  }
}

inline int64_t clamp_tile(int64_t size, int64_t limit) {
  return size < 1 ? 1 : size > limit ? limit : size;
}

// grad_x of the rows [begin, end).
void input_gradient(const MaxoutShape& shape, const MaxoutBackward& arguments, int64_t begin,
                    int64_t end) {
  const int64_t units = shape.units, pieces = shape.pieces, inputs = shape.inputs;
  const int64_t unit_bytes = pieces * kChunkColumns * int64_t{sizeof(float)};
  const int64_t unit_tile = clamp_tile(kWeightTileBytes / unit_bytes, units);
  std::vector<Term> terms(kRowTile * units);
  for (int64_t first = begin; first < end; first += kRowTile) {
    const int64_t rows = clamp_tile(end - first, kRowTile);
    for (int64_t i = 0; i < rows * units; ++i) {
      const int64_t at = first * units + i;
      const int64_t piece = i % units * pieces + arguments.winner[at];
      terms[i] = {static_cast<int32_t>(piece), arguments.grad_out[at]};
    }
    float* grad_x = arguments.grad_x + first * inputs;
    for (int64_t i = 0; i < rows * inputs; ++i) grad_x[i] = 0.0f;
    for_each_chunk(inputs, [&](const Chunk& chunk) {
      for (int64_t unit = 0; unit < units; unit += unit_tile) {
        const int64_t count = clamp_tile(units - unit, unit_tile);
        for (int64_t r = 0; r < rows; ++r) {
          add_terms(chunk, grad_x + r * inputs + chunk.begin, &terms[r * units + unit], count,
                    arguments.weight, inputs);
        }
      }
    });
  }
}

// The terms of a unit's pieces from the batch rows [first, first + rows), sorted by piece:
// those of piece p are terms[starts[p], starts[p + 1]).
void sort_by_winner(const MaxoutShape& shape, const MaxoutBackward& arguments, int64_t unit,
                    int64_t first, int64_t rows, Term* terms, int32_t* starts) {
  int32_t next[kMaxoutMaxPieces] = {};
  for (int64_t r = 0; r < rows; ++r) ++next[arguments.winner[(first + r) * shape.units + unit]];
  starts[0] = 0;
  for (int64_t p = 0; p < shape.pieces; ++p) {
    starts[p + 1] = starts[p] + next[p];
    next[p] = starts[p];
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = (first + r) * shape.units + unit;
    terms[next[arguments.winner[at]]++] = {static_cast<int32_t>(first + r), arguments.grad_out[at]};
  }
}

// grad_weight of the units [begin, end).
void weight_gradient(const MaxoutShape& shape, const MaxoutBackward& arguments, int64_t begin,
                     int64_t end) {
  const int64_t pieces = shape.pieces, inputs = shape.inputs;
  const int64_t unit_floats = clamp_tile(pieces * inputs, kGradTileFloats);
  const int64_t unit_tile = clamp_tile(kGradTileFloats / unit_floats, end - begin);
  std::vector<Term> terms(unit_tile * kBatchTile);
  std::vector<int32_t> starts(unit_tile * (pieces + 1));
  for (int64_t unit = begin; unit < end; unit += unit_tile) {
    const int64_t count = clamp_tile(end - unit, unit_tile);
    float* grad_weight = arguments.grad_weight + unit * pieces * inputs;
    for (int64_t i = 0; i < count * pieces * inputs; ++i) grad_weight[i] = 0.0f;
    for (int64_t first = 0; first < shape.batch; first += kBatchTile) {
      const int64_t rows = clamp_tile(shape.batch - first, kBatchTile);
      for (int64_t u = 0; u < count; ++u) {
        sort_by_winner(shape, arguments, unit + u, first, rows, &terms[u * kBatchTile],
                       &starts[u * (pieces + 1)]);
      }
      for_each_chunk(inputs, [&](const Chunk& chunk) {
        for (int64_t i = 0; i < count * pieces; ++i) {
          const int32_t* start = &starts[i / pieces * (pieces + 1) + i % pieces];
          add_terms(chunk, grad_weight + i * inputs + chunk.begin,
                    &terms[i / pieces * kBatchTile] + start[0], start[1] - start[0], arguments.x,
                    arguments.x_stride);
        }
      });
    }
  }
}

// The whole backward pass on the caller's threads: rows for grad_x, units for grad_weight.
void backward(const MaxoutShape& shape, const MaxoutBackward& arguments, const Threads& threads) {
  if (arguments.grad_x != nullptr) {
    threads.run(shape.batch, kRowTile / 4,
                [&](int64_t begin, int64_t end) { input_gradient(shape, arguments, begin, end); });
  }
  if (arguments.grad_weight != nullptr) {
    threads.run(shape.units, 8,
                [&](int64_t begin, int64_t end) { weight_gradient(shape, arguments, begin, end); });
  }
}

}  // namespace
}  // namespace gantool
