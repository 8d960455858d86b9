#include "plan/host_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace sluice::plan {
namespace {

constexpr std::uint32_t kMagic = 0x3153'4853;
constexpr std::size_t kHeader = 40;
/// Whatever a slot says, a record is read within the set.
constexpr std::size_t kPadding = 256;
constexpr std::uint32_t kMaxRecordBytes = std::uint32_t{1} << 30;
constexpr std::size_t kMaxName = 253;
constexpr std::uint8_t kExact = 1;
constexpr std::uint8_t kSubdomains = 2;

std::uint32_t wordAt(const std::uint8_t* bytes) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

struct Header {
  std::uint32_t count;
  std::uint32_t slots;
  std::uint32_t offsetBits;
  std::uint32_t key0;
  std::uint32_t key1;
  std::uint32_t recordBytes;
  std::uint32_t exactDepths;
  std::uint32_t subdomainDepths;
};

Header headerOf(const std::uint8_t* bytes) noexcept {
  return {.count = wordAt(bytes + 4),
          .slots = wordAt(bytes + 8),
          .offsetBits = wordAt(bytes + 12),
          .key0 = wordAt(bytes + 16),
          .key1 = wordAt(bytes + 20),
          .recordBytes = wordAt(bytes + 24),
          .exactDepths = wordAt(bytes + 28),
          .subdomainDepths = wordAt(bytes + 32)};
}

/// Masks have a bit for each depth; the last one stands for all that are deeper.
constexpr bool isDepthIn(std::uint32_t depths, std::size_t depth) noexcept {
  return ((depths >> std::min<std::size_t>(depth, 31)) & 1U) != 0;
}

/// A host read from its end, which is how names are hashed.
class Backwards {
 public:
  /// At most kMaxName bytes.
  explicit Backwards(std::string_view host) noexcept : length_(host.size()) {
    const char* const end = host.data() + host.size();
    std::size_t at = 0;
    for (; at + 8 <= length_; at += 8) {
      put(at, end - at - 8, 0);
    }
    if (at < length_ && length_ >= 8) {
      // The beginning once more, of which some is there.
      put(length_ - 8, host.data(), at - (length_ - 8));
    } else {
      for (; at < length_; ++at) {
        bytes_[at] = end[-1 - static_cast<std::ptrdiff_t>(at)];
        if (bytes_[at] == '.') {
          dots_[dotCount_++] = static_cast<std::uint8_t>(at);
        }
      }
    }
  }

  /// How far from the end each dot is.
  [[nodiscard]] std::span<const std::uint8_t> dots() const noexcept {
    return {dots_.data(), dotCount_};
  }
  [[nodiscard]] std::size_t length() const noexcept { return length_; }
  /// Four bytes; beyond the length they mean nothing.
  [[nodiscard]] std::uint32_t wordAt(std::size_t at) const noexcept {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes_.data() + at, sizeof word);
    return word;
  }

 private:
  /// Eight bytes of the host to `at`, of which the first `known` have been looked at.
  void put(std::size_t at, const char* from, std::size_t known) noexcept {
    constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
    constexpr std::uint64_t kLow = 0x7f * kOnes;
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    word = __builtin_bswap64(word);
    std::memcpy(bytes_.data() + at, &word, sizeof word);
    // The upper bit of each byte that is a dot.
    const std::uint64_t others = word ^ ('.' * kOnes);
    std::uint64_t found = ~(((others & kLow) + kLow) | others | kLow);
    for (found &= ~std::uint64_t{0} << (8 * known); found != 0; found &= found - 1) {
      const auto byte = static_cast<std::size_t>(std::countr_zero(found)) / 8;
      dots_[dotCount_++] = static_cast<std::uint8_t>(at + byte);
    }
  }

  std::size_t length_;
  std::size_t dotCount_ = 0;
  /// Written as far as the host is long; read a word further at most.
  std::array<char, kMaxName + 8> bytes_;
  std::array<std::uint8_t, kMaxName + 8> dots_;
};

/// HalfSipHash-1-3 (Aumasson, Bernstein) of what a host ends with, longer and longer.
class SuffixHash {
 public:
  SuffixHash(std::uint32_t key0, std::uint32_t key1) noexcept
      : v0_(key0), v1_(key1), v2_(0x6c79'6765U ^ key0), v3_(0x7465'6462U ^ key1) {}

  /// Of the last `length` bytes, which are no fewer than before.
  [[nodiscard]] std::uint32_t of(const Backwards& host, std::size_t length) noexcept {
    for (; absorbed_ + 4 <= length; absorbed_ += 4) {
      absorb(host.wordAt(absorbed_));
    }
    const std::uint32_t mask = (std::uint32_t{1} << (8 * (length % 4))) - 1;
    SuffixHash last = *this;
    last.absorb((host.wordAt(absorbed_) & mask) | static_cast<std::uint32_t>(length) << 24);
    last.v2_ ^= 0xff;
    last.round();
    last.round();
    last.round();
    return last.v1_ ^ last.v3_;
  }

