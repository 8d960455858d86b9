// What a client that does not know of the proxy says first, read without a word to it: which
// protocol it speaks, and which host it means. That is its own claim; where it goes is another
// matter.
//
// Pure: bytes in, a claim out. Never allocates.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/request.h"
#include "policy/destination.h"
#include "tls/client_hello.h"

namespace sluice::relay {

enum class Spoken : std::uint8_t {
  /// Nothing yet, or what is neither of the others.
  Other,
  Tls,
  Http,
};

struct Claim {
  Spoken spoken = Spoken::Other;
  /// HTTP: the answer is to have no body.
  bool isHead = false;
  /// A name, without port; with no text when no host was named, or one by its address.
  policy::Destination host;

  [[nodiscard]] bool hasHost() const noexcept { return host.length != 0; }
};

/// `input`: all that the client has sent; `isWhole`: nothing more will come. False: more is needed
/// to tell, and `claim.spoken` is what is certain by now. `fragments` and `head` are working space.
[[nodiscard]] bool readClaim(std::string_view input, bool isWhole,
                             std::span<char, tls::kMaxClientHello> fragments,
                             http::RequestHead& head, Claim& claim) noexcept;

} // namespace sluice::relay
