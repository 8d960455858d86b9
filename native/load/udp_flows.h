// UDP flows: each is a connected socket, so a client address of its own, with a fixed number of
// slots for datagrams outstanding. Every reply is compared byte for byte with what was sent. A
// datagram without a reply after the timeout counts as lost and its slot is free again, so a loss
// never stalls the loop; should the reply come after all, it counts as late and no more as lost.
// Closed loop: a free slot sends at once. Open loop: an arrival takes a free slot or waits for one
// in a queue. One thread, one loop.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "load/arrivals.h"
#include "load/clients.h"
#include "load/latency.h"
#include "load/pattern.h"
#include "load/sockets.h"

namespace sluice::load {

struct FlowsShape {
  sockaddr_in to{};
  std::uint32_t flows = 64;
  std::uint32_t outstanding = 4;
  std::uint32_t size = 64;
  double timeoutSeconds = 0.2;
  ArrivalShape arrival;
};

/// Buffers for one recvmmsg or sendmmsg.
class Batch {
 public:
  static constexpr std::size_t kDatagrams = 64;

  explicit Batch(std::size_t size)
      : size_(size), bytes_(kDatagrams * size), spans_(kDatagrams), headers_(kDatagrams) {
    for (std::size_t i = 0; i < kDatagrams; ++i) {
      spans_[i] = {bytes_.data() + i * size, size};
      headers_[i].msg_hdr.msg_iov = &spans_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  [[nodiscard]] mmsghdr* headers() { return headers_.data(); }
  [[nodiscard]] std::span<std::byte> at(std::size_t i) {
    return {bytes_.data() + i * size_, size_};
  }
  [[nodiscard]] std::span<const std::byte> received(std::size_t i) {
    return at(i).first(headers_[i].msg_len);
  }

 private:
  std::size_t size_;
  std::vector<std::byte> bytes_;
  std::vector<iovec> spans_;
  std::vector<mmsghdr> headers_;
};

class Flows {
 public:
  explicit Flows(const FlowsShape& shape)
      : pattern_(std::make_unique<Pattern>()), shape_(shape),
        timeoutNs_(secondsToNs(shape.timeoutSeconds)), in_(shape.size + 1), out_(shape.size),
        flows_(shape.flows), arrivals_(shape.arrival), queue_(shape.arrival.queueLimit),
        free_(std::size_t{shape.flows} * shape.outstanding) {
    for (std::uint32_t i = 0; i < shape.flows; ++i) {
      flows_[i].fd = connectTo(shape.to, SOCK_DGRAM);
      flows_[i].number = i;
      flows_[i].slots.resize(shape.outstanding);
    }
  }

  /// One datagram there and back on each flow, or the end of the program. Opens the proxy's
  /// sessions too.
  void check() {
    for (Flow& flow : flows_) {
      if (!isAnswered(flow)) {
        fail("check: a datagram did not come back unharmed");
      }
      setNonBlocking(flow.fd);
      epoll_.add(flow.fd, EPOLLIN, &flow);
    }
  }

  void start() {
    for (std::uint32_t slot = 0; slot < shape_.outstanding; ++slot) {
      for (Flow& flow : flows_) {
        ready(flow, slot, nowNs());
        flush(flow);
      }
    }
    if (shape_.arrival.isOpen()) {
      wakeExactly();
      arrivals_.start(nowNs());
    }
  }

  void runFor(double seconds) {
    const std::uint64_t end = nowNs() + secondsToNs(seconds);
    while (nowNs() < end) {
      turn(end);
    }
  }

  void beginSample() { sampleFromNs_ = nowNs(); }
  void endSample() { sampleToNs_ = nowNs(); }

  /// Waits for what is outstanding without sending more, except what already waits.
  void finish() {
    isEnding_ = true;
    arrivals_.stop();
    const std::uint64_t end = nowNs() + timeoutNs_;
    while (nowNs() < end && (outstanding_ > 0 || !queue_.empty())) {
      turn(end);
    }
    tally_.lost += outstanding_ + queue_.size();
  }

  /// `answered` are replies in time.
  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] std::uint64_t doubled() const { return doubled_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] std::uint64_t notSent() const { return notSent_; }
  [[nodiscard]] const Latencies& latencies() const { return latencies_; }
  [[nodiscard]] const Latencies& lags() const { return lags_; }

 private:
  static constexpr std::uint64_t kScanNs = 10'000'000;
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  struct Slot {
    std::uint64_t sequence = 0;
    std::uint64_t intendedNs = 0;
    std::uint64_t sentNs = 0;
    /// The latest ones that are counted as lost; 0: none.
    std::array<std::uint64_t, 4> givenUp{};
    bool isOutstanding = false;
  };
  struct Flow {
    int fd = -1;
    std::uint32_t number = 0;
    std::vector<Slot> slots;
  };
  struct Free {
    Flow* flow = nullptr;
    std::uint32_t slot = 0;
  };

  void turn(std::uint64_t deadlineNs) {
    std::uint64_t now = nowNs();
    if (arrivals_.nextNs() <= now) {
      arrivals_.takeDue(now, [this, now](std::uint64_t intended) { onArrival(intended, now); });
      now = nowNs();
    }
    if (now >= scanNs_) {
      scanNs_ = now + kScanNs;
      giveUp(now);
    }
    const std::uint64_t until = std::min({deadlineNs, arrivals_.nextNs(), scanNs_});
    epoll_.turn(until > now ? static_cast<std::int64_t>(until - now) : 0,
                [this](void* owner, std::uint32_t) { onReadable(*static_cast<Flow*>(owner)); });
  }

  void onArrival(std::uint64_t intended, std::uint64_t now) {
    if (intended >= sampleFromNs_) {
      lags_.record(now - intended);
    }
    if (!free_.empty()) {
      const Free free = free_.pop();
      give(*free.flow, free.slot, intended, now);
      flush(*free.flow);
    } else if (!queue_.push(intended)) {
      ++tally_.dropped;
      ++tally_.lost;
    }
  }

  void onReadable(Flow& flow) {
    const int count = ::recvmmsg(flow.fd, in_.headers(), Batch::kDatagrams, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      refused_ += errno == ECONNREFUSED ? 1U : 0U;
      return;
    }
    const std::uint64_t now = nowNs();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      onReply(flow, in_.received(i), now);
    }
    flush(flow);
  }

