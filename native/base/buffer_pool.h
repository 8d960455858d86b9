// Buffers for bytes that could not be passed on at once. A connection takes one when it must keep
// something and gives it back as soon as it is empty, so an idle connection holds none. Three
// sizes; freed buffers are kept for reuse up to a bound. Owned by one worker; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/slab.h"

namespace sluice {

class BufferPool {
 public:
  static constexpr std::array<std::size_t, 4> kSizes{2048, 8192, 36864, 135168};
  static constexpr std::size_t kLargest = kSizes.back();
  static constexpr std::array<std::size_t, 4> kKeep{4096, 512, 128, 32};

  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool() {
    for (std::size_t i = 0; i < kSizes.size(); ++i) {
      while (free_[i] != nullptr) {
        std::free(pop(i));
      }
    }
  }

  /// Null when `size` exceeds kLargest or memory is out.
  [[nodiscard]] char* take(std::size_t size, std::size_t& capacity) noexcept {
    const std::size_t i = classOf(size);
    if (i == kSizes.size()) {
      return nullptr;
    }
    capacity = kSizes[i];
    return static_cast<char*>(free_[i] != nullptr ? pop(i) : std::malloc(kSizes[i]));
  }

  void give(char* buffer, std::size_t capacity) noexcept {
    const std::size_t i = classOf(capacity);
    if (kept_[i] >= kKeep[i]) {
      std::free(buffer);
      return;
    }
    void* place = buffer;
    auto* link = static_cast<Link*>(place);
    link->next = free_[i];
    free_[i] = link;
    ++kept_[i];
    SLUICE_POISON(buffer, capacity);
  }

 private:
  struct Link {
    Link* next;
  };

  static std::size_t classOf(std::size_t size) noexcept {
    std::size_t i = 0;
    while (i < kSizes.size() && kSizes[i] < size) {
      ++i;
    }
    return i;
  }

  void* pop(std::size_t i) noexcept {
    Link* link = free_[i];
    SLUICE_UNPOISON(link, kSizes[i]);
    free_[i] = link->next;
    --kept_[i];
    return link;
  }

  std::array<Link*, kSizes.size()> free_{};
  std::array<std::size_t, kSizes.size()> kept_{};
};

/// A queue of bytes in one pooled buffer, which it holds only while it is not empty.
class ByteQueue {
 public:
  ByteQueue() = default;
  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;
  ~ByteQueue() = default;

  [[nodiscard]] bool isEmpty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_ + begin_, end_ - begin_}; }

  /// False when memory is out or more than BufferPool::kLargest would be held; nothing is taken
  /// then.
  [[nodiscard]] bool append(BufferPool& pool, std::string_view bytes) noexcept {
    if (bytes.empty()) {
      return true;
    }
    if (!makeRoom(pool, bytes.size())) {
      return false;
    }
    std::memcpy(data_ + end_, bytes.data(), bytes.size());
    end_ += static_cast<unsigned>(bytes.size());
    return true;
  }

  void consume(BufferPool& pool, std::size_t n) noexcept {
    begin_ += static_cast<unsigned>(n);
    if (begin_ == end_) {
      clear(pool);
    }
  }

  void clear(BufferPool& pool) noexcept {
    if (data_ != nullptr) {
      pool.give(data_, capacity_);
    }
    data_ = nullptr;
    capacity_ = begin_ = end_ = 0;
  }

  /// Takes over what the other holds; this one must be empty.
  void adopt(ByteQueue& other) noexcept {
    data_ = std::exchange(other.data_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0U);
    begin_ = std::exchange(other.begin_, 0U);
    end_ = std::exchange(other.end_, 0U);
  }

 private:
  bool makeRoom(BufferPool& pool, std::size_t n) noexcept {
    if (capacity_ - end_ >= n) {
      return true;
    }
    if (data_ != nullptr && capacity_ - size() >= n) {
      std::memmove(data_, data_ + begin_, size());
      end_ -= begin_;
      begin_ = 0;
      return true;
    }
    std::size_t capacity = 0;
    char* bigger = pool.take(size() + n, capacity);
    if (bigger == nullptr) {
      return false;
    }
    const unsigned held = end_ - begin_;
    if (data_ != nullptr) {
      std::memcpy(bigger, data_ + begin_, held);
      pool.give(data_, capacity_);
    }
    data_ = bigger;
    capacity_ = static_cast<unsigned>(capacity);
    begin_ = 0;
    end_ = held;
    return true;
  }

  char* data_ = nullptr;
  unsigned capacity_ = 0;
  unsigned begin_ = 0;
  unsigned end_ = 0;
};

} // namespace sluice
