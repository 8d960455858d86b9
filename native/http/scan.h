// The vector part of parsing: which bytes of a window cannot be in a token, and which cannot be in
// a value. The parser then only jumps from one set bit to the next. The widest variant that the
// machine has is chosen once, at start; all give the same masks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/assert.h"

namespace sluice::http {

/// Bytes a single call may index, and the words that takes.
inline constexpr std::size_t kScanWindow = 1024;
inline constexpr std::size_t kScanWords = kScanWindow / 64;

/// Bit i of `control`: text[i] is a control other than HTAB (0x00-0x08, 0x0A-0x1F, 0x7F).
/// Bit i of `nonToken`: text[i] is no tchar (RFC 9110 5.6.2). Bits behind the text are 0 in the
/// words it reaches.
using ScanFn = void (*)(std::string_view text, std::uint64_t* control,
                        std::uint64_t* nonToken) noexcept;

struct ScanVariant {
  const char* name;
  ScanFn scan;
};

/// What this machine can run, scalar first, widest last.
[[nodiscard]] std::span<const ScanVariant> scanVariants() noexcept;
/// The last of them.
[[nodiscard]] ScanFn fastestScan() noexcept;

[[nodiscard]] bool isTokenChar(char c) noexcept;
[[nodiscard]] bool isToken(std::string_view text) noexcept;

/// Finds the next byte of either kind at or behind a position, which may not lie before the last
/// one found.
class HeadIndex {
 public:
  explicit HeadIndex(std::string_view text) noexcept : text_(text) {}
  HeadIndex(const HeadIndex&) = delete;
  HeadIndex& operator=(const HeadIndex&) = delete;

  /// text.size() when there is none.
  [[nodiscard]] std::size_t nextControl(std::size_t from) noexcept { return next(control_, from); }
  [[nodiscard]] std::size_t nextNonToken(std::size_t from) noexcept {
    return next(nonToken_, from);
  }

 private:
  [[nodiscard]] std::size_t next(const std::uint64_t* mask, std::size_t from) noexcept {
    while (from < text_.size()) {
      if (from >= end_) {
        load(from);
      }
      SLUICE_ASSERT(from >= begin_);
      const std::size_t offset = from - begin_;
      std::size_t word = offset / 64;
      std::uint64_t bits = mask[word] & (~std::uint64_t{0} << (offset % 64));
      const std::size_t words = (end_ - begin_ + 63) / 64;
      while (bits == 0 && ++word < words) {
        bits = mask[word];
      }
      if (bits != 0) {
        return begin_ + word * 64 + static_cast<std::size_t>(__builtin_ctzll(bits));
      }
      from = end_;
    }
    return text_.size();
  }
  void load(std::size_t from) noexcept;

  std::string_view text_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t control_[kScanWords];
  std::uint64_t nonToken_[kScanWords];
};

/// The first byte at or behind `from` that may not be in a request target (RFC 9112 3.2): a
/// control, a space,
/// '#', or anything beyond ASCII. text.size() when there is none.
[[nodiscard]] std::size_t findTargetEnd(std::string_view text, std::size_t from) noexcept;

/// The first byte at or behind `from` (> 0) that may keep a path from being in normal form: what
/// ends a target,
/// '%', '\\', '?', or a '.' behind a '/'. text.size() when there is none.
[[nodiscard]] std::size_t findPathOddity(std::string_view text, std::size_t from) noexcept;

} // namespace sluice::http
