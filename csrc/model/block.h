// One block of threads in the host model of simt.cuh: its fibers, barriers and collectives.
#pragma once

#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/fiber.h"
#include "model/shadow.h"

namespace gantool::simt {

class Block {
 public:
  static constexpr int kLanes = 32;

  // The block whose fibers run on this thread.
  static Block*& current() {
    static thread_local Block* block = nullptr;
    return block;
  }

  explicit Block(int threads) : threads_(static_cast<std::size_t>(threads)) {
    if (threads <= 0 || threads > 1024 || threads % kLanes != 0) {
      throw ModelError("a block has 32, 64, ... or 1024 threads, not " + std::to_string(threads));
    }
    warps_.resize(threads_.size() / kLanes);
    for (Thread& thread : threads_) thread.context = std::make_unique<Context>(&Block::enter);
  }

  // Runs `body` in every thread. Throws what a thread threw, or ModelError when threads wait for
  // ones that never come.
  void run(int64_t index, int64_t count, int shared_bytes, const std::function<void()>& body) {
    index_ = index;
    count_ = count;
    body_ = &body;
    memory_.reset(shared_bytes);
    block_epoch_ = 0;
    waiting_at_barrier_ = 0;
    failure_ = nullptr;
    for (Warp& warp : warps_) warp = Warp{};
    for (Thread& thread : threads_) {
      thread.context->restart(&Block::enter);
      thread.state = State::kReady;
      thread.copies.clear();
      thread.groups.clear();
    }
    Block* const outer = current();
    current() = this;
    schedule();
    current() = outer;
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  int thread() const { return running_; }
  int64_t index() const { return index_; }
  int64_t count() const { return count_; }
  ShadowedMemory& memory() { return memory_; }

  Access access() const {
    const int warp = running_ / kLanes;
    return {running_, warp, block_epoch_, warps_[static_cast<std::size_t>(warp)].epoch};
  }

  void barrier() {
    if (++waiting_at_barrier_ == static_cast<int>(threads_.size())) {
      waiting_at_barrier_ = 0;
      ++block_epoch_;
      for (Thread& thread : threads_) thread.state = State::kReady;
      return;
    }
    wait(State::kAtBarrier);
  }

  void warp_barrier() {
    collective("warp_barrier", nullptr, [this](void* const*) {
      ++warps_[static_cast<std::size_t>(running_ / kLanes)].epoch;
    });
  }

  // Waits until every lane of the warp is here with its argument; the last one to come runs
  // `operation` on all of them.
  template <class Operation>
  void collective(const char* name, void* argument, const Operation& operation) {
    const int first = running_ / kLanes * kLanes;
    Warp& warp = warps_[static_cast<std::size_t>(first / kLanes)];
    if (warp.arrived > 0 && std::strcmp(warp.name, name) != 0) {
      throw ModelError(std::string("lanes of one warp are at ") + warp.name + " and at " + name);
    }
    warp.name = name;
    warp.arguments[running_ - first] = argument;
    if (++warp.arrived == kLanes) {
      warp.arrived = 0;
      operation(static_cast<void* const*>(warp.arguments));
      for (int lane = 0; lane < kLanes; ++lane) {
        threads_[static_cast<std::size_t>(first + lane)].state = State::kReady;
      }
      return;
    }
    wait(State::kAtCollective);
  }

  void begin_copy(int offset, const void* source, bool valid) {
    memory_.begin_copy(offset, 16, access());
    running().copies.push_back({offset, valid ? source : nullptr});
  }

  void commit_copies() { running().groups.push_back(running().copies.size()); }

  // Lands every committed group but the last `under_way`: only now do the bytes arrive.
  void wait_for_copies(int under_way) {
    Thread& thread = running();
    const auto keep = static_cast<std::size_t>(under_way);
    if (thread.groups.size() <= keep) return;
    const std::size_t landing = thread.groups.size() - keep;
    const std::size_t end = thread.groups[landing - 1];
    for (std::size_t i = 0; i < end; ++i) {
      const unsigned char zeros[16] = {};
      const Copy& copy = thread.copies[i];
      memory_.land_copy(copy.offset, 16, access(), copy.source == nullptr ? zeros : copy.source);
    }
    thread.copies.erase(thread.copies.begin(), thread.copies.begin() + static_cast<long>(end));
    thread.groups.erase(thread.groups.begin(), thread.groups.begin() + static_cast<long>(landing));
    for (std::size_t& group : thread.groups) group -= end;
  }

 private:
  enum class State { kReady, kAtBarrier, kAtCollective, kDone };
  struct Copy {
    int offset;
    const void* source;  // null for zeros
  };
  struct Thread {
    std::unique_ptr<Context> context;
    State state = State::kDone;
    std::vector<Copy> copies;         // begun, not landed
    std::vector<std::size_t> groups;  // where each committed group ends in `copies`
  };
  struct Warp {
    const char* name = nullptr;
    int arrived = 0;
    uint32_t epoch = 0;
    void* arguments[kLanes] = {};
  };

  Thread& running() { return threads_[static_cast<std::size_t>(running_)]; }

  static void enter() {
    Block& block = *current();
    block.running().context->arrived(&block.caller_);
    try {
      (*block.body_)();
    } catch (...) {
      block.failure_ = std::current_exception();
    }
    block.running().state = State::kDone;
    block.running().context->switch_to(block.caller_, true);
  }

  void wait(State state) {
    running().state = state;
    running().context->switch_to(caller_);
  }

  // Runs the threads in turn until all have ended or one has failed; the fibers of a failed block
  // are simply left where they stand (a kernel owns nothing that a destructor would release).
  void schedule() {
    const int count = static_cast<int>(threads_.size());
    int idle = 0;
    for (running_ = 0; idle < count; running_ = (running_ + 1) % count) {
      if (running().state != State::kReady) {
        ++idle;
        continue;
      }
      idle = 0;
      caller_.switch_to(*running().context);
      if (failure_ != nullptr) return;
    }
    for (const Thread& thread : threads_) {
      if (thread.state == State::kDone) continue;
      failure_ = std::make_exception_ptr(ModelError(
          thread.state == State::kAtBarrier ? "a block barrier that not every thread reaches"
                                            : "a warp collective that not every lane reaches"));
      return;
    }
  }

  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  ShadowedMemory memory_;
  Context caller_;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr failure_;
  int64_t index_ = 0;
  int64_t count_ = 0;
  int running_ = 0;
  uint32_t block_epoch_ = 0;
  int waiting_at_barrier_ = 0;
};

}  // namespace gantool::simt
