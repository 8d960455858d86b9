// Bytes that are read here and there: they begin with a line of a cache, and where there are many of
// them the kernel is asked for large pages, so that a read seldom has to look its page up as well.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "base/cache_line.h"

namespace sluice {

template<typename T>
class LargeAllocator {
 public:
  using value_type = T;

  LargeAllocator() = default;
  template<typename U>
  explicit LargeAllocator(const LargeAllocator<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t size = count * sizeof(T);
    void* const place = ::operator new(size, alignmentOf(size));
    if (isLarge(size)) {
      // Where the kernel has none, small ones do.
      static_cast<void>(::madvise(place, size, MADV_HUGEPAGE));
    }
    return static_cast<T*>(place);
  }
  void deallocate(T* place, std::size_t count) noexcept {
    ::operator delete(place, alignmentOf(count * sizeof(T)));
  }
  friend bool operator==(const LargeAllocator& /*a*/, const LargeAllocator& /*b*/) noexcept {
    return true;
  }

 private:
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  /// What a page may waste is then no more than half of it.
  static constexpr bool isLarge(std::size_t size) noexcept { return size >= 2 * kPage; }
  static constexpr std::align_val_t alignmentOf(std::size_t size) noexcept {
    return std::align_val_t{isLarge(size) ? kPage : kCacheLine};
  }
};

using LargeBytes = std::vector<std::uint8_t, LargeAllocator<std::uint8_t>>;

} // namespace sluice
