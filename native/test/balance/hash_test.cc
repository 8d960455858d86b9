#include "balance/hash.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "balance/rng.h"
#include "test/balance/vectors.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::balance;

namespace {

std::vector<std::uint8_t> fromHex(const std::string& hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::strtoul(hex.substr(i, 2).c_str(), nullptr, 16)));
  }
  return bytes;
}

} // namespace

TEST("hashes and random numbers are those of the shared vectors") {
  int seen = 0;
  for (const test::Words& words : test::readBalanceVectors("hash")) {
    ++seen;
    if (words[0] == "hash") {
      const auto bytes = fromHex(words[1]);
      CHECK_EQ(murmur3(bytes, static_cast<std::uint32_t>(test::number(words[2]))),
               test::number(words[3]));
    } else if (words[0] == "rehash") {
      CHECK_EQ(rehash(static_cast<std::uint32_t>(test::number(words[1])),
                      static_cast<std::uint32_t>(test::number(words[2]))),
               test::number(words[3]));
    } else {
      CHECK_EQ(words[0], "rng");
      Rng rng(static_cast<std::uint32_t>(test::number(words[1])));
      for (std::size_t i = 2; i < words.size(); ++i) {
        CHECK_EQ(rng.next(), test::number(words[i]));
      }
    }
  }
  CHECK(seen > 20);
}