  void onReply(Flow& flow, std::span<const std::byte> data, std::uint64_t now) {
    MessageHead head{};
    if (data.size() == shape_.size) {
      std::memcpy(&head, data.data(), kMessageHead);
    }
    if (data.size() != shape_.size || head.flow != flow.number || head.slot >= flow.slots.size() ||
        !isMessage(*pattern_, head, data)) {
      ++tally_.wrong;
      return;
    }
    Slot& slot = flow.slots[head.slot];
    if (!slot.isOutstanding || head.sequence != slot.sequence) {
      return onOld(slot, head.sequence);
    }
    slot.isOutstanding = false;
    --outstanding_;
    ++tally_.answered;
    tally_.bytes += data.size();
    const std::uint64_t when = shape_.arrival.isOpen() ? slot.intendedNs : now;
    if (when >= sampleFromNs_ && when < sampleToNs_) {
      latencies_.record(now - slot.intendedNs);
    }
    ready(flow, head.slot, now);
  }

  /// A reply to a datagram that was given up, or one more to a datagram that had its own.
  void onOld(Slot& slot, std::uint64_t sequence) {
    const auto found = std::find(slot.givenUp.begin(), slot.givenUp.end(), sequence);
    if (sequence != 0 && found != slot.givenUp.end()) {
      *found = 0;
      ++tally_.late;
      --tally_.lost;
    } else {
      ++doubled_;
    }
  }

  /// The slot is free.
  void ready(Flow& flow, std::uint32_t slot, std::uint64_t now) {
    if (!shape_.arrival.isOpen()) {
      if (!isEnding_) {
        give(flow, slot, now, now);
      }
    } else if (!queue_.empty()) {
      give(flow, slot, queue_.pop(), now);
    } else {
      static_cast<void>(free_.push({&flow, slot}));
    }
  }

  void give(Flow& flow, std::uint32_t number, std::uint64_t intendedNs, std::uint64_t now) {
    Slot& slot = flow.slots[number];
    ++slot.sequence;
    slot.intendedNs = intendedNs;
    slot.sentNs = now;
    slot.isOutstanding = true;
    ++outstanding_;
    writeMessage(*pattern_, {flow.number, number, slot.sequence}, out_.at(pending_));
    if (++pending_ == Batch::kDatagrams) {
      flush(flow);
    }
  }

  /// What the kernel does not take is found by the timeout.
  void flush(const Flow& flow) {
    if (pending_ > 0) {
      const int sent = ::sendmmsg(flow.fd, out_.headers(), static_cast<unsigned>(pending_), 0);
      notSent_ += pending_ - static_cast<std::size_t>(sent > 0 ? sent : 0);
      pending_ = 0;
    }
  }

  void giveUp(std::uint64_t now) {
    for (Flow& flow : flows_) {
      for (std::uint32_t i = 0; i < flow.slots.size(); ++i) {
        Slot& slot = flow.slots[i];
        if (slot.isOutstanding && now > slot.sentNs + timeoutNs_) {
          slot.isOutstanding = false;
          std::shift_right(slot.givenUp.begin(), slot.givenUp.end(), 1);
          slot.givenUp[0] = slot.sequence;
          --outstanding_;
          ++tally_.lost;
          ready(flow, i, now);
        }
      }
      flush(flow);
    }
  }

  /// A few tries, each half a second: the first datagram of a flow may find the proxy busy with
  /// others.
  [[nodiscard]] bool isAnswered(Flow& flow) {
    const timeval patience{0, 500'000};
    ::setsockopt(flow.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int attempt = 0; attempt < 4; ++attempt) {
      const MessageHead head{flow.number, 0, ++flow.slots[0].sequence};
      writeMessage(*pattern_, head, out_.at(0));
      if (::send(flow.fd, out_.at(0).data(), shape_.size, 0) < 0) {
        continue;
      }
      const ssize_t length = ::recv(flow.fd, in_.at(0).data(), shape_.size + 1, 0);
      if (length == static_cast<ssize_t>(shape_.size) &&
          isMessage(*pattern_, head, in_.at(0).first(shape_.size))) {
        ++tally_.answered;
        tally_.bytes += shape_.size;
        return true;
      }
      tally_.wrong += length >= 0 ? 1U : 0U;
    }
    return false;
  }

  std::unique_ptr<Pattern> pattern_;
  FlowsShape shape_;
  Epoll epoll_;
  std::uint64_t timeoutNs_;
  std::uint64_t scanNs_ = 0;
  std::size_t pending_ = 0;
  std::uint64_t outstanding_ = 0;
  bool isEnding_ = false;
  Batch in_;
  Batch out_;
  std::vector<Flow> flows_;
  Arrivals arrivals_;
  Ring<std::uint64_t> queue_;
  Ring<Free> free_;
  std::uint64_t sampleFromNs_ = kNever;
  std::uint64_t sampleToNs_ = kNever;
  Tally tally_;
  std::uint64_t doubled_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t notSent_ = 0;
  Latencies latencies_;
  Latencies lags_;
};

} // namespace sluice::load
