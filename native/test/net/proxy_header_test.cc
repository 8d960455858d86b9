#include "net/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/http/guarded.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::net;

namespace {

constexpr const char* kVectors = "test/vectors/proxy-header.txt";

struct Vector {
  int line = 0;
  std::vector<std::string> fields;
};

std::vector<Vector> readVectors(const std::string& what) {
  std::vector<Vector> all;
  std::ifstream file(kVectors);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::vector<std::string> fields;
    std::istringstream stream(line);
    for (std::string field; std::getline(stream, field, '\t');) {
      fields.push_back(field);
    }
    if (!fields.empty() && fields[0] == what) {
      all.push_back({number, fields});
    }
  }
  return all;
}

std::string unescape(std::string_view text) {
  if (text == "''") {
    return {};
  }
  const auto byteAt = [&](std::size_t at) {
    return static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[i + 1] == 'x') {
      out += byteAt(i + 2);
      i += 3;
    } else if (text[i + 1] == '*') {
      const std::size_t end = text.find(';', i);
      out.append(std::stoul(std::string(text.substr(i + 4, end - i - 4))), byteAt(i + 2));
      i = end;
    } else {
      out += text[++i];
    }
  }
  return out;
}

std::string textOf(const IpPort& address) {
  char text[64];
  return {text, address.socketAddress().format(text)};
}

std::string read(std::string_view input) {
  ProxyHeader header;
  switch (readProxyHeader(input, header)) {
  case ProxyHeaderState::Partial:
    return "more";
  case ProxyHeaderState::Absent:
    return "absent";
  case ProxyHeaderState::Bad:
    return "bad";
  case ProxyHeaderState::Done:
    break;
  }
  const std::string size = std::to_string(header.bytes);
  return header.source.isKnown()
             ? size + " " + textOf(header.source) + " " + textOf(header.destination)
             : size + " own";
}

IpPort addressOf(const std::string& text) {
  if (text == "-") {
    return {};
  }
  const std::size_t colon = text.rfind(':');
  const bool isV6 = text[0] == '[';
  IpPort out{.family = isV6 ? AddressFamily::Ipv6 : AddressFamily::Ipv4,
             .port = static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)))};
  const std::string host = isV6 ? text.substr(1, colon - 2) : text.substr(0, colon);
  CHECK_EQ(::inet_pton(isV6 ? AF_INET6 : AF_INET, host.c_str(), out.bytes.data()), 1);
  return out;
}

} // namespace

TEST("PROXY headers are read as the shared vectors say, and no byte beyond them") {
  const std::vector<Vector> vectors = readVectors("read");
  CHECK(vectors.size() > 150);
  for (const auto& [line, fields] : vectors) {
    const test::Guarded guarded(unescape(fields[1]));
    const std::string actual = read(guarded.text());
    if (actual != fields[2]) {
      test::fail(kVectors, line, "gave " + actual);
    }
  }
}

TEST("PROXY headers ask for more at every cut") {
  for (const auto& [line, fields] : readVectors("read")) {
    const std::string input = unescape(fields[1]);
    const std::size_t length = std::strtoul(fields[2].c_str(), nullptr, 10);
    for (std::size_t cut = 0; cut < std::min<std::size_t>(length, 400); ++cut) {
      const test::Guarded guarded(std::string_view(input).substr(0, cut));
      if (read(guarded.text()) != "more") {
        test::fail(kVectors, line, "is decided at " + std::to_string(cut));
      }
    }
  }
}

TEST("PROXY headers are written as the shared vectors say") {
  const std::vector<Vector> vectors = readVectors("write");
  CHECK(vectors.size() > 10);
  for (const auto& [line, fields] : vectors) {
    std::array<char, kMaxSentProxyHeaderBytes> into;
    const ProxySend version = fields[1] == "v1" ? ProxySend::V1 : ProxySend::V2;
    const std::string_view written =
        writeProxyHeader(version, addressOf(fields[2]), addressOf(fields[3]), into);
    if (written != unescape(fields[4])) {
      test::fail(kVectors, line, "gave " + std::string(written));
    }
  }
}

TEST("what a header says of a socket's address is its IP address, or nothing") {
  const std::array<std::uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
  const IpPort v4 = IpPort::of(SocketAddress::ip(AddressFamily::Ipv6, mapped, 80));
  CHECK(v4.family == AddressFamily::Ipv4);
  CHECK_EQ(textOf(v4), "192.0.2.7:80");
  CHECK(!IpPort::of(SocketAddress::unixPath("/run/a.sock")).isKnown());
  CHECK(!IpPort().isKnown());
}
