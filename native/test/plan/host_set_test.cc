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

constexpr std::size_t kHeader = 320;
constexpr std::size_t kBlock = 320;

Bytes bytesOf(const test::Vector& set) {
  return test::bytesOfHex(set.at(3));
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
  CHECK(sets > 12 && asked > 700);
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
  const std::uint32_t blocks = wordAt(whole, 8);
  CHECK(!isSoundWith(whole, 0, 0));
  CHECK(!isSoundWith(whole, 4, count + 1));
  CHECK(!isSoundWith(whole, 4, count - 1));
  CHECK(!isSoundWith(whole, 8, blocks + 1));
  CHECK(!isSoundWith(whole, 8, blocks - 1));
  CHECK(!isSoundWith(whole, 8, 0));
  CHECK(!isSoundWith(whole, 8, 0xffff'ffff));
}

TEST("a set in which a search might not end is not sound") {
  for (const int ownClass : {0x01, 0x10, 0x80}) {
    Bytes bytes = setOf("names among each other");
    for (std::size_t at = kHeader; at < bytes.size(); at += kBlock) {
      CHECK(HostSet::isSound(bytes));
      bytes[at + 1] = static_cast<std::uint8_t>(bytes[at + 1] | ownClass);
    }
    CHECK(!HostSet::isSound(bytes));
  }
}

TEST("a block that does not hold what it says makes a set unsound") {
  const Bytes whole = setOf("one name");
  const std::size_t block = whole[kHeader] != 0 ? kHeader : kHeader + kBlock;
  const std::size_t length = block + 3;
  CHECK_EQ(whole[block], 1);
  CHECK_EQ(whole[length], 11);
  const auto isSoundAs = [&](std::size_t at, int value) {
    Bytes bytes = whole;
    bytes[at] = static_cast<std::uint8_t>(value);
    return HostSet::isSound(bytes);
  };
  // More names or fewer than are counted, and more than there is room for.
  for (const int count : {0, 2, 0x7f, 0xff}) {
    CHECK(!isSoundAs(block, count));
  }
  // No name, and the longest.
  CHECK(!isSoundAs(length, 0));
  CHECK(isSoundAs(length, 253));
}

TEST("names end within their block") {
  // What a block says takes two bytes, and two more each name: that leaves 314.
  Bytes bytes = setOf("one name");
  const std::size_t block = bytes[kHeader] != 0 ? kHeader : kHeader + kBlock;
  const std::uint32_t two = 2;
  std::memcpy(bytes.data() + 4, &two, sizeof two);
  bytes[block] = 2;
  bytes[block + 4] = 157;
  bytes[block + 5] = 157;
  CHECK(HostSet::isSound(bytes));
  bytes[block + 5] = 158;
  CHECK(!HostSet::isSound(bytes));
}
