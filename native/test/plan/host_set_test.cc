#include "plan/host_set.h"

#include <cstring>
#include <string>
#include <vector>

#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::plan;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 40;
constexpr std::size_t kPadding = 256;

Bytes bytesOf(const test::Vector& set) {
  Bytes bytes = test::bytesOfHex(set.at(5));
  bytes.resize(bytes.size() + kPadding);
  return bytes;
}

Bytes setOf(const std::string& what) {
  for (const test::Vector& vector : test::readVectors("host-set")) {
    if (vector.at(0) == "set" && vector.at(1) == what) {
      return bytesOf(vector);
    }
  }
  CHECK(false);
  return {};
}

std::uint32_t wordAt(const Bytes& bytes, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

bool isSoundWith(Bytes bytes, std::size_t at, std::uint32_t word) {
  std::memcpy(bytes.data() + at, &word, sizeof word);
  return HostSet::isSound(bytes);
}

} // namespace

TEST("sets hold the hosts that the shared vectors say") {
  Bytes bytes;
  int sets = 0;
  int asked = 0;
  for (const test::Vector& vector : test::readVectors("host-set")) {
    if (vector.at(0) == "set") {
      bytes = bytesOf(vector);
      CHECK(HostSet::isSound(bytes));
      ++sets;
      continue;
    }
    const bool isHeld = HostSet(bytes).has(vector.at(1));
    if (isHeld != (vector.at(2) == "yes")) {
      test::fail("test/vectors/host-set.txt", vector.line, vector.at(1));
    }
    ++asked;
  }
  CHECK(sets > 7 && asked > 150);
}

TEST("no bytes are the empty set") {
  CHECK(HostSet::isSound({}));
  CHECK(!HostSet().has("a"));
  CHECK(!HostSet(Bytes{}).has("a"));
  CHECK_EQ(HostSet(Bytes{}).size(), 0U);
}

TEST("a set that was cut or lengthened is not sound") {
  const Bytes whole = setOf("names among each other");
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CHECK(!HostSet::isSound(std::span(whole).first(size)));
  }
  Bytes longer = whole;
  longer.push_back(0);
  CHECK(!HostSet::isSound(longer));
}

TEST("a set whose numbers lead out of it is not sound") {
  const Bytes whole = setOf("names among each other");
  const std::uint32_t count = wordAt(whole, 4);
  const std::uint32_t slots = wordAt(whole, 8);
  const std::uint32_t offsetBits = wordAt(whole, 12);
  const std::uint32_t recordBytes = wordAt(whole, 24);
  CHECK(!isSoundWith(whole, 0, 0));
  CHECK(!isSoundWith(whole, 4, count + 1));
  CHECK(!isSoundWith(whole, 4, count - 1));
  CHECK(!isSoundWith(whole, 8, slots + 1));
  CHECK(!isSoundWith(whole, 8, 0));
  CHECK(!isSoundWith(whole, 8, 0xffff'ffff));
  CHECK(!isSoundWith(whole, 12, 0));
  CHECK(!isSoundWith(whole, 12, 32));
  CHECK(!isSoundWith(whole, 12, 0xffff'ffff));
  CHECK(!isSoundWith(whole, 24, recordBytes + 1));
  CHECK(!isSoundWith(whole, 24, 0xffff'ffff));
  bool hasEmpty = false;
  bool hasUsed = false;
  for (std::size_t i = 0; i < slots; ++i) {
    const std::size_t at = kHeader + 4 * i;
    if (wordAt(whole, at) == 0) {
      // One that is used too many, so that a search might not end.
      CHECK(!isSoundWith(whole, at, 1));
      hasEmpty = true;
    } else {
      CHECK(!isSoundWith(whole, at, 0));
      CHECK(!isSoundWith(whole, at, recordBytes + 1));
      CHECK(!isSoundWith(whole, at, std::uint32_t{1} << offsetBits));
      hasUsed = true;
    }
  }
  CHECK(hasEmpty && hasUsed);
}

TEST("a record without a name, or that reaches beyond the last, makes a set unsound") {
  const Bytes whole = setOf("one name");
  const std::size_t record = kHeader + std::size_t{4} * wordAt(whole, 8);
  for (const int length : {0, 10, 12, 254, 255}) {
    Bytes broken = whole;
    broken[record] = static_cast<std::uint8_t>(length);
    CHECK(!HostSet::isSound(broken));
  }
}
