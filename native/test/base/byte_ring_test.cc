#include "base/byte_ring.h"

#include <array>
#include <string>
#include <thread>

#include "test/test.h"

using namespace sluice;

namespace {

/// The next record, or "nothing"; `tag` is what it came with.
std::string pop(ByteRing& ring, std::uint16_t& tag) {
  static std::array<char, 65536> into;
  std::size_t length = 0;
  return ring.pop(tag, into, length) ? std::string(into.data(), length) : "nothing";
}

std::string pop(ByteRing& ring) {
  std::uint16_t tag = 0;
  return pop(ring, tag);
}

} // namespace

TEST("a byte ring gives records back in order, each with its tag, the empty one too") {
  ByteRing ring(64);
  CHECK_EQ(pop(ring), "nothing");
  CHECK(ring.push(7, "one"));
  CHECK(ring.push(65'535, ""));
  CHECK(ring.push(0, "three"));
  std::uint16_t tag = 0;
  CHECK_EQ(pop(ring, tag), "one");
  CHECK_EQ(tag, 7);
  CHECK_EQ(pop(ring, tag), "");
  CHECK_EQ(tag, 65'535);
  CHECK_EQ(pop(ring, tag), "three");
  CHECK_EQ(tag, 0);
  CHECK_EQ(pop(ring), "nothing");
  CHECK_EQ(ring.used(), 0U);
}

TEST("a byte ring refuses what does not fit, to the byte, and takes it once there is room") {
  ByteRing ring(64);
  CHECK(ring.push(1, std::string(20, 'a')));
  CHECK(!ring.push(2, std::string(37, 'b')));
  CHECK(ring.push(2, std::string(36, 'b')));
  CHECK_EQ(ring.used(), 64U);
  CHECK(!ring.push(3, ""));
  CHECK_EQ(pop(ring), std::string(20, 'a'));
  CHECK(ring.push(3, std::string(20, 'c')));
  CHECK_EQ(pop(ring), std::string(36, 'b'));
  CHECK_EQ(pop(ring), std::string(20, 'c'));
}

TEST("a record that wraps around the end of a byte ring, head or body, comes out whole") {
  // Records of every size, so that each part of one has met the end of the ring.
  ByteRing ring(64);
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::string record(i % 61, static_cast<char>('a' + i % 26));
    CHECK(ring.push(static_cast<std::uint16_t>(i), record));
    std::uint16_t tag = 0;
    CHECK_EQ(pop(ring, tag), record);
    CHECK_EQ(tag, i);
  }
}

TEST("a byte ring takes records of 65535 bytes and refuses longer ones, which it could not tell "
     "of") {
  ByteRing ring(1 << 18);
  CHECK(ring.push(1, std::string(65'535, 'x')));
  CHECK(!ring.push(1, std::string(65'536, 'x')));
  CHECK_EQ(pop(ring).size(), 65'535U);
}

TEST("a byte ring carries records between two threads, none lost, torn or out of order") {
  constexpr std::size_t kRecords = 20'000;
  ByteRing ring(1024);
  std::thread writer([&ring] {
    for (std::size_t i = 0; i < kRecords;) {
      const std::string record(i % 200, static_cast<char>('a' + i % 26));
      if (ring.push(static_cast<std::uint16_t>(i), record)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::size_t bad = 0;
  std::array<char, 65536> into;
  for (std::size_t i = 0; i < kRecords;) {
    std::uint16_t tag = 0;
    std::size_t length = 0;
    if (!ring.pop(tag, into, length)) {
      std::this_thread::yield();
      continue;
    }
    const std::string expected(i % 200, static_cast<char>('a' + i % 26));
    bad += std::string_view(into.data(), length) != expected || tag != (i & 0xffff) ? 1U : 0U;
    ++i;
  }
  writer.join();
  CHECK_EQ(bad, 0U);
  CHECK_EQ(ring.used(), 0U);
}
