#include "plan/address_set.h"

#include <random>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::plan;

namespace {

Cidr cidrOf(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::vector<std::uint8_t> bytes = test::addressOf(text.substr(0, slash));
  Cidr cidr;
  cidr.family = bytes.size() == 4 ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
  std::copy(bytes.begin(), bytes.end(), cidr.bytes.begin());
  cidr.bits = static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)));
  return cidr;
}

AddressSet setOf(const std::vector<std::string>& blocks) {
  std::vector<Cidr> cidrs;
  for (const std::string& block : blocks) {
    cidrs.push_back(cidrOf(block));
  }
  return AddressSet(cidrs);
}

bool has(const AddressSet& set, const std::string& address) {
  return set.has(test::addressOf(address));
}

} // namespace

TEST("a set of addresses holds what is in its blocks, to both ends") {
  const AddressSet set = setOf({"10.0.0.0/8", "192.0.2.7/32", "2001:db8::/33", "::1/128"});
  for (const char* inside : {"10.0.0.0", "10.255.255.255", "192.0.2.7",
                             "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "::1"}) {
    CHECK(has(set, inside));
  }
  for (const char* outside : {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8",
                              "2001:db8:8000::", "2001:db7:ffff::", "::", "::2"}) {
    CHECK(!has(set, outside));
  }
}

TEST("an IPv4-mapped address is looked up as IPv4, and other embeddings are not") {
  const AddressSet set = setOf({"10.0.0.0/8", "64:ff9b::/96"});
  CHECK(has(set, "::ffff:10.1.2.3"));
  CHECK(!has(set, "::10.1.2.3"));
  CHECK(has(set, "64:ff9b::10.1.2.3"));
}

TEST("everything, nothing, and what is no address") {
  CHECK(has(setOf({"0.0.0.0/0"}), "255.255.255.255"));
  CHECK(has(setOf({"0.0.0.0/0"}), "0.0.0.0"));
  CHECK(!has(setOf({"0.0.0.0/0"}), "::1"));
  CHECK(has(setOf({"::/0"}), "ffff::"));
  CHECK(setOf({}).empty());
  CHECK(!has(setOf({}), "10.0.0.1"));
  CHECK(!setOf({"0.0.0.0/0", "::/0"}).has({}));
}

TEST("blocks within and beside each other are joined and lose nothing") {
  const AddressSet set = setOf({"10.1.0.0/16", "10.0.0.0/8", "10.2.3.4/32", "12.0.0.0/8"});
  CHECK_EQ(set.size(), 2U);
  CHECK(has(set, "10.255.0.0"));
  CHECK(!has(set, "11.0.0.0"));
  CHECK(has(set, "12.3.4.5"));
}

TEST("many blocks hold what each of them alone holds") {
  std::mt19937 random(7);
  std::vector<Cidr> blocks;
  for (int i = 0; i < 2000; ++i) {
    Cidr block;
    block.family = i % 2 == 0 ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
    block.bits = static_cast<std::uint8_t>(12 + random() % (i % 2 == 0 ? 21 : 60));
    for (std::size_t bit = 0; bit < block.bits; ++bit) {
      block.bytes[bit / 8] =
          static_cast<std::uint8_t>(block.bytes[bit / 8] | (random() & 1U) << (7 - bit % 8));
    }
    // Few first bytes, so that they meet.
    block.bytes[0] = static_cast<std::uint8_t>(block.bytes[0] & 3U);
    blocks.push_back(block);
  }
  const AddressSet set(blocks);
  int inside = 0;
  for (int i = 0; i < 4000; ++i) {
    std::vector<std::uint8_t> address(i % 2 == 0 ? 4 : 16);
    for (std::uint8_t& byte : address) {
      byte = static_cast<std::uint8_t>(random());
    }
    address[0] = static_cast<std::uint8_t>(address[0] & 3U);
    bool isInside = false;
    for (const Cidr& block : blocks) {
      isInside = isInside || block.contains(address);
    }
    CHECK_EQ(set.has(address), isInside);
    inside += isInside ? 1 : 0;
  }
  CHECK(inside > 400 && inside < 3600);
}
