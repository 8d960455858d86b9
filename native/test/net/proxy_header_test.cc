#include "net/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <vector>

#include "test/http/guarded.h"
#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::net;

namespace {

constexpr const char* kVectors = "test/vectors/proxy-header.txt";

std::vector<test::Vector> vectorsOf(const std::string& what) {
  std::vector<test::Vector> all = test::readVectors("proxy-header");
  std::erase_if(all, [&](const test::Vector& vector) { return vector.at(0) != what; });
  return all;
}

std::string textOf(const IpPort& address) {
  char text[64];
  return {text, address.socketAddress().format(text)};
}

using Reader = ProxyHeaderState (*)(std::string_view, ProxyHeader&) noexcept;

std::string read(std::string_view input, Reader reader = readProxyHeader) {
  ProxyHeader header;
  switch (reader(input, header)) {
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
  const std::vector<test::Vector> vectors = vectorsOf("read");
  CHECK(vectors.size() > 150);
  for (const auto& [line, fields] : vectors) {
    const test::Guarded guarded(fields[1]);
    const std::string actual = read(guarded.text());
    if (actual != fields[2]) {
      test::fail(kVectors, line, "gave " + actual);
    }
  }
}

TEST("PROXY headers ask for more at every cut") {
  for (const auto& [line, fields] : vectorsOf("read")) {
    const std::string& input = fields[1];
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
  const std::vector<test::Vector> vectors = vectorsOf("write");
  CHECK(vectors.size() > 10);
  for (const auto& [line, fields] : vectors) {
    std::array<char, kMaxSentProxyHeaderBytes> into;
    const ProxySend version = fields[1] == "v1" ? ProxySend::V1 : ProxySend::V2;
    const std::string_view written =
        writeProxyHeader(version, addressOf(fields[2]), addressOf(fields[3]), into);
    if (written != fields[4]) {
      test::fail(kVectors, line, "gave " + std::string(written));
    }
  }
}

TEST("PROXY headers of datagrams are read as the shared vectors say, and no byte beyond them") {
  const std::vector<test::Vector> vectors = vectorsOf("datagram");
  CHECK(vectors.size() > 20);
  for (const auto& [line, fields] : vectors) {
    const test::Guarded guarded(fields[1]);
    const std::string actual = read(guarded.text(), readDatagramHeader);
    if (actual != fields[2]) {
      test::fail(kVectors, line, "gave " + actual);
    }
  }
}

TEST("PROXY headers of datagrams are written as the shared vectors say") {
  const std::vector<test::Vector> vectors = vectorsOf("write-datagram");
  CHECK(vectors.size() > 3);
  for (const auto& [line, fields] : vectors) {
    std::array<char, kMaxSentDatagramHeaderBytes> into;
    const std::string_view written =
        writeDatagramHeader(addressOf(fields[1]), addressOf(fields[2]), into);
    if (written != fields[3]) {
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
