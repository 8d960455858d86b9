// SOCKS messages: a verdict is never taken back when more comes, nothing beyond a message is looked
// at, what it points to lies within it, and what was understood is written and understood as the
// same. The first byte of the input chooses the message.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "socks/messages.h"

using namespace sluice::socks;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void requireWithin(std::string_view part, std::string_view whole) {
  require(part.empty() || (part.data() >= whole.data() &&
                           part.data() + part.size() <= whole.data() + whole.size()));
}

bool isSame(const Address& a, const Address& b) {
  return a.type == b.type && a.port == b.port && a.host == b.host;
}

/// What one reader made of an input.
struct Outcome {
  State state = State::Partial;
  std::size_t bytes = 0;
};

void checkRequest(const Request& request, std::string_view input, std::size_t most) {
  require(request.bytes <= most);
  requireWithin(request.address.host, input);
  requireWithin(request.user, input);
  if (request.address.type == AddressType::Unknown) {
    return;
  }
  std::array<char, kMaxReplyBytes> space;
  Request again;
  const std::string_view written =
      writeRequest(static_cast<Command>(request.command), request.address, space);
  require(readRequest(written, again) == State::Done && again.bytes == written.size());
  require(again.command == request.command && isSame(again.address, request.address));
}

void checkLogin(const Login& login, std::string_view input) {
  requireWithin(login.name, input);
  requireWithin(login.password, input);
  std::array<char, kMaxLoginBytes> space;
  require(writeLogin(login.name, login.password, space) == input.substr(0, login.bytes));
}

Outcome read(unsigned kind, std::string_view input) {
  Greeting greeting;
  Verdict verdict;
  Login login;
  Request request;
  Reply reply;
  DatagramHeader header;
  State state = State::Bad;
  switch (kind % 8) {
  case 0:
    state = readGreeting(input, greeting);
    requireWithin(greeting.methods, input);
    require(greeting.bytes <= kMaxGreetingBytes);
    return {state, greeting.bytes};
  case 1:
    return {readMethod(input, verdict), 2};
  case 2:
    state = readLogin(input, login);
    if (state == State::Done) {
      checkLogin(login, input);
    }
    return {state, login.bytes};
  case 3:
    return {readLoginReply(input, verdict), 2};
  case 4:
    state = readRequest(input, request);
    if (state == State::Done) {
      checkRequest(request, input, kMaxRequestBytes);
    }
    return {state, request.bytes};
  case 5:
    state = readReply(input, reply);
    requireWithin(reply.bound.host, input);
    return {state, reply.bytes};
  case 6:
    state = readRequest4(input, request);
    if (state == State::Done) {
      checkRequest(request, input, kMaxRequest4Bytes);
    }
    return {state, request.bytes};
  default:
    // Whole or bad: what is cut counts as not yet decided.
    state = readDatagram(input, header) ? State::Done : State::Partial;
    requireWithin(header.address.host, input);
    return {state, header.bytes};
  }
}

/// From a buffer of exactly its size, so that a byte too many is found.
Outcome readExactly(unsigned kind, std::string_view input) {
  const std::vector<char> exact(input.begin(), input.end());
  return read(kind, {exact.data(), exact.size()});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const unsigned kind = data[0];
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = readExactly(kind, input);
  for (std::size_t cut = 0; cut < std::min<std::size_t>(input.size(), 1024); ++cut) {
    const Outcome early = readExactly(kind, input.substr(0, cut));
    require(early.state == State::Partial ||
            (early.state == whole.state && (early.state == State::Bad || early.bytes <= cut)));
    require(early.state != State::Done || early.bytes == whole.bytes);
  }
  if (whole.state == State::Done) {
    require(whole.bytes > 0 && whole.bytes <= input.size());
    const Outcome alone = readExactly(kind, input.substr(0, whole.bytes));
    require(alone.state == State::Done && alone.bytes == whole.bytes);
  }
  return 0;
}
