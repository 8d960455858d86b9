#include "relay/claim.h"

#include <algorithm>

namespace sluice::relay {

namespace {

/// The longest request head that is waited for; a plain look at a connection holds as much.
constexpr std::uint32_t kMaxHeadBytes = 32 * 1024;
/// The longest word that may become a method.
constexpr std::size_t kMaxMethodBytes = 24;

constexpr plan::Limits kLimits{
    .headBytes = kMaxHeadBytes, .headerCount = http::kMaxFields, .targetBytes = kMaxHeadBytes};

enum class Likeness : std::uint8_t { None, Possible, Certain };

/// Whether it begins as a request does: a method in capitals, a space, and a path, `*` or
/// `http://`.
Likeness likenessToHttp(std::string_view input) noexcept {
  constexpr std::string_view kEmptyLine = "\r\n";
  constexpr std::string_view kScheme = "http://";
  // Servers bear with an empty line in front of a request (RFC 9112, section 2.2).
  if (input.starts_with(kEmptyLine)) {
    input.remove_prefix(kEmptyLine.size());
  } else if (input == kEmptyLine.substr(0, 1)) {
    return Likeness::Possible;
  }
  const auto end = std::find_if_not(input.begin(), input.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
  const auto length = static_cast<std::size_t>(end - input.begin());
  if (length > kMaxMethodBytes) {
    return Likeness::None;
  }
  if (length == input.size()) {
    return Likeness::Possible;
  }
  if (length == 0 || input[length] != ' ') {
    return Likeness::None;
  }
  const std::string_view target = input.substr(length + 1);
  if (target.empty()) {
    return Likeness::Possible;
  }
  if (target.front() == '/' || target.front() == '*' || target.starts_with(kScheme)) {
    return Likeness::Certain;
  }
  return kScheme.starts_with(target) ? Likeness::Possible : Likeness::None;
}

/// Names only: an address that the client names says nothing that its connection does not say.
void takeHost(std::string_view host, Claim& claim) noexcept {
  policy::Destination named;
  if (!host.empty() && policy::parseDestinationHost(host, named) && !named.isAddress()) {
    claim.host = named;
  }
}

bool readHttp(std::string_view input, bool isWhole, http::RequestHead& head,
              Claim& claim) noexcept {
  const Likeness likeness = likenessToHttp(input);
  if (likeness != Likeness::Certain) {
    return isWhole || likeness == Likeness::None;
  }
  const http::ParseResult parsed = http::parseRequest(input, kLimits, head);
  // HTTP/2 that both sides know of begins so, and is no request.
  claim.spoken = input.starts_with("PRI * HTTP/2") ? Spoken::Other : Spoken::Http;
  switch (parsed.state) {
  case http::ParseState::Partial:
    return isWhole;
  case http::ParseState::Bad:
    return true;
  case http::ParseState::Done:
    claim.isHead = head.methodId == http::Method::Head;
    takeHost(head.host, claim);
    return true;
  }
  return true;
}

} // namespace

bool readClaim(std::string_view input, bool isWhole,
               std::span<char, tls::kMaxClientHello> fragments, http::RequestHead& head,
               Claim& claim) noexcept {
  claim = {};
  if (input.empty()) {
    return isWhole;
  }
  tls::ClientHello hello;
  switch (tls::readClientHello(input, fragments, hello)) {
  case tls::ClientHelloState::NotTls:
    return readHttp(input, isWhole, head, claim);
  case tls::ClientHelloState::Partial:
    // The first byte alone is not TLS yet.
    claim.spoken = input.size() > 1 ? Spoken::Tls : Spoken::Other;
    return isWhole;
  case tls::ClientHelloState::Bad:
    claim.spoken = Spoken::Tls;
    return true;
  case tls::ClientHelloState::Done:
    claim.spoken = Spoken::Tls;
    takeHost(hello.serverName(), claim);
    return true;
  }
  return true;
}

} // namespace sluice::relay
