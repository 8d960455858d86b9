// The UDP role of the origin: sends each datagram back, in batches.
#pragma once

#include <sys/socket.h>

#include <array>
#include <vector>

#include "load/entry.h"

namespace sluice::load {

class UdpEcho final : public Entry {
 public:
  UdpEcho(Shared& shared, sockaddr_in& address)
      : fd_(bindTo(address, SOCK_DGRAM)), bytes_(kBatch * kLargestDatagram) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
    shared.epoll.add(fd_, EPOLLIN, this);
  }

  void onReady(std::uint32_t) override {
    for (std::size_t i = 0; i < kBatch; ++i) {
      spans_[i] = {bytes_.data() + i * kLargestDatagram, kLargestDatagram};
      headers_[i] = {};
      headers_[i].msg_hdr.msg_name = &clients_[i];
      headers_[i].msg_hdr.msg_namelen = sizeof clients_[i];
      headers_[i].msg_hdr.msg_iov = &spans_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = ::recvmmsg(fd_, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
      spans_[i].iov_len = headers_[i].msg_len;
    }
    for (int sent = 0; sent < count;) {
      const int done = ::sendmmsg(fd_, &headers_[static_cast<std::size_t>(sent)],
                                  static_cast<unsigned>(count - sent), 0);
      sent += done > 0 ? done : 1; // one that cannot be sent is lost, as on a wire
    }
  }

 private:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kLargestDatagram = 65'535;
  static constexpr int kBufferBytes = 4 * 1024 * 1024;

  int fd_;
  std::vector<std::byte> bytes_;
  std::array<sockaddr_in, kBatch> clients_{};
  std::array<iovec, kBatch> spans_{};
  std::array<mmsghdr, kBatch> headers_{};
};

} // namespace sluice::load
