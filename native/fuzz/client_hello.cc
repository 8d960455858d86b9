// ClientHellos: a verdict is never taken back when more comes, names are names, and the same message
// in other records asks for the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tls/client_hello.h"

using namespace sluice::tls;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

struct Outcome {
  ClientHelloState state = ClientHelloState::Partial;
  std::string name;
  std::string alpn;

  bool operator==(const Outcome& other) const = default;
};

/// From buffers of exactly their size, so that a byte too many is found.
Outcome read(std::string_view input) {
  const std::vector<char> exact(input.begin(), input.end());
  std::vector<char> fragments(kMaxClientHello);
  ClientHello hello;
  Outcome out;
  out.state =
      readClientHello({exact.data(), exact.size()},
                      std::span<char, kMaxClientHello>(fragments.data(), kMaxClientHello), hello);
  if (out.state == ClientHelloState::Done) {
    out.name = hello.serverName();
    out.alpn = hello.alpn;
  }
  return out;
}

/// What the records at the front carry, as far as they are whole.
std::string messageOf(std::string_view input) {
  std::string message;
  while (input.size() >= 5) {
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(input[3]) << 8 |
                                                      static_cast<unsigned char>(input[4]));
    message += input.substr(5, size);
    input.remove_prefix(std::min(5 + size, input.size()));
  }
  return message;
}

std::string inRecords(std::string_view message, std::size_t most) {
  std::string out;
  while (!message.empty()) {
    const std::string_view part = message.substr(0, most);
    out += {22, 3, 1, static_cast<char>(part.size() >> 8), static_cast<char>(part.size() & 0xff)};
    out += part;
    message.remove_prefix(part.size());
  }
  return out;
}

void requireGood(const Outcome& outcome) {
  require(outcome.name.size() <= kMaxServerName);
  for (const char c : outcome.name) {
    require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_');
  }
  for (std::string_view rest = outcome.alpn; !rest.empty();) {
    const std::size_t size = static_cast<unsigned char>(rest.front());
    require(size > 0 && size < rest.size());
    rest.remove_prefix(1 + size);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(input);
  for (const std::size_t cut : {std::size_t{2}, std::size_t{6}, size / 2, size - size / 8}) {
    const Outcome early = read(input.substr(0, std::min(cut, size)));
    require(early.state == ClientHelloState::Partial || early == whole);
  }
  if (whole.state != ClientHelloState::Done) {
    return 0;
  }
  requireGood(whole);
  std::string message = messageOf(input);
  const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(message[2]) << 8 |
                                                      static_cast<unsigned char>(message[3]));
  // Whatever follows the message is not its concern.
  message.resize(4 + length);
  require(read(inRecords(message, 16 * 1024)) == whole);
  require(read(inRecords(message, 64)) == whole);
  return 0;
}
