// What a worker asks the control plane, which alone may wait for name servers and hash passwords.
// Questions leave through the outlet; their answers come back as commands of the worker's mailbox.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generated/codes.h"
#include "net/proxy_header.h"

namespace sluice::upstream {

struct Question {
  /// Unique over all workers.
  std::uint64_t id = 0;
  QuestionKind kind = QuestionKind::Addresses;
  /// The name of a host, or the file of users.
  std::string subject;
  // For a password:
  std::string name;
  std::string password;
};

/// What was found: ports are 0.
struct NameAnswer {
  Errc error = Errc::None;
  /// How long it holds; 0 = for those who have asked.
  std::uint32_t ttlMs = 0;
  std::vector<net::IpPort> addresses;
};

/// Where questions go. Called on the worker's thread.
class QuestionOutlet {
 public:
  /// Returns the id that the answer will bear.
  virtual std::uint64_t ask(QuestionKind kind, std::string_view subject, std::string_view name,
                            std::string_view password) noexcept = 0;

 protected:
  ~QuestionOutlet() = default;
};

} // namespace sluice::upstream
