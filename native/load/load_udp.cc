// Closed-loop UDP load: each flow is a connected socket (so a client address of its own) that keeps
// a fixed number of datagrams outstanding. Every reply is compared byte for byte with what was
// sent. A datagram without a reply after the timeout counts as lost and is replaced by a new one,
// so a loss never stalls the loop.
//
//   load_udp --to 127.0.0.1:9000 --flows 64 --outstanding 4 --size 64 --warmup 1 --seconds 5
//
// Prints one JSON object. `totalEchoed` counts every verified reply from start to end, for a caller
// who compares it with CPU time from start to end; `echoed`, `seconds` and latencies are those of
// the sample.
#include <sys/socket.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "command_line.h"
#include "latency.h"
#include "pattern.h"
#include "sockets.h"

namespace bench {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::uint64_t kScanNs = 10'000'000;

struct Slot {
  std::uint64_t sequence = 0;
  std::uint64_t sentNs = 0;
  bool isOutstanding = false;
};

struct Flow {
  int fd = -1;
  std::uint32_t number = 0;
  std::vector<Slot> slots;
};

struct Counts {
  std::uint64_t echoed = 0;
  std::uint64_t lost = 0;
  std::uint64_t late = 0;
  std::uint64_t wrong = 0;
  std::uint64_t refused = 0;
  std::uint64_t notSent = 0;
};

/// Buffers for one recvmmsg or sendmmsg.
class Batch {
 public:
  explicit Batch(std::size_t size)
      : size_(size), bytes_(kBatch * size), spans_(kBatch), headers_(kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
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

class Load {
 public:
  Load(const sockaddr_in& target, std::uint32_t flows, std::uint32_t outstanding,
       std::uint32_t size, double timeoutSeconds)
      : pattern_(std::make_unique<Pattern>()), timeoutNs_(secondsToNs(timeoutSeconds)), size_(size),
        in_(size + 1), out_(size), flows_(flows) {
    for (std::uint32_t i = 0; i < flows; ++i) {
      Flow& flow = flows_[i];
      flow.fd = connectTo(target, SOCK_DGRAM);
      flow.number = i;
      flow.slots.resize(outstanding);
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
    for (Flow& flow : flows_) {
      for (std::uint32_t slot = 0; slot < flow.slots.size(); ++slot) {
        renew(flow, slot, nowNs());
      }
      flush(flow);
    }
  }

  void runFor(double seconds) {
    const std::uint64_t end = nowNs() + secondsToNs(seconds);
    while (nowNs() < end) {
      turn();
    }
  }

  /// Waits for what is outstanding without sending more.
  void finish() {
    isEnding_ = true;
    const std::uint64_t end = nowNs() + timeoutNs_;
    while (nowNs() < end && hasOutstanding()) {
      turn();
    }
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] Latencies& latencies() { return latencies_; }

 private:
  void turn() {
    epoll_.turn(10, [this](void* owner, std::uint32_t) { onReadable(*static_cast<Flow*>(owner)); });
    const std::uint64_t now = nowNs();
    if (now - scannedNs_ >= kScanNs) {
      scannedNs_ = now;
      replaceLost(now);
    }
  }

  void onReadable(Flow& flow) {
    const int count = ::recvmmsg(flow.fd, in_.headers(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      counts_.refused += errno == ECONNREFUSED ? 1U : 0U;
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
    if (data.size() == size_) {
      std::memcpy(&head, data.data(), kMessageHead);
    }
    if (data.size() != size_ || head.flow != flow.number || head.slot >= flow.slots.size() ||
        !isMessage(*pattern_, head, data)) {
      ++counts_.wrong;
      return;
    }
    Slot& slot = flow.slots[head.slot];
    if (!slot.isOutstanding || head.sequence != slot.sequence) {
      ++counts_.late;
      return;
    }
    slot.isOutstanding = false;
    ++counts_.echoed;
    latencies_.record(now - slot.sentNs);
    if (!isEnding_) {
      renew(flow, head.slot, now);
    }
  }

  void renew(Flow& flow, std::uint32_t number, std::uint64_t now) {
    Slot& slot = flow.slots[number];
    ++slot.sequence;
    slot.sentNs = now;
    slot.isOutstanding = true;
    writeMessage(*pattern_, {flow.number, number, slot.sequence}, out_.at(pending_));
    if (++pending_ == kBatch) {
      flush(flow);
    }
  }

  /// What the kernel does not take is found by the timeout.
  void flush(const Flow& flow) {
    if (pending_ > 0) {
      const int sent = ::sendmmsg(flow.fd, out_.headers(), static_cast<unsigned>(pending_), 0);
      counts_.notSent += pending_ - static_cast<std::size_t>(sent > 0 ? sent : 0);
      pending_ = 0;
    }
  }

  void replaceLost(std::uint64_t now) {
    for (Flow& flow : flows_) {
      for (std::uint32_t i = 0; i < flow.slots.size(); ++i) {
        if (flow.slots[i].isOutstanding && now > flow.slots[i].sentNs + timeoutNs_) {
          flow.slots[i].isOutstanding = false;
          ++counts_.lost;
          if (!isEnding_) {
            renew(flow, i, now);
          }
        }
      }
      flush(flow);
    }
  }

  [[nodiscard]] bool hasOutstanding() const {
    for (const Flow& flow : flows_) {
      for (const Slot& slot : flow.slots) {
        if (slot.isOutstanding) {
          return true;
        }
      }
    }
    return false;
  }

  /// A few tries, each half a second: the first datagram of a flow may find the proxy busy with
  /// others.
  [[nodiscard]] bool isAnswered(Flow& flow) {
    const timeval patience{0, 500'000};
    ::setsockopt(flow.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (int attempt = 0; attempt < 4; ++attempt) {
      const MessageHead head{flow.number, 0, ++flow.slots[0].sequence};
      writeMessage(*pattern_, head, out_.at(0));
      if (::send(flow.fd, out_.at(0).data(), size_, 0) < 0) {
        continue;
      }
      const ssize_t length = ::recv(flow.fd, in_.at(0).data(), size_ + 1, 0);
      if (length == static_cast<ssize_t>(size_) &&
          isMessage(*pattern_, head, in_.at(0).first(size_))) {
        ++counts_.echoed;
        return true;
      }
      counts_.wrong += length >= 0 ? 1U : 0U;
    }
    return false;
  }

  std::unique_ptr<Pattern> pattern_;
  Epoll epoll_;
  std::uint64_t timeoutNs_;
  std::uint64_t scannedNs_ = 0;
  std::size_t size_;
  std::size_t pending_ = 0;
  bool isEnding_ = false;
  Batch in_;
  Batch out_;
  std::vector<Flow> flows_;
  Counts counts_;
  Latencies latencies_;
};

int run(int count, char** values) {
  CommandLine line(count, values);
  const sockaddr_in target = parseAddress(line.text("--to", ""));
  const std::uint32_t flows = line.count("--flows", 64, 1, 16'384);
  const std::uint32_t outstanding = line.count("--outstanding", 4, 1, 1'024);
  const std::uint32_t size = line.count("--size", 64, kMessageHead, 65'507);
  const double timeout = line.number("--timeout", 0.2, 0.01, 10);
  const double warmup = line.number("--warmup", 0.5, 0, 600);
  const double seconds = line.number("--seconds", 2, 0.1, 600);
  line.refuseTheRest();
  raiseDescriptorLimit();

  Load load(target, flows, outstanding, size, timeout);
  load.check();
  load.start();
  load.runFor(warmup);
  load.latencies().forget();
  const std::uint64_t before = load.counts().echoed;
  const std::uint64_t began = nowNs();
  load.runFor(seconds);
  const std::uint64_t echoed = load.counts().echoed - before;
  const double took = static_cast<double>(nowNs() - began) / 1e9;
  const Latencies sampled = load.latencies();
  load.finish();

  const Counts& counts = load.counts();
  std::printf(
      "{\"flows\":%u,\"outstanding\":%u,\"size\":%u,\"seconds\":%.4f,\"echoed\":%llu,"
      "\"totalEchoed\":%llu,\"lost\":%llu,\"late\":%llu,\"wrong\":%llu,\"refused\":%llu,"
      "\"notSent\":%llu,",
      flows, outstanding, size, took, static_cast<unsigned long long>(echoed),
      static_cast<unsigned long long>(counts.echoed), static_cast<unsigned long long>(counts.lost),
      static_cast<unsigned long long>(counts.late), static_cast<unsigned long long>(counts.wrong),
      static_cast<unsigned long long>(counts.refused),
      static_cast<unsigned long long>(counts.notSent));
  sampled.printJson();
  std::printf("}\n");
  return counts.wrong == 0 ? 0 : 1;
}

} // namespace
} // namespace bench

int main(int count, char** values) {
  return bench::run(count, values);
}
