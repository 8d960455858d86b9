// The TCP roles of the origin:
//   echo    sends back what arrives
//   source  sends the pattern for as long as the client stays; stops when the client half-closes
//   sink    swallows the pattern; when the client half-closes, or says kSinkEnd where a proxy between
//           does not pass a half-close on, answers with two little-endian 64-bit numbers (bytes
//           swallowed before that, 1 if the checked beginning was wrong), then closes
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "load/entry.h"

namespace sluice::load {

enum class Role { Echo, Source, Sink };

/// Is nowhere in the pattern.
inline constexpr std::array<char, 16> kSinkEnd = {'t', 'h', 'e', ' ', 'e', 'n', 'd', ' ',
                                                  'o', 'f', ' ', 'b', 'y', 't', 'e', 's'};

/// Owned by itself: deletes itself once its socket is closed.
class TcpConnection final : public Entry {
 public:
  TcpConnection(Shared& shared, int fd, Role role) : shared_(shared), fd_(fd), role_(role) {
    shared_.epoll.add(fd, role == Role::Source ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }

  void onReady(std::uint32_t events) override {
    bool isOpen = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (isOpen && (events & EPOLLOUT) != 0) {
      isOpen = role_ == Role::Source ? sendPattern() : sendPending();
    }
    if (isOpen && (events & EPOLLIN) != 0) {
      isOpen = receive();
    }
    if (!isOpen) {
      ::close(fd_);
      delete this;
    }
  }

 private:
  static constexpr std::uint64_t kCheckedBytes = 1024 * 1024;

  [[nodiscard]] bool receive() {
    const ssize_t length = ::recv(fd_, shared_.buffer.data(), shared_.buffer.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length) || (length == 0 && onEnd());
    }
    const std::span<const std::byte> data(shared_.buffer.data(), static_cast<std::size_t>(length));
    if (role_ == Role::Echo) {
      return echo(data);
    }
    return role_ != Role::Sink || swallow(data);
  }

  /// Whether more is to come.
  [[nodiscard]] bool swallow(std::span<const std::byte> data) {
    if (const std::size_t room = kCheckedBytes + kSinkEnd.size() - beginning_.size(); room > 0) {
      const std::span<const std::byte> first = data.first(std::min(room, data.size()));
      beginning_.insert(beginning_.end(), first.begin(), first.end());
    }
    bytes_ += data.size();
    // The last bytes, also when they came in pieces.
    const std::size_t fresh = std::min(data.size(), last_.size());
    std::memmove(last_.data(), last_.data() + fresh, last_.size() - fresh);
    std::memcpy(last_.data() + last_.size() - fresh, data.data() + data.size() - fresh, fresh);
    if (std::memcmp(last_.data(), kSinkEnd.data(), kSinkEnd.size()) != 0) {
      return true;
    }
    bytes_ -= kSinkEnd.size();
    tellSwallowed();
    return false;
  }

  [[nodiscard]] bool echo(std::span<const std::byte> data) {
    const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && !mayTryAgain(sent)) {
      return false;
    }
    const std::size_t done = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    if (done < data.size()) {
      pending_.assign(data.begin() + static_cast<std::ptrdiff_t>(done), data.end());
      shared_.epoll.change(fd_, EPOLLOUT, this);
    }
    return true;
  }

  [[nodiscard]] bool sendPending() {
    const ssize_t sent = ::send(fd_, pending_.data(), pending_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return mayTryAgain(sent);
    }
    pending_.erase(pending_.begin(), pending_.begin() + sent);
    if (pending_.empty()) {
      shared_.epoll.change(fd_, EPOLLIN, this);
    }
    return true;
  }

  [[nodiscard]] bool sendPattern() {
    const std::span<const std::byte> data = shared_.pattern.from(bytes_);
    const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    bytes_ += sent > 0 ? static_cast<std::uint64_t>(sent) : 0;
    return sent >= 0 || mayTryAgain(sent);
  }

  /// The client is done. Returns whether the connection stays open: it never does.
  [[nodiscard]] bool onEnd() const {
    if (role_ == Role::Sink) {
      tellSwallowed();
    }
    return false;
  }

  void tellSwallowed() const {
    const auto checked = static_cast<std::size_t>(std::min(bytes_, kCheckedBytes));
    const bool isRight = shared_.pattern.matches(0, std::span(beginning_).first(checked));
    const std::uint64_t answer[2] = {bytes_, isRight ? 0U : 1U};
    static_cast<void>(::send(fd_, answer, sizeof answer, MSG_NOSIGNAL));
  }

  Shared& shared_;
  int fd_;
  Role role_;
  std::uint64_t bytes_ = 0;
  std::vector<std::byte> beginning_;              ///< of a sink's bytes, to be checked at the end
  std::array<std::byte, kSinkEnd.size()> last_{}; ///< of a sink's bytes
  std::vector<std::byte> pending_;
};

/// What a listener of that role does with a connection.
[[nodiscard]] inline auto play(Shared& shared, Role role) {
  return [&shared, role](int fd) { new TcpConnection(shared, fd, role); }; // deletes itself
}

} // namespace sluice::load
