// Paths: the normal form is its own normal form, no longer than what came, and free of what we
// promise it is free of.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "http/path.h"

using namespace sluice::http;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<char> scratch(size);
  const PathResult result = normalizePath(input, scratch);
  if (!result.ok) {
    return 0;
  }
  const std::string_view path = result.path;
  require(path.starts_with('/') && path.size() <= size);
  for (std::size_t i = 0; i < path.size(); ++i) {
    require(path[i] > ' ' && path[i] < 0x7f && path[i] != '\\' && path[i] != '#' && path[i] != '?');
    if (path[i] == '/') {
      const std::string_view rest = path.substr(i + 1);
      const std::string_view segment = rest.substr(0, rest.find('/'));
      require(segment != "." && segment != "..");
    }
  }
  std::vector<char> more(path.size());
  const PathResult again = normalizePath(path, more);
  require(again.ok && again.path == path);
  return 0;
}
