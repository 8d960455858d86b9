// Clients that each have at most one exchange under way: a request or message, and its answer. The
// Protocol says what is sent and whether what comes back is right; this says when: closed loop or
// open, over kept connections or a new one for each exchange. One thread, one loop.
//
// An arrival of the open loop that finds every client busy waits in a queue, and its waiting is
// part of its latency; a full queue drops it, which counts as lost. A client that met a failure
// rests for a moment, so that a broken target is not hammered, and then connects again.
//
// Protocol: struct Exchange (of a client, for good); begin(exchange) for the next one;
// requestBytes(); request(exchange, number, offset, spans), the unsent rest as spans;
// receive(exchange, number, data) and end(exchange) -> Progress; answerBytes(exchange); problem(),
// what was wrong last; setThorough(), for the check: verify everything. The Transport carries the
// bytes (load/transport.h).
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "load/arrivals.h"
#include "load/latency.h"
#include "load/sockets.h"
#include "load/transport.h"

namespace sluice::load {

enum class Progress { More, Done, DoneAndClosed, Wrong };

struct ClientsShape {
  sockaddr_in to{};
  std::uint32_t connections = 1;
  bool isReused = true;
  double timeoutSeconds = 2;
  ArrivalShape arrival;
};

struct Tally {
  std::uint64_t answered = 0; ///< right and whole, late ones too
  std::uint64_t bytes = 0;    ///< of them
  std::uint64_t wrong = 0;
  std::uint64_t lost = 0;    ///< no right and whole answer, for whatever reason
  std::uint64_t late = 0;    ///< answered, but after the timeout
  std::uint64_t closed = 0;  ///< connections that ended with an answer outstanding
  std::uint64_t stalled = 0; ///< unanswered at the end, and for longer than the timeout
  std::uint64_t dropped = 0; ///< arrivals for which the queue had no room
  std::uint64_t connectFailures = 0;
  std::uint64_t handshakeFailures = 0; ///< connections without TLS, or a tunnel, to their end
  std::uint64_t reconnected = 0; ///< kept connections that the target ended between two exchanges

  [[nodiscard]] std::uint64_t errors() const {
    return wrong + closed + stalled + connectFailures + handshakeFailures;
  }
};

template<typename Protocol, typename Transport = PlainTransport>
class Clients {
 public:
  Clients(Protocol& protocol, Transport& transport, const ClientsShape& shape)
      : protocol_(protocol), transport_(transport), shape_(shape),
        timeoutNs_(secondsToNs(shape.timeoutSeconds)), buffer_(kBufferBytes),
        clients_(shape.connections), arrivals_(shape.arrival), queue_(shape.arrival.queueLimit),
        idle_(shape.connections), resting_(shape.connections) {
    for (std::uint32_t i = 0; i < shape.connections; ++i) {
      clients_[i].number = i;
    }
  }

  /// Exchanges by the first client, one after the other, in which every byte is verified; the first
  /// failure ends the program.
  void check(std::uint32_t exchanges) {
    isChecking_ = true;
    protocol_.setThorough(true);
    for (std::uint32_t i = 0; i < exchanges; ++i) {
      const std::uint64_t now = nowNs();
      const std::uint64_t end = now + std::max(timeoutNs_, kCheckNs);
      give(clients_[0], now, now);
      while (outstanding_ > 0 && nowNs() < end) {
        turn(end);
      }
      if (tally_.answered != i + 1) {
        const std::string why = tally_.wrong > 0               ? protocol_.problem()
                                : tally_.closed > 0            ? "it ended before its answer did"
                                : tally_.connectFailures > 0   ? "no connection"
                                : tally_.handshakeFailures > 0 ? transport_.whyNotReady()
                                                               : "no answer";
        fail(("check: the target does not answer as expected: " + why).c_str());
      }
    }
    protocol_.setThorough(false);
    isChecking_ = false;
  }

