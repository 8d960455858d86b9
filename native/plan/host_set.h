// A million names in one piece of memory, read where it lies: the bytes that src/plan/host-set.ts
// lays out and describes. test/vectors/host-set.txt binds both.
//
// Pure, immutable; any thread. Never allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::plan {

class HostSet {
 public:
  /// The empty set.
  HostSet() noexcept = default;

  /// Whether all that has() relies on holds, so that no look-up leaves `bytes` or goes on for ever.
  /// No bytes at all are the empty set.
  [[nodiscard]] static bool isSound(std::span<const std::uint8_t> bytes) noexcept;

  /// Reads `bytes`, which must be sound and outlive the set.
  explicit HostSet(std::span<const std::uint8_t> bytes) noexcept;

  /// Whether `host`, or something that it is below, is in the set. `host` is a name in the form of
  /// policy::parseDestination(): lower-case, no trailing dot.
  [[nodiscard]] bool has(std::string_view host) const noexcept;

  /// Names.
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  [[nodiscard]] bool holds(std::string_view name, std::uint32_t hash,
                           std::uint8_t flag) const noexcept;
  [[nodiscard]] const std::uint8_t* firstBlock(std::uint32_t hash) const noexcept;

  std::span<const std::uint8_t> blocks_;
  std::uint32_t count_ = 0;
  std::uint32_t blockCount_ = 0;
  const std::uint8_t* key_ = nullptr;
  std::uint32_t exactDepths_ = 0;
  std::uint32_t subdomainDepths_ = 0;
};

} // namespace sluice::plan
