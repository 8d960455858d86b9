// Result<T> and Status: errors as values. The member names are those of std::expected, which g++ 12
// offers only under C++23, so that it can take over later.
#pragma once

#include <type_traits>
#include <utility>

#include "generated/codes.h"

namespace sluice {

/// What failed; converts to any Result or Status.
struct Unexpected {
  Errc code;
};

template<typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept : value_(std::move(value)) {}
  Result(Unexpected failure) noexcept : code_(failure.code) {}

  [[nodiscard]] bool has_value() const noexcept { return code_ == Errc::None; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Errc error() const noexcept { return code_; }
  T& operator*() noexcept { return value_; }
  const T& operator*() const noexcept { return value_; }
  T* operator->() noexcept { return &value_; }
  const T* operator->() const noexcept { return &value_; }

 private:
  T value_{};
  Errc code_ = Errc::None;
};

class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(Unexpected failure) noexcept : code_(failure.code) {}

  [[nodiscard]] bool has_value() const noexcept { return code_ == Errc::None; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] Errc error() const noexcept { return code_; }

 private:
  Errc code_ = Errc::None;
};

} // namespace sluice
