#include "http/scan.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::http {
namespace {

constexpr std::size_t kBlock = 64;

constexpr bool isTchar(unsigned c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
    return true;
  }
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return c < 0x80 && marks.find(static_cast<char>(c)) != std::string_view::npos;
}

constexpr bool isControl(unsigned c) {
  return (c < 0x20 && c != '\t') || c == 0x7f;
}
constexpr bool endsTarget(unsigned c) {
  return c <= 0x20 || c >= 0x7f || c == '#';
}

constexpr std::uint8_t kControlBit = 1;
constexpr std::uint8_t kNonTokenBit = 2;
constexpr std::uint8_t kTargetEndBit = 4;
constexpr std::uint8_t kPathOddityBit = 8;

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c) {
    unsigned bits = 0;
    bits |= isControl(c) ? kControlBit : 0u;
    bits |= isTchar(c) ? 0u : kNonTokenBit;
    bits |= endsTarget(c) ? kTargetEndBit : 0u;
    bits |= endsTarget(c) || c == '%' || c == '\\' || c == '?' ? kPathOddityBit : 0u;
    table[c] = static_cast<std::uint8_t>(bits);
  }
  return table;
}();

constexpr std::uint8_t classOf(char c) {
  return kClasses[static_cast<unsigned char>(c)];
}

void scanScalar(std::string_view text, std::uint64_t* control, std::uint64_t* nonToken) noexcept {
  for (std::size_t base = 0; base < text.size(); base += kBlock) {
    const std::size_t count = text.size() - base < kBlock ? text.size() - base : kBlock;
    std::uint64_t controls = 0;
    std::uint64_t nonTokens = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t bits = classOf(text[base + i]);
      controls |= (bits & kControlBit) << i;
      nonTokens |= ((bits & kNonTokenBit) >> 1) << i;
    }
    control[base / kBlock] = controls;
    nonToken[base / kBlock] = nonTokens;
  }
}

#if defined(__x86_64__)

// A byte is a tchar when the bit of its high half is set in the table entry of its low half.
constexpr std::array<char, 16> kTokenLow = [] {
  std::array<char, 16> table{};
  for (unsigned low = 0; low < 16; ++low) {
    unsigned bits = 0;
    for (unsigned high = 0; high < 8; ++high) {
      bits |= isTchar(high << 4 | low) ? 1u << high : 0u;
    }
    table[low] = static_cast<char>(bits);
  }
  return table;
}();
constexpr std::array<char, 16> kTokenHigh = [] {
  std::array<char, 16> table{};
  for (unsigned high = 0; high < 8; ++high) {
    table[high] = static_cast<char>(1u << high);
  }
  return table;
}();

inline __m128i load16(const char* from) noexcept {
  __m128i bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

__attribute__((target("avx2"))) inline __m256i load32(const char* from) noexcept {
  __m256i bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

struct BlockMasks {
  std::uint64_t control;
  std::uint64_t nonToken;
};

// Runs `block` over all 64-byte blocks without reading past the text: its last piece is read
// together with bytes in front of it, or from a copy when the text is shorter than a block.
#define SLUICE_SCAN_BLOCKS(block)                                                                  \
  const std::size_t size = text.size();                                                            \
  std::size_t base = 0;                                                                            \
  for (; base + kBlock <= size; base += kBlock) {                                                  \
    const BlockMasks masks = block(text.data() + base);                                            \
    control[base / kBlock] = masks.control;                                                        \
    nonToken[base / kBlock] = masks.nonToken;                                                      \
  }                                                                                                \
  const std::size_t rest = size - base;                                                            \
  if (rest != 0 && size >= kBlock) {                                                               \
    const BlockMasks masks = block(text.data() + size - kBlock);                                   \
    control[base / kBlock] = masks.control >> (kBlock - rest);                                     \
    nonToken[base / kBlock] = masks.nonToken >> (kBlock - rest);                                   \
  } else if (rest != 0) {                                                                          \
    char copy[kBlock] = {};                                                                        \
    std::memcpy(copy, text.data(), rest);                                                          \
    const BlockMasks masks = block(copy);                                                          \
    control[0] = masks.control & ((std::uint64_t{1} << rest) - 1);                                 \
    nonToken[0] = masks.nonToken & ((std::uint64_t{1} << rest) - 1);                               \
  }

__attribute__((target("sse4.2"))) inline BlockMasks blockSse42(const char* text) noexcept {
  const __m128i low = load16(kTokenLow.data());
  const __m128i high = load16(kTokenHigh.data());
  const __m128i half = _mm_set1_epi8(0x0f);
  BlockMasks masks{0, 0};
  for (unsigned i = 0; i < kBlock; i += 16) {
    const __m128i bytes = load16(text + i);
    const __m128i small = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    const __m128i controls = _mm_or_si128(_mm_andnot_si128(tab, small), del);
    const __m128i token =
        _mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(bytes, half)),
                      _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), half)));
    const __m128i nonToken = _mm_cmpeq_epi8(token, _mm_setzero_si128());
    masks.control |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(controls))} << i;
    masks.nonToken |= std::uint64_t{static_cast<unsigned>(_mm_movemask_epi8(nonToken))} << i;
  }
  return masks;
}

