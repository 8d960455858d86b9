// Slab<T>: objects of one type from chunks that are never given back while the worker lives, so
// that after warm-up making one costs a pop from a free list. Owned by one worker; not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define SLUICE_POISON(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define SLUICE_UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#else
#define SLUICE_POISON(address, size) static_cast<void>(address)
#define SLUICE_UNPOISON(address, size) static_cast<void>(address)
#endif

namespace sluice {

template<typename T, std::size_t kPerChunk = 64>
class Slab {
 public:
  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (const auto& chunk : chunks_) {
      SLUICE_UNPOISON(chunk.get(), sizeof(Cell) * kPerChunk);
    }
  }

  /// Null when the machine is out of memory: the caller sheds the work.
  template<typename... Args>
  [[nodiscard]] T* make(Args&&... args) noexcept {
    if (free_ == nullptr && !grow()) {
      return nullptr;
    }
    Cell* cell = free_;
    SLUICE_UNPOISON(cell, sizeof(Cell));
    free_ = cell->next;
    ++live_;
    return ::new (static_cast<void*>(cell->bytes)) T(std::forward<Args>(args)...);
  }

  void destroy(T* object) noexcept {
    object->~T();
    void* place = object;
    Cell* cell = static_cast<Cell*>(place);
    cell->next = free_;
    free_ = cell;
    --live_;
    SLUICE_POISON(cell, sizeof(Cell));
  }

  [[nodiscard]] std::size_t live() const noexcept { return live_; }

 private:
  union Cell {
    Cell() noexcept {}
    ~Cell() {}
    Cell* next;
    alignas(T) std::byte bytes[sizeof(T)];
  };

  bool grow() noexcept {
    std::unique_ptr<Cell[]> chunk(new (std::nothrow) Cell[kPerChunk]);
    if (!chunk) {
      return false;
    }
    for (std::size_t i = kPerChunk; i-- > 0;) {
      chunk[i].next = free_;
      free_ = &chunk[i];
    }
    SLUICE_POISON(chunk.get(), sizeof(Cell) * kPerChunk);
    // The order matters to no one: poisoned cells are only read again through make().
    chunks_.push_back(std::move(chunk));
    return true;
  }

  Cell* free_ = nullptr;
  std::size_t live_ = 0;
  std::vector<std::unique_ptr<Cell[]>> chunks_;
};

} // namespace sluice
