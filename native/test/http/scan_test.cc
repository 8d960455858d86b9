#include "http/scan.h"

#include <random>
#include <string>

#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;

namespace {

struct Masks {
  std::uint64_t control[kScanWords];
  std::uint64_t nonToken[kScanWords];
};

Masks scan(ScanFn function, std::string_view text) {
  Masks masks{};
  function(text, masks.control, masks.nonToken);
  return masks;
}

bool isSame(const Masks& a, const Masks& b) {
  return std::memcmp(&a, &b, sizeof(Masks)) == 0;
}

bool isControlByte(unsigned c) {
  return (c < 32 && c != 9) || c == 127;
}
bool isTokenByte(unsigned c) {
  return c > 32 && c < 127 &&
         std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) ==
             std::string_view::npos;
}

} // namespace

TEST("a scan marks exactly the controls and the bytes that no token has") {
  std::string all;
  for (unsigned c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
  }
  for (const ScanVariant& variant : scanVariants()) {
    const Masks masks = scan(variant.scan, all);
    for (unsigned c = 0; c < 256; ++c) {
      CHECK_EQ((masks.control[c / 64] >> (c % 64) & 1) != 0, isControlByte(c));
      CHECK_EQ((masks.nonToken[c / 64] >> (c % 64) & 1) != 0, !isTokenByte(c));
    }
  }
}

TEST("every scan variant agrees with the scalar one at every length, next to a guard page") {
  std::mt19937 random(1);
  const ScanFn scalar = scanVariants().front().scan;
  for (std::size_t size = 0; size <= kScanWindow; size += size < 300 ? 1 : 37) {
    std::string text(size, 'a');
    for (char& c : text) {
      c = static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 26);
    }
    const test::Guarded guarded(text);
    const Masks expected = scan(scalar, guarded.text());
    for (const ScanVariant& variant : scanVariants()) {
      CHECK(isSame(scan(variant.scan, guarded.text()), expected));
    }
  }
}

TEST("every scan variant finds every byte at every place") {
  const ScanFn scalar = scanVariants().front().scan;
  for (unsigned c = 0; c < 256; ++c) {
    for (std::size_t at = 0; at < 130; ++at) {
      std::string text(130, 'x');
      text[at] = static_cast<char>(c);
      const Masks expected = scan(scalar, text);
      CHECK_EQ((expected.control[at / 64] >> (at % 64) & 1) != 0, isControlByte(c));
      for (const ScanVariant& variant : scanVariants().subspan(1)) {
        CHECK(isSame(scan(variant.scan, text), expected));
      }
    }
  }
}

TEST("an index finds the same bytes over many windows as a plain search") {
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    std::string text(4000, 'v');
    for (char& c : text) {
      if (random() % 97 == 0) {
        c = random() % 2 == 0 ? '\r' : ':';
      }
    }
    const test::Guarded guarded(text);
    HeadIndex index(guarded.text());
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t nonToken = std::min(text.find_first_of("\r:", at), text.size());
      CHECK_EQ(index.nextNonToken(at), nonToken);
      const std::size_t control = std::min(text.find('\r', nonToken), text.size());
      CHECK_EQ(index.nextControl(nonToken), control);
      at = control + 1;
    }
  }
}

TEST("the end of a target and what is odd in a path are found at every place") {
  for (unsigned c = 0; c < 256; ++c) {
    for (std::size_t at = 1; at < 40; ++at) {
      std::string text(40, 'x');
      text[at] = static_cast<char>(c);
      const test::Guarded guarded(text);
      const bool endsTarget = c <= 32 || c >= 127 || c == '#';
      const bool isOdd = endsTarget || c == '%' || c == '\\' || c == '?';
      CHECK_EQ(findTargetEnd(guarded.text(), 0), endsTarget ? at : text.size());
      CHECK_EQ(findPathOddity(guarded.text(), 1), isOdd ? at : text.size());
      text[at] = '.';
      CHECK_EQ(findPathOddity(text, 1), text.size());
      text[at - 1] = '/';
      CHECK_EQ(findPathOddity(text, 1), at);
    }
  }
}

TEST("tokens are told from other text") {
  CHECK(isToken("GET"));
  CHECK(isToken("!#$%&'*+-.^_`|~09azAZ"));
  CHECK(!isToken(""));
  CHECK(!isToken("a b"));
  CHECK(!isToken("a\x80"));
}
