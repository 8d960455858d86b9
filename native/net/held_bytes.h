// Bytes that had already been received when nobody wanted them: a queue that grows as it must,
// because the kernel does not take them back. Holds memory only while it is not empty.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace sluice::net {

class HeldBytes {
 public:
  HeldBytes() noexcept = default;
  HeldBytes(HeldBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)),
        begin_(std::exchange(other.begin_, 0)), end_(std::exchange(other.end_, 0)) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    if (this != &other) {
      clear();
      data_ = std::exchange(other.data_, nullptr);
      capacity_ = std::exchange(other.capacity_, 0);
      begin_ = std::exchange(other.begin_, 0);
      end_ = std::exchange(other.end_, 0);
    }
    return *this;
  }
  ~HeldBytes() { clear(); }

  [[nodiscard]] bool isEmpty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_ + begin_, end_ - begin_}; }

  /// False when memory is out; nothing is taken then.
  [[nodiscard]] bool append(std::string_view bytes) noexcept {
    if (bytes.empty()) {
      return true;
    }
    if (capacity_ - end_ < bytes.size() && !grow(bytes.size())) {
      return false;
    }
    std::memcpy(data_ + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
    return true;
  }

  void consume(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) {
      clear();
    }
  }

  void clear() noexcept {
    std::free(data_);
    data_ = nullptr;
    capacity_ = begin_ = end_ = 0;
  }

 private:
  [[nodiscard]] bool grow(std::size_t more) noexcept {
    const std::size_t held = end_ - begin_;
    const std::size_t capacity = (held + more) * 2;
    auto* bigger = static_cast<char*>(std::malloc(capacity));
    if (bigger == nullptr) {
      return false;
    }
    if (held > 0) {
      std::memcpy(bigger, data_ + begin_, held);
    }
    clear();
    data_ = bigger;
    capacity_ = capacity;
    end_ = held;
    return true;
  }

  char* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

} // namespace sluice::net
