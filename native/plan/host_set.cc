#include "plan/host_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace sluice::plan {
namespace {

constexpr std::uint32_t kMagic = 0x3253'4853;
constexpr std::size_t kHeader = 32;
constexpr std::size_t kBlock = 256;
constexpr std::uint8_t kGoesOn = 0x80;
constexpr std::size_t kMaxName = 253;
constexpr std::uint8_t kExact = 1;
constexpr std::uint8_t kSubdomains = 2;
/// The bits of a mark that are of the hash.
constexpr std::uint8_t kTag = 0xfc;
constexpr std::size_t kCacheLine = 64;

std::uint32_t wordAt(const std::uint8_t* bytes) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

struct Header {
  std::uint32_t count;
  std::uint32_t blocks;
  std::uint32_t key0;
  std::uint32_t key1;
  std::uint32_t exactDepths;
  std::uint32_t subdomainDepths;
};

Header headerOf(const std::uint8_t* bytes) noexcept {
  return {.count = wordAt(bytes + 4),
          .blocks = wordAt(bytes + 8),
          .key0 = wordAt(bytes + 12),
          .key1 = wordAt(bytes + 16),
          .exactDepths = wordAt(bytes + 20),
          .subdomainDepths = wordAt(bytes + 24)};
}

/// A block as it lies in memory.
class Block {
 public:
  explicit Block(const std::uint8_t* bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::size_t count() const noexcept { return bytes_[0] & ~kGoesOn; }
  [[nodiscard]] bool goesOn() const noexcept { return (bytes_[0] & kGoesOn) != 0; }
  [[nodiscard]] std::uint8_t mark(std::size_t i) const noexcept { return bytes_[1 + 2 * i]; }
  [[nodiscard]] std::size_t length(std::size_t i) const noexcept { return bytes_[2 + 2 * i]; }
  /// Of the first one; the others follow.
  [[nodiscard]] const std::uint8_t* names() const noexcept { return bytes_ + 1 + 2 * count(); }

  /// Whether its names are names and end within it.
  [[nodiscard]] bool isSound() const noexcept {
    std::size_t used = 1 + 2 * count();
    if (used > kBlock) {
      return false;
    }
    for (std::size_t i = 0; i < count(); ++i) {
      if (length(i) == 0) {
        return false;
      }
      used += length(i);
    }
    return used <= kBlock;
  }

 private:
  const std::uint8_t* bytes_;
};

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

/// What a host ends with, and what it would have to be in the set for.
struct Suffix {
  std::uint32_t hash;
  std::uint8_t length;
  std::uint8_t flag;
};

} // namespace

bool HostSet::isSound(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.empty()) {
    return true;
  }
  if (bytes.size() < kHeader || wordAt(bytes.data()) != kMagic) {
    return false;
  }
  const Header header = headerOf(bytes.data());
  if (bytes.size() != kHeader + kBlock * header.blocks) {
    return false;
  }
  std::size_t count = 0;
  bool canEnd = false;
  for (std::size_t at = kHeader; at < bytes.size(); at += kBlock) {
    const Block block(bytes.data() + at);
    if (!block.isSound()) {
      return false;
    }
    count += block.count();
    canEnd = canEnd || !block.goesOn();
  }
  return count == header.count && canEnd;
}

HostSet::HostSet(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.empty()) {
    return;
  }
  const Header header = headerOf(bytes.data());
  blocks_ = bytes.subspan(kHeader);
  count_ = header.count;
  blockCount_ = header.blocks;
  key0_ = header.key0;
  key1_ = header.key1;
  exactDepths_ = header.exactDepths;
  subdomainDepths_ = header.subdomainDepths;
}

bool HostSet::has(std::string_view host) const noexcept {
  if (count_ == 0 || host.empty() || host.size() > kMaxName) {
    return false;
  }
  // All that memory has to give is on its way before any of it is looked at.
  const Backwards backwards(host);
  SuffixHash hash(key0_, key1_);
  Suffix suffixes[kMaxName + 1];
  std::size_t count = 0;
  std::size_t depth = 1;
  const auto ask = [&](std::size_t length, std::uint8_t flag) noexcept {
    const Suffix suffix{hash.of(backwards, length), static_cast<std::uint8_t>(length), flag};
    const std::uint8_t* const block = firstBlock(suffix.hash);
    for (std::size_t at = 0; at < kBlock; at += kCacheLine) {
      __builtin_prefetch(block + at);
    }
    suffixes[count++] = suffix;
  };
  for (const std::size_t length : backwards.dots()) {
    if (isDepthIn(subdomainDepths_, depth++)) {
      ask(length, kSubdomains);
    }
  }
  if (isDepthIn(exactDepths_, depth)) {
    ask(host.size(), kExact);
  }
  const auto isHeld = [&](const Suffix& suffix) noexcept {
    return holds(host.substr(host.size() - suffix.length), suffix.hash, suffix.flag);
  };
  return std::any_of(suffixes, suffixes + count, isHeld);
}

bool HostSet::holds(std::string_view name, std::uint32_t hash, std::uint8_t flag) const noexcept {
  const auto tag = static_cast<std::uint8_t>(hash << 2);
  const std::uint8_t* const end = blocks_.data() + blocks_.size();
  for (const std::uint8_t* at = firstBlock(hash);;) {
    const Block block(at);
    const std::uint8_t* its = block.names();
    for (std::size_t i = 0; i < block.count(); its += block.length(i++)) {
      if (((block.mark(i) ^ tag) & kTag) == 0 && block.length(i) == name.size() &&
          std::memcmp(its, name.data(), name.size()) == 0) {
        return (block.mark(i) & flag) != 0;
      }
    }
    if (!block.goesOn()) {
      return false;
    }
    at += kBlock;
    if (at == end) {
      at = blocks_.data();
    }
  }
}

const std::uint8_t* HostSet::firstBlock(std::uint32_t hash) const noexcept {
  return blocks_.data() + kBlock * (std::uint64_t{hash} * blockCount_ >> 32);
}

} // namespace sluice::plan
