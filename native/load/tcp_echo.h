// The Protocol of load-tcp's messages (load/clients.h): each is sent to an echo port, and what comes
// back is compared with it byte for byte. A message says who sent it and its number, so that no
// other can be mistaken for it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "load/clients.h"
#include "load/pattern.h"

namespace sluice::load {

class Echoes {
 public:
  struct Exchange {
    std::uint64_t sequence = 0;
    std::uint64_t received = 0;
  };

  explicit Echoes(std::uint32_t size) : pattern_(std::make_unique<Pattern>()), message_(size) {}

  [[nodiscard]] std::uint64_t requestBytes() const { return message_.size(); }
  [[nodiscard]] static std::uint64_t answerBytes(const Exchange& exchange) {
    return exchange.received;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  void setThorough(bool) {} // it always is

  static void begin(Exchange& exchange) {
    ++exchange.sequence;
    exchange.received = 0;
  }

  [[nodiscard]] std::size_t request(const Exchange& exchange, std::uint32_t number,
                                    std::uint64_t offset, std::array<iovec, 2>& spans) {
    writeMessage(*pattern_, {number, 0, exchange.sequence}, message_);
    spans[0] = {message_.data() + offset, message_.size() - static_cast<std::size_t>(offset)};
    return 1;
  }

  [[nodiscard]] Progress receive(Exchange& exchange, std::uint32_t number,
                                 std::span<const std::byte> data) {
    writeMessage(*pattern_, {number, 0, exchange.sequence}, message_);
    if (exchange.received + data.size() > message_.size() ||
        std::memcmp(message_.data() + exchange.received, data.data(), data.size()) != 0) {
      return Progress::Wrong;
    }
    exchange.received += data.size();
    return exchange.received == message_.size() ? Progress::Done : Progress::More;
  }

  [[nodiscard]] static Progress end(const Exchange&) { return Progress::More; }

 private:
  std::unique_ptr<Pattern> pattern_;
  std::vector<std::byte> message_;
  std::string problem_ = "other bytes than were sent";
};

} // namespace sluice::load