__attribute__((target("sse4.2"))) void scanSse42(std::string_view text, std::uint64_t* control,
                                                 std::uint64_t* nonToken) noexcept {
  SLUICE_SCAN_BLOCKS(blockSse42)
}

__attribute__((target("avx2"))) inline BlockMasks blockAvx2(const char* text) noexcept {
  const __m256i low = _mm256_broadcastsi128_si256(load16(kTokenLow.data()));
  const __m256i high = _mm256_broadcastsi128_si256(load16(kTokenHigh.data()));
  const __m256i half = _mm256_set1_epi8(0x0f);
  BlockMasks masks{0, 0};
  for (unsigned i = 0; i < kBlock; i += 32) {
    const __m256i bytes = load32(text + i);
    const __m256i small = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    const __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
    const __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
    const __m256i controls = _mm256_or_si256(_mm256_andnot_si256(tab, small), del);
    const __m256i token = _mm256_and_si256(
        _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, half)),
        _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half)));
    const __m256i nonToken = _mm256_cmpeq_epi8(token, _mm256_setzero_si256());
    masks.control |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_epi8(controls))} << i;
    masks.nonToken |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_epi8(nonToken))} << i;
  }
  return masks;
}

__attribute__((target("avx2"))) void scanAvx2(std::string_view text, std::uint64_t* control,
                                              std::uint64_t* nonToken) noexcept {
  SLUICE_SCAN_BLOCKS(blockAvx2)
}

#undef SLUICE_SCAN_BLOCKS

// Every x86-64 has SSE2, so these two need no choice at run time. Bytes beyond ASCII are negative.
inline __m128i targetEnds(__m128i bytes) noexcept {
  return _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21)),
                      _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
                                   _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'))));
}

#endif

struct Variants {
  std::array<ScanVariant, 3> all{};
  std::size_t count = 0;
};

Variants findVariants() noexcept {
  Variants found;
  found.all[found.count++] = {"scalar", scanScalar};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) {
    found.all[found.count++] = {"sse4.2", scanSse42};
  }
  if (__builtin_cpu_supports("avx2")) {
    found.all[found.count++] = {"avx2", scanAvx2};
  }
#endif
  return found;
}

const Variants kVariants = findVariants();
const ScanFn kScan = kVariants.all[kVariants.count - 1].scan;

/// Most heads end within the first window; it is kept small so that a body behind a short head is
/// not scanned.
constexpr std::size_t kFirstWindow = 512;

} // namespace

std::span<const ScanVariant> scanVariants() noexcept {
  return {kVariants.all.data(), kVariants.count};
}

ScanFn fastestScan() noexcept {
  return kScan;
}

bool isTokenChar(char c) noexcept {
  return (classOf(c) & kNonTokenBit) == 0;
}

bool isToken(std::string_view text) noexcept {
  for (const char c : text) {
    if (!isTokenChar(c)) {
      return false;
    }
  }
  return !text.empty();
}

void HeadIndex::load(std::size_t from) noexcept {
  const std::size_t window = end_ == 0 ? kFirstWindow : kScanWindow;
  const std::size_t left = text_.size() - from;
  begin_ = from;
  end_ = from + (left < window ? left : window);
  kScan(text_.substr(begin_, end_ - begin_), control_, nonToken_);
}

std::size_t findTargetEnd(std::string_view text, std::size_t from) noexcept {
  std::size_t at = from;
#if defined(__x86_64__)
  for (; at + 16 <= text.size(); at += 16) {
    const auto mask =
        static_cast<unsigned>(_mm_movemask_epi8(targetEnds(load16(text.data() + at))));
    if (mask != 0) {
      return at + static_cast<std::size_t>(__builtin_ctz(mask));
    }
  }
#endif
  while (at < text.size() && (classOf(text[at]) & kTargetEndBit) == 0) {
    ++at;
  }
  return at;
}

std::size_t findPathOddity(std::string_view text, std::size_t from) noexcept {
  std::size_t at = from;
#if defined(__x86_64__)
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = load16(text.data() + at);
    const __m128i before = load16(text.data() + at - 1);
    const __m128i dots = _mm_and_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.')),
                                       _mm_cmpeq_epi8(before, _mm_set1_epi8('/')));
    const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('%')),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('?'))));
    const __m128i odd = _mm_or_si128(targetEnds(bytes), _mm_or_si128(dots, marks));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(odd));
    if (mask != 0) {
      return at + static_cast<std::size_t>(__builtin_ctz(mask));
    }
  }
#endif
  for (; at < text.size(); ++at) {
    if ((classOf(text[at]) & kPathOddityBit) != 0 || (text[at] == '.' && text[at - 1] == '/')) {
      break;
    }
  }
  return at;
}

} // namespace sluice::http
