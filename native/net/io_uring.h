// The kernel's io_uring by raw system calls: requests queued in shared memory, handed over together
// by one call that also waits, and completions read from shared memory; and the ring of buffers
// from which the kernel takes one for each receive. Knows nothing of streams.
//
// Used by the thread that opens it alone, which closes it too (IORING_SETUP_SINGLE_ISSUER). The
// kernel works for it only within submitAndWait() and settle() (IORING_SETUP_DEFER_TASKRUN), so in
// between nothing is received and no completion comes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

struct io_uring_cqe;
struct io_uring_sqe;
struct io_uring_buf_ring;

namespace sluice::net {

/// What became of a request, or, where more is to come, the next part of it.
struct Completion {
  static constexpr std::int32_t kNoBuffer = -1;

  std::uint64_t tag = 0;
  /// As a system call returns it: negative is an error's number.
  std::int32_t result = 0;
  std::int32_t buffer = kNoBuffer;
  /// False on the last one of a request.
  bool hasMore = false;
};

struct RingSizes {
  /// Requests that one submission holds; a power of two.
  std::uint32_t requests = 512;
  std::uint32_t completions = 4096;
  /// A power of two.
  std::uint32_t buffers = 256;
  std::uint32_t bufferBytes = 32 * 1024;
};

class IoUring {
 public:
  /// Null where the kernel is too old or forbids it; `problem` then says what failed.
  [[nodiscard]] static std::unique_ptr<IoUring> open(const RingSizes& sizes,
                                                     std::string& problem) noexcept;
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  ~IoUring();

  // Queue a request. False when the queue is full: submit() first.

  /// Sends without waiting, and completes only if not all of it was taken: at once, before any
  /// completion of what the kernel does later. The bytes may change once they were submitted.
  [[nodiscard]] bool send(int fd, std::string_view bytes, std::uint64_t tag) noexcept;
  /// Receives into the ring's buffers until it is cancelled, ends or finds no buffer.
  [[nodiscard]] bool receive(int fd, std::uint64_t tag) noexcept;
  /// Tells of poll(2)'s events: once, or at every change until cancelled.
  [[nodiscard]] bool poll(int fd, std::uint32_t events, bool isRepeated,
                          std::uint64_t tag) noexcept;
  /// The request with tag `of` completes, cancelled or not; a completion of `tag` means nothing.
  [[nodiscard]] bool cancel(std::uint64_t of, std::uint64_t tag) noexcept;

  /// Hands over what is queued.
  void submit() noexcept;
  /// And lets the kernel finish what it can without waiting.
  void settle() noexcept;
  /// And waits for a completion; `timeoutMs`: 0 = does not wait, -1 = however long it takes.
  /// Where the kernel can do that (Linux 6.12) it lets completions gather for so many microseconds
  /// and then returns, without a timeout even if there is none.
  void submitAndWait(int timeoutMs, std::uint32_t gatherUs = 0) noexcept;

  /// The tag of a request that the kernel had no memory to take, which is thereby given up. False
  /// when there is none; to be asked after each submission.
  [[nodiscard]] bool takeRefused(std::uint64_t& tag) noexcept;

  /// Completions that wait.
  [[nodiscard]] std::uint32_t ready() const noexcept {
    return completionTail_->load(std::memory_order_acquire) - completionHead_;
  }
  /// The one `at` places behind the first that waits.
  [[nodiscard]] Completion peek(std::uint32_t at) const noexcept;
  [[nodiscard]] Completion take() noexcept;

  /// A buffer that a completion brought, which is then given back.
  [[nodiscard]] const char* buffer(std::int32_t number) const noexcept {
    return buffers_ + static_cast<std::size_t>(number) * bufferStride_;
  }
  void giveBack(std::int32_t number) noexcept;
  [[nodiscard]] std::uint32_t bufferBytes() const noexcept { return bufferBytes_; }

 private:
  /// A piece of memory that is shared with the kernel.
  struct Mapping {
    void* start = nullptr;
    std::size_t bytes = 0;
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping();
    [[nodiscard]] bool map(std::size_t size, int flags, int fd, std::int64_t offset) noexcept;
  };

  IoUring() = default;
  /// The name of the call that failed, with errno set, or null.
  [[nodiscard]] const char* setUp(const RingSizes& sizes) noexcept;
  [[nodiscard]] const char* setUpBuffers(const RingSizes& sizes) noexcept;
  [[nodiscard]] io_uring_sqe* next() noexcept;
  void registerDescriptor() noexcept;
  int enter(unsigned flags, int timeoutMs, std::uint32_t gatherUs = 0) noexcept;

  UniqueFd fd_;
  Mapping rings_;
  Mapping requestMemory_;
  Mapping bufferRingMemory_;
  Mapping bufferMemory_;

  std::atomic<std::uint32_t>* submissionHead_ = nullptr;
  std::atomic<std::uint32_t>* submissionTail_ = nullptr;
  io_uring_sqe* requests_ = nullptr;
  std::uint32_t requestCount_ = 0;
  /// Queued so far; the kernel's head is how many of them it has taken.
  std::uint32_t queued_ = 0;

  std::atomic<std::uint32_t>* completionHeadShared_ = nullptr;
  std::atomic<std::uint32_t>* completionTail_ = nullptr;
  io_uring_cqe* completions_ = nullptr;
  std::uint32_t completionMask_ = 0;
  std::uint32_t completionHead_ = 0;

  io_uring_buf_ring* bufferRing_ = nullptr;
  std::uint32_t bufferMask_ = 0;
  std::uint16_t bufferTail_ = 0;
  char* buffers_ = nullptr;
  std::uint32_t bufferBytes_ = 0;
  std::size_t bufferStride_ = 0;

  /// The descriptor's number for enter(): as registered, or the descriptor itself.
  int enterFd_ = -1;
  unsigned enterFlags_ = 0;
  bool canGather_ = false;
};

} // namespace sluice::net