 private:
  void absorb(std::uint32_t word) noexcept {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }
  void round() noexcept {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 5) ^ v0_;
    v0_ = std::rotl(v0_, 16);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 8) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 7) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v2_;
    v2_ = std::rotl(v2_, 16);
  }

  std::uint32_t v0_;
  std::uint32_t v1_;
  std::uint32_t v2_;
  std::uint32_t v3_;
  std::size_t absorbed_ = 0;
};

/// What a host ends with.
struct Suffix {
  std::uint32_t hash;
  std::uint32_t length;
};

} // namespace

bool HostSet::isSound(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.empty()) {
    return true;
  }
  if (bytes.size() < kHeader + kPadding || wordAt(bytes.data()) != kMagic) {
    return false;
  }
  const Header header = headerOf(bytes.data());
  const std::size_t slotBytes = std::size_t{4} * header.slots;
  if (header.slots == 0 || header.recordBytes > kMaxRecordBytes || header.offsetBits < 1 ||
      header.offsetBits > 31 ||
      bytes.size() != kHeader + slotBytes + header.recordBytes + kPadding) {
    return false;
  }
  // Records: as many as are counted, one behind the other.
  const std::uint8_t* records = bytes.data() + kHeader + slotBytes;
  std::uint32_t count = 0;
  std::size_t at = 0;
  for (; at < header.recordBytes; ++count) {
    const std::size_t length = records[at];
    if (length == 0 || length > kMaxName) {
      return false;
    }
    at += 2 + length;
  }
  if (at != header.recordBytes || count != header.count) {
    return false;
  }
  // Slots: one a record, each to something within the records, and some of them empty, where every
  // search ends.
  const std::uint32_t offsetMask = (std::uint32_t{1} << header.offsetBits) - 1;
  std::uint32_t used = 0;
  for (std::size_t i = 0; i < header.slots; ++i) {
    const std::uint32_t slot = wordAt(bytes.data() + kHeader + 4 * i);
    if (slot == 0) {
      continue;
    }
    const std::uint32_t offset = slot & offsetMask;
    if (offset == 0 || offset > header.recordBytes) {
      return false;
    }
    ++used;
  }
  return used == header.count && used < header.slots;
}

HostSet::HostSet(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.empty()) {
    return;
  }
  const Header header = headerOf(bytes.data());
  slots_ = bytes.data() + kHeader;
  records_ = slots_ + std::size_t{4} * header.slots;
  count_ = header.count;
  slotCount_ = header.slots;
  offsetBits_ = header.offsetBits;
  key0_ = header.key0;
  key1_ = header.key1;
  exactDepths_ = header.exactDepths;
  subdomainDepths_ = header.subdomainDepths;
}

bool HostSet::has(std::string_view host) const noexcept {
  if (count_ == 0 || host.empty() || host.size() > kMaxName) {
    return false;
  }
  // All first slots are on their way from memory before any is looked at.
  const Backwards backwards(host);
  SuffixHash hash(key0_, key1_);
  Suffix below[kMaxName];
  std::size_t count = 0;
  std::size_t depth = 1;
  for (const std::size_t length : backwards.dots()) {
    if (isDepthIn(subdomainDepths_, depth++)) {
      const Suffix suffix{hash.of(backwards, length), static_cast<std::uint32_t>(length)};
      __builtin_prefetch(slotOf(suffix.hash));
      below[count++] = suffix;
    }
  }
  const bool canBeExact = isDepthIn(exactDepths_, depth);
  std::uint32_t whole = 0;
  if (canBeExact) {
    whole = hash.of(backwards, host.size());
    __builtin_prefetch(slotOf(whole));
  }
  for (const Suffix& suffix : std::span(below, count)) {
    if (holds(host.substr(host.size() - suffix.length), suffix.hash, kSubdomains)) {
      return true;
    }
  }
  return canBeExact && holds(host, whole, kExact);
}

bool HostSet::holds(std::string_view name, std::uint32_t hash, std::uint8_t flag) const noexcept {
  const std::uint32_t tag = hash << offsetBits_;
  const std::uint32_t offsetMask = (std::uint32_t{1} << offsetBits_) - 1;
  const std::uint8_t* const end = slots_ + std::size_t{4} * slotCount_;
  for (const std::uint8_t* at = slotOf(hash);;) {
    const std::uint32_t slot = wordAt(at);
    if (slot == 0) {
      return false;
    }
    if (((slot ^ tag) & ~offsetMask) == 0) {
      const std::uint8_t* record = records_ + (slot & offsetMask) - 1;
      if (record[0] == name.size() && std::memcmp(record + 2, name.data(), name.size()) == 0) {
        return (record[1] & flag) != 0;
      }
    }
    at += 4;
    if (at == end) {
      at = slots_;
    }
  }
}

const std::uint8_t* HostSet::slotOf(std::uint32_t hash) const noexcept {
  return slots_ + 4 * (std::uint64_t{hash} * slotCount_ >> 32);
}

} // namespace sluice::plan
