#include "plan/host_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/cache_line.h"

namespace sluice::plan {
namespace {

constexpr std::uint32_t kMagic = 0x3353'4853;
constexpr std::size_t kKey = 56;
constexpr std::size_t kHeader = 320;
constexpr std::size_t kBlock = 320;
constexpr std::size_t kMarks = 2;
constexpr std::size_t kMaxName = 253;
static_assert(kHeader == kKey + 8 + 8 * (kMaxName / 8 + 1));
constexpr std::uint8_t kExact = 1;
constexpr std::uint8_t kSubdomains = 2;
/// The bits of a mark that are of the hash.
constexpr std::uint8_t kTag = 0xfc;

template<typename T>
T load(const std::uint8_t* bytes) noexcept {
  T word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
std::uint32_t wordAt(const std::uint8_t* bytes) noexcept {
  return load<std::uint32_t>(bytes);
}

/// Eight bytes as one word, the first one lowest.
using Eight = std::uint64_t;

constexpr Eight eightOf(std::uint8_t byte) noexcept {
  return byte * Eight{0x0101'0101'0101'0101};
}
/// The upper bit of each byte that is zero.
constexpr Eight zerosIn(Eight bytes) noexcept {
  constexpr Eight kLow = eightOf(0x7f);
  return ~(((bytes & kLow) + kLow) | bytes | kLow);
}
/// All bits of the first `count` bytes, of all from eight on.
constexpr Eight firstBytes(std::size_t count) noexcept {
  return count >= 8 ? ~Eight{0} : (Eight{1} << (8 * count)) - 1;
}
/// Of upper bits, which byte the lowest is in.
constexpr std::size_t firstIn(Eight bits) noexcept {
  return static_cast<std::size_t>(std::countr_zero(bits)) / 8;
}
/// The upper bits of all bytes as one byte, the first one's lowest.
constexpr Eight gathered(Eight bits) noexcept {
  return (bits >> 7) * Eight{0x0102'0408'1020'4080} >> 56;
}

/// Sixteen bytes.
struct Sixteen {
  Eight low;
  Eight high;

  static Sixteen at(const std::uint8_t* bytes) noexcept {
    return {load<Eight>(bytes), load<Eight>(bytes + 8)};
  }
  constexpr Sixteen operator&(const Sixteen& other) const noexcept {
    return {low & other.low, high & other.high};
  }
  [[nodiscard]] constexpr std::size_t sum() const noexcept {
    constexpr Eight kEven = 0x00ff'00ff'00ff'00ff;
    const Eight sums = (low & kEven) + (low >> 8 & kEven) + (high & kEven) + (high >> 8 & kEven);
    return sums * Eight{0x0001'0001'0001'0001} >> 48;
  }
};

/// By a count of bytes, all bits of the first so many. Looked up, because what is computed from a
/// count is mostly a branch that nobody can foresee.
constexpr std::array<Sixteen, 17> kFirst = [] {
  std::array<Sixteen, 17> out{};
  for (std::size_t count = 0; count < out.size(); ++count) {
    out[count] = {firstBytes(count), count < 8 ? 0 : firstBytes(count - 8)};
  }
  return out;
}();

struct Header {
  std::uint32_t count;
  std::uint32_t blocks;
  std::uint32_t exactDepths;
  std::uint32_t subdomainDepths;
};

Header headerOf(const std::uint8_t* bytes) noexcept {
  return {.count = wordAt(bytes + 4),
          .blocks = wordAt(bytes + 8),
          .exactDepths = wordAt(bytes + 12),
          .subdomainDepths = wordAt(bytes + 16)};
}

/// A block as it lies in memory.
class Block {
 public:
  explicit Block(const std::uint8_t* bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::size_t count() const noexcept { return bytes_[0]; }
  /// A bit for each class of names of which one did not find room here.
  [[nodiscard]] std::uint8_t wentOn() const noexcept { return bytes_[1]; }
  [[nodiscard]] const std::uint8_t* marks() const noexcept { return bytes_ + kMarks; }
  [[nodiscard]] const std::uint8_t* lengths() const noexcept { return marks() + count(); }
  /// Of the first one; the others follow.
  [[nodiscard]] const std::uint8_t* names() const noexcept { return lengths() + count(); }

  /// Whether its names are names and end within it.
  [[nodiscard]] bool isSound() const noexcept {
    std::size_t used = kMarks + 2 * count();
    if (used > kBlock) {
      return false;
    }
    for (std::size_t i = 0; i < count(); ++i) {
      if (lengths()[i] == 0) {
        return false;
      }
      used += lengths()[i];
    }
    return used <= kBlock;
  }

  /// Whether `name` is here with `flag`. Sixteen marks and lengths are compared at once, without a
  /// branch for each: then a processor need not wait for the block to go on with what comes next.
  /// Names take three bytes at least, so sixteen lengths end within the block wherever they begin.
  [[nodiscard]] bool has(std::string_view name, std::uint8_t tag,
                         std::uint8_t flag) const noexcept {
    const Eight mark = eightOf(tag | flag);
    const Eight marked = eightOf(kTag | flag);
    const Eight size = eightOf(static_cast<std::uint8_t>(name.size()));
    const auto matches = [&](Eight itsMarks, Eight itsSizes) noexcept {
      return zerosIn(((itsMarks ^ mark) & marked) | (itsSizes ^ size));
    };
    const std::uint8_t* its = names();
    for (std::size_t i = 0;; i += 16) {
      const Sixteen here = Sixteen::at(marks() + i);
      const Sixteen sizes = Sixteen::at(lengths() + i);
      const Sixteen found = Sixteen{matches(here.low, sizes.low), matches(here.high, sizes.high)} &
                            kFirst[std::min<std::size_t>(count() - i, 16)];
      for (Eight left = gathered(found.low) | gathered(found.high) << 8; left != 0;
           left &= left - 1) {
        const auto which = static_cast<std::size_t>(std::countr_zero(left));
        const std::size_t before = (sizes & kFirst[which]).sum();
        if (std::memcmp(its + before, name.data(), name.size()) == 0) {
          return true;
        }
      }
      if (i + 16 >= count()) {
        return false;
      }
      its += sizes.sum();
    }
  }

 private:
  const std::uint8_t* bytes_;
};

/// Masks have a bit for each depth; the last one stands for all that are deeper.
constexpr std::size_t bitOf(std::size_t depth) noexcept {
  return std::min<std::size_t>(depth, 31);
}
constexpr bool isDepthIn(std::uint32_t depths, std::size_t depth) noexcept {
  return ((depths >> bitOf(depth)) & 1U) != 0;
}
constexpr bool isAnyFrom(std::uint32_t depths, std::size_t depth) noexcept {
  return depths >> bitOf(depth) != 0;
}

/// src/plan/host-hash.ts describes it: of what a host ends with, longer and longer, eight bytes at a
/// time. They are the host's read backwards, the last one lowest.
class SuffixHash {
 public:
  explicit SuffixHash(const std::uint8_t* key) noexcept
      : factor_(load<std::uint64_t>(key)), words_(key + sizeof factor_) {}

  void absorb(Eight bytes) noexcept {
    sum_ += product(bytes);
    words_ += sizeof bytes;
  }
  /// Of what was absorbed and of `rest`: fewer than eight bytes, and zeros.
  [[nodiscard]] std::uint32_t with(Eight rest) const noexcept {
    const std::uint64_t sum = sum_ + product(rest);
    return static_cast<std::uint32_t>((sum ^ sum >> 32) * factor_ >> 32);
  }

 private:
  [[nodiscard]] std::uint64_t product(Eight bytes) const noexcept {
    const std::uint32_t even = static_cast<std::uint32_t>(bytes) + wordAt(words_);
    const std::uint32_t odd = static_cast<std::uint32_t>(bytes >> 32) + wordAt(words_ + 4);
    return std::uint64_t{even} * odd;
  }

  std::uint64_t factor_;
  const std::uint8_t* words_;
  std::uint64_t sum_ = 0;
};

/// Eight bytes from `at` on, read backwards.
Eight backwardsAt(const char* at) noexcept {
  Eight bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  return __builtin_bswap64(bytes);
}

/// The first `count` bytes of a host, fewer than eight, read backwards; then zeros.
Eight backwardsTo(std::string_view host, std::size_t count) noexcept {
  if (host.size() >= 8) {
    // In two steps, because the eight bytes of none at all are more than one step can take.
    return backwardsAt(host.data()) >> 8 >> (56 - 8 * count);
  }
  Eight bytes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    bytes = bytes << 8 | static_cast<std::uint8_t>(host[i]);
  }
  return bytes;
}

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
  std::uint8_t wentOnEverywhere = 0xff;
  for (std::size_t at = kHeader; at < bytes.size(); at += kBlock) {
    const Block block(bytes.data() + at);
    if (!block.isSound()) {
      return false;
    }
    count += block.count();
    wentOnEverywhere &= block.wentOn();
  }
  return count == header.count && wentOnEverywhere == 0;
}

HostSet::HostSet(std::span<const std::uint8_t> bytes) noexcept {
  if (bytes.empty()) {
    return;
  }
  const Header header = headerOf(bytes.data());
  blocks_ = bytes.subspan(kHeader);
  count_ = header.count;
  blockCount_ = header.blocks;
  key_ = bytes.data() + kKey;
  exactDepths_ = header.exactDepths;
  subdomainDepths_ = header.subdomainDepths;
}

bool HostSet::has(std::string_view host) const noexcept {
  if (count_ == 0 || host.empty() || host.size() > kMaxName) {
    return false;
  }
  // All that memory has to give is on its way before any of it is looked at.
  Suffix suffixes[kMaxName + 1];
  std::size_t count = 0;
  SuffixHash hash(key_);
  const auto ask = [&](Eight rest, std::size_t length, std::uint8_t flag) noexcept {
    const Suffix suffix{hash.with(rest), static_cast<std::uint8_t>(length), flag};
    const std::uint8_t* const block = firstBlock(suffix.hash);
    for (std::size_t at = 0; at < kBlock; at += kCacheLine) {
      __builtin_prefetch(block + at);
    }
    suffixes[count++] = suffix;
  };
  std::size_t depth = 1;
  std::size_t absorbed = 0;
  // As far as there are names of as many labels.
  while (isAnyFrom(exactDepths_ | subdomainDepths_, depth)) {
    const std::size_t left = host.size() - absorbed;
    const bool isLast = left < 8;
    const Eight bytes = isLast ? backwardsTo(host, left) : backwardsAt(host.data() + left - 8);
    for (Eight dots = zerosIn(bytes ^ eightOf('.')); dots != 0; dots &= dots - 1) {
      if (isDepthIn(subdomainDepths_, depth++)) {
        const std::size_t before = firstIn(dots);
        ask(bytes & firstBytes(before), absorbed + before, kSubdomains);
      }
    }
    if (isLast) {
      if (isDepthIn(exactDepths_, depth)) {
        ask(bytes, host.size(), kExact);
      }
      break;
    }
    hash.absorb(bytes);
    absorbed += 8;
  }
  const auto isHeld = [&](const Suffix& suffix) noexcept {
    return holds(host.substr(host.size() - suffix.length), suffix.hash, suffix.flag);
  };
  return std::any_of(suffixes, suffixes + count, isHeld);
}

bool HostSet::holds(std::string_view name, std::uint32_t hash, std::uint8_t flag) const noexcept {
  const auto tag = static_cast<std::uint8_t>(hash << 2);
  const auto ownClass = static_cast<std::uint8_t>(1U << (hash >> 6 & 7));
  const std::uint8_t* const end = blocks_.data() + blocks_.size();
  for (const std::uint8_t* at = firstBlock(hash);;) {
    const Block block(at);
    if (block.has(name, tag, flag)) {
      return true;
    }
    if ((block.wentOn() & ownClass) == 0) {
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
