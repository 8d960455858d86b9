#include "http/path.h"

#include <fstream>
#include <string>
#include <vector>

#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;

namespace {

constexpr const char* kVectors = "test/vectors/path.txt";

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[i + 1] == 'x') {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16));
      i += 3;
    } else {
      out += text[++i];
    }
  }
  return out;
}

} // namespace

TEST("paths take the normal form that the shared vectors give") {
  std::ifstream file(kVectors);
  std::string line;
  int count = 0;
  while (std::getline(file, line)) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t tab = line.find('\t');
    const std::string input = unescape(std::string_view(line).substr(0, tab));
    const std::string expected = unescape(std::string_view(line).substr(tab + 1));
    const test::Guarded guarded(input);
    std::vector<char> scratch(input.size());
    const PathResult result = normalizePath(guarded.text(), scratch);
    const std::string actual = result.ok ? std::string(result.path) : "-";
    if (actual != expected) {
      test::fail(kVectors, count, line + " gave " + actual);
    }
    if (result.ok) {
      std::vector<char> more(result.path.size());
      CHECK_EQ(normalizePath(result.path, more).path, result.path);
    }
    ++count;
  }
  CHECK(count > 100);
}

TEST("a normal path comes back as it is, without scratch") {
  for (const std::string_view path : {"/", "/a/b.c", "/.well-known/x", "/a/...", "//a//"}) {
    const PathResult result = normalizePath(path, {});
    CHECK(result.ok);
    CHECK(result.path.data() == path.data());
  }
}

TEST("scratch that is too small is an answer, not a crash") {
  std::vector<char> scratch(3);
  CHECK(!normalizePath("/%41b", scratch).ok);
}
