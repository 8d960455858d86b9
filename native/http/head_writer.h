// Appends to a caller's buffer and never writes past its end: what does not fit sets a flag, once,
// for all that follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice::http {

class HeadWriter {
 public:
  explicit HeadWriter(std::span<char> out) noexcept : out_(out.data()), capacity_(out.size()) {}

  void append(std::string_view text) noexcept {
    if (text.size() > capacity_ - size_) {
      hasOverflowed_ = true;
      capacity_ = size_;
      return;
    }
    if (!text.empty()) {
      std::memcpy(out_ + size_, text.data(), text.size());
      size_ += text.size();
    }
  }
  void append(char c) noexcept { append(std::string_view(&c, 1)); }
  void appendNumber(std::uint64_t value) noexcept {
    char digits[20];
    std::size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    append(std::string_view(digits + at, sizeof digits - at));
  }
  void appendField(std::string_view name, std::string_view value) noexcept {
    append(name);
    append(value.empty() ? std::string_view(":") : std::string_view(": "));
    append(value);
    append("\r\n");
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::string_view view() const noexcept { return {out_, size_}; }
  [[nodiscard]] bool hasOverflowed() const noexcept { return hasOverflowed_; }

 private:
  char* out_;
  std::size_t capacity_;
  std::size_t size_ = 0;
  bool hasOverflowed_ = false;
};

} // namespace sluice::http