  void start() {
    if (shape_.isReused) {
      openAll();
    }
    for (Client& client : clients_) {
      if (!client.isResting) {
        ready(client, nowNs());
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

  /// Closed loop: what is answered from now on is sampled; open loop: what arrives from now on.
  void beginSample() { sampleFromNs_ = nowNs(); }
  void endSample() { sampleToNs_ = nowNs(); }

  /// Nothing new; waits for what is outstanding, but no longer than the timeout.
  void finish() {
    isEnding_ = true;
    arrivals_.stop();
    std::uint64_t now = nowNs();
    const std::uint64_t end = now + timeoutNs_;
    while (now < end && (outstanding_ > 0 || !queue_.empty())) {
      turn(end);
      now = nowNs();
    }
    tally_.lost += outstanding_ + queue_.size();
    for (Client& client : clients_) {
      tally_.stalled += client.isBusy && now >= client.givenNs + timeoutNs_ ? 1U : 0U;
      close(client);
    }
  }

  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] const Latencies& latencies() const { return latencies_; }
  /// How long after its intended instant this program noticed an arrival of the sample.
  [[nodiscard]] const Latencies& lags() const { return lags_; }

 private:
  static constexpr std::size_t kBufferBytes = 256 * 1024;
  static constexpr std::uint64_t kRestNs = 10'000'000;
  static constexpr std::uint64_t kCheckNs = 1'000'000'000;
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  /// After so many failures of the opening the rest connects along the way.
  static constexpr std::uint64_t kOpeningFailures = 3;

  struct Client {
    int fd = -1;
    std::uint32_t number = 0;
    std::uint32_t events = 0; ///< registered; 0: not yet
    bool isConnecting = false;
    bool isBusy = false; ///< has an exchange under way
    bool isResting = false;
    std::uint64_t intendedNs = 0;
    std::uint64_t givenNs = 0;
    std::uint64_t sentBytes = 0;
    typename Protocol::Exchange exchange;
    typename Transport::Link link;
  };
  struct Rest {
    Client* client = nullptr;
    std::uint64_t untilNs = 0;
  };

  void turn(std::uint64_t deadlineNs) {
    std::uint64_t now = nowNs();
    if (arrivals_.nextNs() <= now) {
      arrivals_.takeDue(now, [this, now](std::uint64_t intended) { onArrival(intended, now); });
      now = nowNs();
    }
    while (!resting_.empty() && resting_.front().untilNs <= now) {
      Client& client = *resting_.pop().client;
      client.isResting = false;
      ready(client, now);
    }
    const std::uint64_t restEnd = resting_.empty() ? kNever : resting_.front().untilNs;
    const std::uint64_t until = std::min({deadlineNs, arrivals_.nextNs(), restEnd});
    epoll_.turn(until > now ? static_cast<std::int64_t>(until - now) : 0,
                [this](void* owner, std::uint32_t events) {
                  onReady(*static_cast<Client*>(owner), events);
                });
  }

  void onArrival(std::uint64_t intended, std::uint64_t now) {
    if (intended >= sampleFromNs_) {
      lags_.record(now - intended);
    }
    if (!idle_.empty()) {
      give(*idle_.pop(), intended, now);
    } else if (!queue_.push(intended)) {
      ++tally_.dropped;
      ++tally_.lost;
    }
  }

  void onReady(Client& client, std::uint32_t events) {
    if (client.fd < 0) {
      return; // closed on behalf of another one's event
    }
    if (client.isConnecting && (events & (EPOLLERR | EPOLLHUP)) != 0) {
      return onBroken(client, tally_.connectFailures);
    }
    const bool isUnsent = client.isBusy && client.sentBytes < protocol_.requestBytes();
    constexpr std::uint32_t kMayLetSend = Transport::kNegotiates ? EPOLLIN | EPOLLOUT : EPOLLOUT;
    if (isUnsent && (events & kMayLetSend) != 0 && !send(client)) {
      return;
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
      receive(client);
    }
  }

  /// The client has nothing to do.
  void ready(Client& client, std::uint64_t now) {
    if (isChecking_) {
      return;
    }
    if (!shape_.arrival.isOpen()) {
      if (!isEnding_) {
        give(client, now, now);
      }
    } else if (!queue_.empty()) {
      give(client, queue_.pop(), now);
    } else {
      static_cast<void>(idle_.push(&client));
    }
  }

  void give(Client& client, std::uint64_t intendedNs, std::uint64_t now) {
    client.isBusy = true;
    ++outstanding_;
    client.intendedNs = intendedNs;
    client.givenNs = now;
    client.sentBytes = 0;
    protocol_.begin(client.exchange);
    if (client.fd >= 0 || connect(client)) {
      static_cast<void>(send(client));
    }
  }

  [[nodiscard]] bool connect(Client& client) {
    client.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client.fd >= 0) {
      setNoDelay(client.fd);
      if (!shape_.isReused) {
        spreadSource(client.fd, shape_.to, client.number);
      }
      client.isConnecting = true;
      transport_.open(client.link, client.fd);
      if (::connect(client.fd, generic(shape_.to), sizeof shape_.to) == 0 || errno == EINPROGRESS) {
        return true;
      }
    }
    onBroken(client, tally_.connectFailures);
    return false;
  }

  /// Sends what is left of the request. On loopback a connection usually stands by the time
  /// connect() returns, so this is tried without waiting for it. False when the client broke.
  [[nodiscard]] bool send(Client& client) {
    while (client.sentBytes < protocol_.requestBytes()) {
      std::array<iovec, 2> spans;
      const std::size_t used =
          protocol_.request(client.exchange, client.number, client.sentBytes, spans);
      const Step step = transport_.send(client.link, client.fd, std::span(spans).first(used));
      switch (step.passage) {
      case Passage::Moved:
        client.isConnecting = false;
        client.sentBytes += step.bytes;
        break;
      case Passage::WantRead: // the other side's turn in a handshake
        client.isConnecting = false;
        want(client, EPOLLIN);
        return true;
      case Passage::WantWrite:
        want(client, EPOLLIN | EPOLLOUT);
        return true;
      case Passage::Ended:
        client.isConnecting = false; // somebody was there to end it
        [[fallthrough]];
      case Passage::Broken:
        onBroken(client, whyBroken(client));
        return false;
      }
    }
    want(client, EPOLLIN);
    return true;
  }

  /// The counter of what it is that a connection without an answer has met.
  [[nodiscard]] std::uint64_t& whyBroken(const Client& client) {
    return client.isConnecting                ? tally_.connectFailures
           : !transport_.isReady(client.link) ? tally_.handshakeFailures
                                              : tally_.closed;
  }

  void receive(Client& client) {
    do {
      receiveOnce(client);
    } while (client.fd >= 0 && transport_.hasPending(client.link));
  }

  void receiveOnce(Client& client) {
    const Step step = transport_.receive(client.link, client.fd, buffer_);
    const bool isOver = step.passage == Passage::Ended || step.passage == Passage::Broken;
    if (isOver && !client.isBusy) {
      ++tally_.reconnected;
      return close(client);
    }
    if (step.passage == Passage::Broken || (isOver && !transport_.isReady(client.link))) {
      return onBroken(client, whyBroken(client));
    }
    if (step.passage != Passage::Moved && step.passage != Passage::Ended) {
      return;
    }
    const Progress progress = !client.isBusy ? Progress::Wrong
                              : isOver       ? protocol_.end(client.exchange)
                                             : protocol_.receive(client.exchange, client.number,
                                                                 std::span(buffer_).first(step.bytes));
    switch (progress) {
    case Progress::More:
      return isOver ? onBroken(client, tally_.closed) : void();
    case Progress::Done:
    case Progress::DoneAndClosed:
      return onAnswer(client, progress);
    case Progress::Wrong:
      return onBroken(client, tally_.wrong);
    }
  }

  void onAnswer(Client& client, Progress progress) {
    const std::uint64_t now = nowNs();
    const std::uint64_t latency = now - client.intendedNs;
    ++tally_.answered;
    tally_.bytes += protocol_.answerBytes(client.exchange);
    tally_.late += latency > timeoutNs_ ? 1U : 0U;
    const std::uint64_t when = shape_.arrival.isOpen() ? client.intendedNs : now;
    if (when >= sampleFromNs_ && when < sampleToNs_) {
      latencies_.record(latency);
    }
    client.isBusy = false;
    --outstanding_;
    const bool isUnsent = client.sentBytes < protocol_.requestBytes();
    if (progress == Progress::DoneAndClosed || isUnsent || !shape_.isReused) {
      tally_.reconnected += shape_.isReused ? 1U : 0U;
      close(client);
    }
    ready(client, now);
  }

  /// A client without an exchange just opens another connection with its next one.
  void onBroken(Client& client, std::uint64_t& counter) {
    ++counter;
    close(client);
    if (client.isBusy) {
      client.isBusy = false;
      --outstanding_;
      ++tally_.lost;
      rest(client);
    }
  }

  void rest(Client& client) {
    client.isResting = true;
    static_cast<void>(resting_.push({&client, nowNs() + kRestNs}));
  }

  void close(Client& client) {
    if (client.fd >= 0) {
      transport_.close(client.link);
      ::close(client.fd);
    }
    client.fd = -1;
    client.events = 0;
    client.isConnecting = false;
  }

  /// All connections, before the first exchange.
  void openAll() {
    std::size_t open = 0;
    for (Client& client : clients_) {
      if (client.fd < 0 && tally_.connectFailures + tally_.handshakeFailures < kOpeningFailures) {
        client.fd = tryConnectTo(shape_.to, SOCK_STREAM);
        if (client.fd < 0) {
          ++tally_.connectFailures;
          rest(client);
          continue;
        }
        transport_.open(client.link, client.fd);
        if (!transport_.begin(client.link, client.fd)) {
          ++tally_.handshakeFailures;
          close(client);
          rest(client);
          continue;
        }
        setNonBlocking(client.fd);
        want(client, EPOLLIN);
      }
      open += client.fd >= 0 ? 1U : 0U;
    }
    if (open == 0) {
      if (tally_.handshakeFailures > 0) {
        fail(transport_.whyNotReady().c_str());
      }
      fail("connect", errno);
    }
  }

  void want(Client& client, std::uint32_t events) {
    if (client.events == 0) {
      epoll_.add(client.fd, events, &client);
    } else if (client.events != events) {
      epoll_.change(client.fd, events, &client);
    }
    client.events = events;
  }

  Protocol& protocol_;
  Transport& transport_;
  ClientsShape shape_;
  std::uint64_t timeoutNs_;
  Epoll epoll_;
  std::vector<std::byte> buffer_;
  std::vector<Client> clients_;
  Arrivals arrivals_;
  Ring<std::uint64_t> queue_;
  Ring<Client*> idle_;
  Ring<Rest> resting_;
  std::uint64_t outstanding_ = 0;
  std::uint64_t sampleFromNs_ = kNever;
  std::uint64_t sampleToNs_ = kNever;
  bool isChecking_ = false;
  bool isEnding_ = false;
  Tally tally_;
  Latencies latencies_;
  Latencies lags_;
};

} // namespace sluice::load
