#include "plan/host_set.h"

#include <algorithm>
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

/// HalfSipHash-1-3 (Aumasson, Bernstein) of a name that is pushed from its end to its beginning.
class BackwardHash {
 public:
  BackwardHash(std::uint32_t key0, std::uint32_t key1) noexcept
      : v0_(key0), v1_(key1), v2_(0x6c79'6765U ^ key0), v3_(0x7465'6462U ^ key1) {}

  void push(char c) noexcept {
    word_ |= std::uint32_t{static_cast<unsigned char>(c)} << (8 * (length_ & 3));
    if ((++length_ & 3) == 0) {
      absorb(word_);
      word_ = 0;
    }
  }

  /// Of what has been pushed so far.
  [[nodiscard]] std::uint32_t value() const noexcept {
    BackwardHash last = *this;
    last.absorb(word_ | length_ << 24);
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
  /// Bytes that do not make up a word yet.
  std::uint32_t word_ = 0;
  std::uint32_t length_ = 0;
};

/// What a host ends with, from a label's beginning to its end.
struct Suffix {
  std::uint32_t hash;
  std::uint32_t start;
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
  Suffix below[kMaxName + 1];
  std::size_t suffixes = 0;
  std::size_t depth = 1;
  BackwardHash hash(key0_, key1_);
  for (std::size_t i = host.size(); i-- > 0;) {
    if (host[i] == '.') {
      if (isDepthIn(subdomainDepths_, depth)) {
        const std::uint32_t value = hash.value();
        __builtin_prefetch(slotOf(value));
        below[suffixes++] = {value, static_cast<std::uint32_t>(i + 1)};
      }
      ++depth;
    }
    hash.push(host[i]);
  }
  const bool canBeExact = isDepthIn(exactDepths_, depth);
  const std::uint32_t whole = hash.value();
  if (canBeExact) {
    __builtin_prefetch(slotOf(whole));
  }
  for (std::size_t i = 0; i < suffixes; ++i) {
    if (holds(host.substr(below[i].start), below[i].hash, kSubdomains)) {
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
