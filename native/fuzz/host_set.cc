// Sets of hosts: in whatever counts as sound, every search ends and stays within, for the names that
// it has and for others.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "plan/host_set.h"

using sluice::plan::HostSet;

namespace {

// As src/plan/host-set.ts describes them.
constexpr std::size_t kHeader = 320;
constexpr std::size_t kBlock = 320;

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // From a buffer of exactly its size, so that a byte too many is found.
  const std::vector<std::uint8_t> exact(data, data + size);
  if (!HostSet::isSound(exact)) {
    return 0;
  }
  const HostSet set(exact);
  const std::vector<char> text(data, data + size);
  std::size_t found = 0;
  const auto ask = [&](std::size_t at, std::size_t length) {
    found += set.has(std::string_view(text.data() + at, std::min(length, size - at))) ? 1U : 0U;
  };
  // Its names, and each with a letter before it.
  for (std::size_t block = kHeader; block < size; block += kBlock) {
    const std::size_t count = exact[block];
    const std::size_t lengths = block + 2 + count;
    std::size_t name = lengths + count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t length = exact[lengths + i];
      ask(name, length);
      ask(name - 1, length + 1);
      name += length;
    }
  }
  // And whatever else its bytes say.
  for (std::size_t at = 0; at < size; ++at) {
    ask(at, static_cast<unsigned char>(text[at]));
  }
  found += set.has("") || set.has(".") || set.has("a.b.c.example.com") ? 1U : 0U;
  // Keeps the look-ups above.
  volatile std::size_t sink = found;
  static_cast<void>(sink);
  return 0;
}
