#include "tls/client_hello.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::tls;

namespace {

constexpr const char* kVectors = "test/vectors/client-hello.txt";

struct Vector {
  int line = 0;
  std::string bytes;
  std::string expected;
};

std::string bytesOf(std::string_view text) {
  std::string out;
  const auto byteAt = [&](std::size_t at) {
    return static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
  };
  for (std::size_t i = 0; text != "-" && i < text.size(); i += 2) {
    if (text[i] != '(') {
      out += byteAt(i);
      continue;
    }
    const std::size_t end = text.find(')', i);
    out.append(std::stoul(std::string(text.substr(i + 4, end - i - 4))), byteAt(i + 1));
    i = end - 1;
  }
  return out;
}

std::vector<Vector> readVectors() {
  std::vector<Vector> all;
  std::ifstream file(kVectors);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    std::istringstream fields(line);
    std::string what;
    std::string bytes;
    std::string expected;
    std::getline(fields, what, '\t');
    std::getline(fields, bytes, '\t');
    std::getline(fields, expected);
    all.push_back({number, bytesOf(bytes), expected});
  }
  return all;
}

std::string read(std::string_view input) {
  // On the heap, at its exact size, so that a byte too many is found.
  std::vector<char> fragments(kMaxClientHello);
  ClientHello hello;
  switch (readClientHello(
      input, std::span<char, kMaxClientHello>(fragments.data(), kMaxClientHello), hello)) {
  case ClientHelloState::Partial:
    return "more";
  case ClientHelloState::NotTls:
    return "not-tls";
  case ClientHelloState::Bad:
    return "bad";
  case ClientHelloState::Done:
    break;
  }
  std::string protocols;
  for (std::string_view rest = hello.alpn; !rest.empty();) {
    const std::size_t size = static_cast<unsigned char>(rest.front());
    protocols += (protocols.empty() ? "" : ",") + std::string(rest.substr(1, size));
    rest.remove_prefix(1 + size);
  }
  const auto shown = [](const std::string& text) { return text.empty() ? "''" : text; };
  return "hello\t" + shown(std::string(hello.serverName())) + "\t" + shown(protocols);
}

} // namespace

TEST("ClientHellos are read as the shared vectors say, and no byte beyond them") {
  const std::vector<Vector> vectors = readVectors();
  CHECK(vectors.size() > 90);
  for (const auto& [line, bytes, expected] : vectors) {
    const test::Guarded guarded(bytes);
    const std::string actual = read(guarded.text());
    if (actual != expected) {
      test::fail(kVectors, line, "gave " + actual);
    }
  }
}

TEST("ClientHellos ask for more at every cut until they are whole") {
  for (const auto& [line, bytes, expected] : readVectors()) {
    if (!expected.starts_with("hello") || bytes.size() > 4096) {
      continue;
    }
    std::size_t cut = 0;
    while (read(test::Guarded(std::string_view(bytes).substr(0, cut)).text()) == "more") {
      ++cut;
    }
    for (; cut <= bytes.size(); ++cut) {
      if (read(std::string_view(bytes).substr(0, cut)) != expected) {
        test::fail(kVectors, line, "changes its mind at " + std::to_string(cut));
        break;
      }
    }
  }
}
