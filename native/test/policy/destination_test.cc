#include "policy/destination.h"

#include <string>

#include "test/http/guarded.h"
#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

std::string kindOf(const Destination& destination) {
  return !destination.isAddress()                    ? "name"
         : destination.family == AddressFamily::Ipv4 ? "ipv4"
                                                     : "ipv6";
}

std::string readAuthority(std::string_view text, std::uint16_t defaultPort) {
  Destination out;
  const test::Guarded guarded(text);
  if (!parseDestination(guarded.text(), defaultPort, out)) {
    return "-";
  }
  return kindOf(out) + ' ' + std::string(out.host()) + ' ' + std::to_string(out.port);
}

std::string readHost(std::string_view text) {
  Destination out;
  const test::Guarded guarded(text);
  return parseDestinationHost(guarded.text(), out) ? kindOf(out) + ' ' + std::string(out.host())
                                                   : "-";
}

} // namespace

TEST("destinations are read as the shared vectors say") {
  int count = 0;
  for (const test::Vector& vector : test::readVectors("destination")) {
    const bool hasDefault = vector.at(2) != "-";
    const std::string actual =
        vector.at(0) == "host"
            ? readHost(vector.at(1))
            : readAuthority(vector.at(1),
                            static_cast<std::uint16_t>(hasDefault ? std::stoi(vector.at(2)) : 0));
    if (actual != vector.fields.back()) {
      test::fail(test::pathOfVectors("destination").c_str(), vector.line, "gave " + actual);
    }
    ++count;
  }
  CHECK(count > 300);
}

TEST("what has been read reads the same again, and addresses have their bytes") {
  for (const test::Vector& vector : test::readVectors("destination")) {
    Destination out;
    if (!parseDestination(vector.at(1), 80, out)) {
      continue;
    }
    Destination again;
    CHECK(parseDestinationHost(out.host(), again));
    CHECK_EQ(again.host(), out.host());
    CHECK(again.family == out.family);
    const std::vector<std::uint8_t> bytes = test::addressOf(std::string(out.host()));
    CHECK_EQ(std::vector<std::uint8_t>(out.address().begin(), out.address().end()), bytes);
    Destination ofBytes;
    if (out.isAddress()) {
      setDestinationAddress(out.address(), ofBytes);
      CHECK_EQ(ofBytes.host(), out.host());
      CHECK(ofBytes.bytes == out.bytes && ofBytes.family == out.family);
    }
  }
}

TEST("an IPv4-mapped address in bytes is the IPv4 address inside") {
  Destination out;
  setDestinationAddress(test::addressOf("::ffff:169.254.169.254"), out);
  CHECK_EQ(out.host(), "169.254.169.254");
  CHECK(out.family == AddressFamily::Ipv4);
}
