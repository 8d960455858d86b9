// Text that ends exactly where the next page cannot be read: a parser that looks one byte too far
// dies here.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sluice::test {

class Guarded {
 public:
  explicit Guarded(std::string_view text) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t pages = (text.size() + page - 1) / page + 1;
    size_ = pages * page;
    base_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      std::abort();
    }
    char* end = static_cast<char*>(base_) + size_ - page;
    ::mprotect(end, page, PROT_NONE);
    text_ = {end - text.size(), text.size()};
    if (!text.empty()) {
      std::memcpy(end - text.size(), text.data(), text.size());
    }
  }
  ~Guarded() { ::munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
  std::string_view text_;
};

} // namespace sluice::test
