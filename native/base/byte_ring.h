// A ring of records (each a length and bytes) from one writer thread to one reader thread. A record
// that does not fit is refused, never waited for: the writer counts it and goes on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "base/cache_line.h"

namespace sluice {

class ByteRing {
 public:
  /// `capacity` is a power of two. Without memory the ring refuses everything.
  explicit ByteRing(std::size_t capacity) noexcept
      : bytes_(new (std::nothrow) char[capacity]), capacity_(bytes_ ? capacity : 0) {}

  /// Writer only. `tag` travels with the record (which file it is for).
  [[nodiscard]] bool push(std::uint16_t tag, std::string_view record) noexcept {
    const std::size_t need = kHeader + record.size();
    const std::size_t head = head_.load(std::memory_order_relaxed);
    // Acquire: the reader has finished with the bytes that it gave back.
    if (need > capacity_ - (head - tail_.load(std::memory_order_acquire)) ||
        record.size() > 0xffff) {
      return false;
    }
    char header[kHeader];
    const auto length = static_cast<std::uint16_t>(record.size());
    std::memcpy(header, &tag, 2);
    std::memcpy(header + 2, &length, 2);
    put(head, {header, kHeader});
    put(head + kHeader, record);
    // Release: the record is whole before the reader sees it.
    head_.store(head + need, std::memory_order_release);
    return true;
  }

  /// Reader only. Copies the next record into `into` (64 KiB); returns false when there is none.
  [[nodiscard]] bool pop(std::uint16_t& tag, std::span<char> into, std::size_t& length) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    // Acquire: pairs with the writer's release.
    if (head_.load(std::memory_order_acquire) == tail) {
      return false;
    }
    char header[kHeader];
    get(tail, {header, kHeader});
    std::uint16_t size = 0;
    std::memcpy(&tag, header, 2);
    std::memcpy(&size, header + 2, 2);
    length = size;
    get(tail + kHeader, into.first(length));
    // Release: the bytes have been copied before the writer may overwrite them.
    tail_.store(tail + kHeader + length, std::memory_order_release);
    return true;
  }

  [[nodiscard]] std::size_t used() const noexcept {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kHeader = 4;

  void put(std::size_t at, std::string_view from) noexcept {
    const std::size_t offset = at & (capacity_ - 1);
    const std::size_t first = from.size() < capacity_ - offset ? from.size() : capacity_ - offset;
    std::memcpy(bytes_.get() + offset, from.data(), first);
    std::memcpy(bytes_.get(), from.data() + first, from.size() - first);
  }
  void get(std::size_t at, std::span<char> into) const noexcept {
    const std::size_t offset = at & (capacity_ - 1);
    const std::size_t first = into.size() < capacity_ - offset ? into.size() : capacity_ - offset;
    std::memcpy(into.data(), bytes_.get() + offset, first);
    std::memcpy(into.data() + first, bytes_.get(), into.size() - first);
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_;
  /// Written by the writer, read by both.
  alignas(kCacheLine) std::atomic<std::size_t> head_{0};
  /// Written by the reader, read by both.
  alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
};

} // namespace sluice
