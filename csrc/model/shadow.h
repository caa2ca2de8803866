// What the host model of simt.cuh remembers of a block's shared memory, in order to report
//
//   a race          two threads touch one word, at least one writes, and no barrier lies between
//   a missing wait  a word is touched while an asynchronous copy into it may still be under way
//   a blank read    a word is read that nothing has written
//
// whatever order the fibers happen to run in. Time is counted in epochs: a block barrier begins a
// new one for all threads, a warp barrier for its warp. Shuffles, ldmatrix and mma order no memory
// and begin none.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace gantool::simt {

class ModelError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Who touches a word, and when.
struct Access {
  int thread;
  int warp;
  uint32_t block_epoch;
  uint32_t warp_epoch;
};

class ShadowedMemory {
 public:
  static constexpr int kWordBytes = 4;

  void reset(int bytes) {
    bytes_.assign(static_cast<std::size_t>(bytes + 15) / 16, Chunk{});
    size_ = bytes;
    words_.assign(static_cast<std::size_t>(bytes + kWordBytes - 1) / kWordBytes, Word{});
  }

  void read(int offset, int bytes, const Access& by, void* value) {
    check_range(offset, bytes);
    for (int word = offset / kWordBytes; word < (offset + bytes) / kWordBytes; ++word) {
      note_read(word, by);
    }
    std::memcpy(value, data() + offset, static_cast<std::size_t>(bytes));
  }

  void write(int offset, int bytes, const Access& by, const void* value) {
    check_range(offset, bytes);
    for (int word = offset / kWordBytes; word < (offset + bytes) / kWordBytes; ++word) {
      check_settled(word, by);
      note_write(word, by);
    }
    std::memcpy(data() + offset, value, static_cast<std::size_t>(bytes));
  }

  // An asynchronous copy may write at any time between its beginning and its landing, so both ends
  // count as writes.
  void begin_copy(int offset, int bytes, const Access& by) {
    check_range(offset, bytes);
    for (int word = offset / kWordBytes; word < (offset + bytes) / kWordBytes; ++word) {
      check_settled(word, by);
      note_write(word, by);
      words_[static_cast<std::size_t>(word)].in_flight = true;
    }
  }

  void land_copy(int offset, int bytes, const Access& by, const void* value) {
    for (int word = offset / kWordBytes; word < (offset + bytes) / kWordBytes; ++word) {
      words_[static_cast<std::size_t>(word)].in_flight = false;
      note_write(word, by);
    }
    std::memcpy(data() + offset, value, static_cast<std::size_t>(bytes));
  }

 private:
  struct alignas(16) Chunk {
    unsigned char bytes[16];
  };
  struct Word {
    Access writer{-1, -1, 0, 0};
    Access reader{-1, -1, 0, 0};   // the latest
    bool several_readers = false;  // of one warp, in the reader's warp epoch
    bool several_warps = false;    // in the reader's block epoch
    bool in_flight = false;
  };

  unsigned char* data() { return bytes_.empty() ? nullptr : bytes_.front().bytes; }

  void check_range(int offset, int bytes) const {
    if (offset < 0 || offset + bytes > size_ || offset % (bytes < 16 ? bytes : 16) != 0) {
      throw ModelError("shared memory: " + std::to_string(bytes) + " bytes at offset " +
                       std::to_string(offset) + " lie outside the block's " +
                       std::to_string(size_) + " bytes or are not aligned");
    }
  }

  [[noreturn]] static void report(const char* what, int word, const Access& by, int other) {
    throw ModelError(std::string("shared memory: ") + what + " at byte " +
                     std::to_string(word * kWordBytes) + " by thread " + std::to_string(by.thread) +
                     " and thread " + std::to_string(other));
  }

  static bool ordered(const Access& before, const Access& after) {
    return before.block_epoch != after.block_epoch || before.thread == after.thread ||
           (before.warp == after.warp && before.warp_epoch != after.warp_epoch);
  }

  void check_settled(int index, const Access& by) const {
    const Word& word = words_[static_cast<std::size_t>(index)];
    if (word.in_flight) report("no wait after an asynchronous copy", index, by, word.writer.thread);
  }

  void note_read(int index, const Access& by) {
    Word& word = words_[static_cast<std::size_t>(index)];
    check_settled(index, by);
    if (word.writer.thread < 0) report("blank read", index, by, by.thread);
    if (!ordered(word.writer, by))
      report("no barrier from write to read", index, by, word.writer.thread);
    const Access& last = word.reader;
    if (last.thread < 0 || last.block_epoch != by.block_epoch) {
      word.several_warps = word.several_readers = false;
    } else if (last.warp != by.warp) {
      word.several_warps = true;
    } else if (last.warp_epoch != by.warp_epoch) {
      word.several_readers = false;
    } else if (last.thread != by.thread) {
      word.several_readers = true;
    }
    word.reader = by;
  }

  void note_write(int index, const Access& by) {
    Word& word = words_[static_cast<std::size_t>(index)];
    if (word.writer.thread >= 0 && !ordered(word.writer, by)) {
      report("no barrier from write to write", index, by, word.writer.thread);
    }
    const Access& last = word.reader;
    if (last.thread >= 0 && last.block_epoch == by.block_epoch) {
      const bool same_epoch = last.warp_epoch == by.warp_epoch;
      if (word.several_warps || !ordered(last, by) || (word.several_readers && same_epoch)) {
        report("no barrier from read to write", index, by, last.thread);
      }
    }
    word.writer = by;
  }

  std::vector<Chunk> bytes_;
  std::vector<Word> words_;
  int size_ = 0;
};

}  // namespace gantool::simt
