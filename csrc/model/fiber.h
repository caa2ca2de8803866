// Fibers for the host model of simt.cuh: one for each thread of a block, all on the caller's own
// thread. A switch saves the registers that the calling convention keeps and changes the stack
// (system calls as in swapcontext would dominate the tests); AddressSanitizer and ThreadSanitizer
// are told of every switch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace gantool::simt {

// A place to switch to: the caller's own stack (made by the default constructor) or a fiber's.
class Context {
 public:
  Context() {
#if defined(__SANITIZE_THREAD__)
    tsan_ = __tsan_get_current_fiber();
#endif
  }

  // A fiber that begins in `entry`, which must not return: it ends by switching away for good.
  explicit Context(void (*entry)()) : stack_(new unsigned char[kStackBytes]), size_(kStackBytes) {
#if defined(__SANITIZE_THREAD__)
    tsan_ = __tsan_create_fiber(0);
    owns_tsan_ = true;
#endif
    bottom_ = stack_.get();
    restart(entry);
  }

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ~Context() {
#if defined(__SANITIZE_THREAD__)
    if (owns_tsan_) __tsan_destroy_fiber(tsan_);
#endif
  }

  // Makes a fiber that has ended, or never began, begin in `entry`.
  void restart(void (*entry)()) {
#if defined(__x86_64__)
    // The first switch pops six registers and returns into `entry` with the stack as after a call.
    auto top = (reinterpret_cast<std::uintptr_t>(bottom_) + size_) & ~std::uintptr_t{15};
    auto* slot = reinterpret_cast<std::uintptr_t*>(top) - 2;
    slot[1] = 0;
    slot[0] = reinterpret_cast<std::uintptr_t>(entry);
    for (int i = 1; i <= 6; ++i) slot[-i] = 0;
    saved_ = slot - 6;
#else
    getcontext(&saved_);
    saved_.uc_stack.ss_sp = const_cast<void*>(bottom_);
    saved_.uc_stack.ss_size = size_;
    saved_.uc_link = nullptr;
    makecontext(&saved_, entry, 0);
#endif
  }

  // Leaves `*this` for `target`; comes back when something switches to `*this`.
  void switch_to(Context& target, bool for_good = false) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_, target.bottom_, target.size_);
#else
    static_cast<void>(for_good);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(target.tsan_, 0);
#endif
#if defined(__x86_64__)
    swap_stacks(&saved_, target.saved_);
#else
    swapcontext(&saved_, &target.saved_);
#endif
    arrived(nullptr);
  }

  // Completes a switch on the side that was switched to. A fiber calls it first of all, with the
  // context it came from, whose stack the sanitizer thereby tells us.
  void arrived(Context* from) {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(from == nullptr ? fake_stack_ : nullptr, &bottom, &size);
    if (from != nullptr) {
      from->bottom_ = bottom;
      from->size_ = size;
    }
#else
    static_cast<void>(from);
#endif
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kStackBytes = 256 * 1024;
#else
  static constexpr std::size_t kStackBytes = 64 * 1024;
#endif

#if defined(__x86_64__)
  // void swap_stacks(void** saved, void* target), System V calling convention.
  __attribute__((naked, noinline, no_sanitize("address", "undefined", "thread"))) static void
  swap_stacks(void**, void*) {
    asm volatile(
        "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, (%rdi)\n\tmovq %rsi, %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
  }
  void* saved_ = nullptr;
#else
  ucontext_t saved_ = {};
#endif

  std::unique_ptr<unsigned char[]> stack_;
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack_ = nullptr;
#endif
#if defined(__SANITIZE_THREAD__)
  void* tsan_ = nullptr;
  bool owns_tsan_ = false;
#endif
};

}  // namespace gantool::simt
